"""What a decision lacks: facts without which nothing can be sourced, and facts that something is assumed instead of.

Which of them stop a decision and what is taken instead is policy (`connector.rules.policy.missing`).
"""

from __future__ import annotations

from connector.rules.arrival.destination import assumed_position
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.ticket import SiteFacts
from connector.rules.policy.document import Policy, Rule
from connector.rules.sourcing.decision import Assumption, Outcome, Reason


def lacking(facts: SourcingFacts, policy: Policy, rule: Rule) -> tuple[Outcome, Reason, str] | None:
    """What must be known to source anything and is not, as a person can act on it, and what the policy wants then."""
    unknown = _unknown_product(facts)
    if unknown is not None and policy.sourcing.missing.product == "nothing":
        return Outcome.NOT_NEEDED, unknown[0], f"{unknown[1]} The policy takes it that no hardware is needed."
    unknown = unknown or _unknown_site(facts, policy)
    if unknown is not None:
        return Outcome.REVIEW, *unknown
    if facts.service_class is None and policy.sourcing.missing.service_class == "person":
        text = f"Site {facts.site.label if facts.site else ''!r} has no service class: say which one it has."
        return Outcome.REVIEW, Reason.SERVICE_CLASS_UNKNOWN, text
    if rule.same_revision_only and policy.sourcing.missing.revision == "person" and not revision_of(facts):
        text = f"{_unknown_revision(facts)}, and rule {rule.name!r} takes no other: say which one it has."
        return Outcome.REVIEW, Reason.REVISION_UNKNOWN, text
    return None


def revision_of(facts: SourcingFacts) -> str | None:
    """The revision of the device; None when nobody knows it."""
    return facts.asset.revision if facts.asset is not None else None


def assumed_revision(facts: SourcingFacts) -> Assumption:
    """What is taken where nobody knows the revision of the device, and the policy takes any."""
    return Assumption("revision", f"{_unknown_revision(facts)}: a unit of any revision is taken.")


def _unknown_revision(facts: SourcingFacts) -> str:
    if facts.asset is None:
        return "The ticket names no device, so that nobody knows which revision is needed"
    return f"Nobody knows which revision device {facts.asset.label!r} has"


def _is_located(site: SiteFacts) -> bool:
    return site.latitude is not None and site.longitude is not None


def assumed(facts: SourcingFacts, policy: Policy) -> tuple[Assumption, ...]:
    """Facts that are missing without stopping anything, and what is taken instead."""
    return (*_assumed_class(facts, policy), *_assumed_place(facts, policy))


def _assumed_place(facts: SourcingFacts, policy: Policy) -> tuple[Assumption, ...]:
    site = facts.site
    if site is None or policy.sourcing.missing.site_coordinates == "person" or _is_located(site):
        return ()
    taken = assumed_position(site, policy)[1]
    return (Assumption("site_coordinates", f"Site {site.label!r} has no coordinates: {taken}."),)


def _assumed_class(facts: SourcingFacts, policy: Policy) -> tuple[Assumption, ...]:
    default = policy.sourcing.default_service_class
    if facts.service_class is not None or facts.site is None or policy.sourcing.missing.service_class == "person":
        return ()
    taken = "any arrival counts as in time" if default is None else f"{default!r}, the default, is taken"
    return (Assumption("service_class", f"Site {facts.site.label!r} has no service class: {taken}."),)


def _unknown_product(facts: SourcingFacts) -> tuple[Reason, str] | None:
    ticket = facts.ticket
    if facts.product is None:
        if facts.asset is not None:
            return Reason.PRODUCT_UNKNOWN, f"Asset {facts.asset.label!r} has no product: say which model it is."
        if ticket.asset_hint:
            return Reason.ASSET_UNKNOWN, f"The ticket names the asset {ticket.asset_hint!r}, which nobody knows."
        if ticket.product_hint:
            return Reason.PRODUCT_UNKNOWN, f"The ticket names the product {ticket.product_hint!r}, which nobody knows."
        return Reason.ASSET_UNKNOWN, "The ticket names no asset and no product: say which device has failed."
    return None


def _unknown_site(facts: SourcingFacts, policy: Policy) -> tuple[Reason, str] | None:
    ticket, site = facts.ticket, facts.site
    if site is None:
        if ticket.site_hint:
            return Reason.SITE_UNKNOWN, f"The ticket names the site {ticket.site_hint!r}, which nobody knows."
        return Reason.SITE_UNKNOWN, "Neither the ticket nor its asset names a site: say where the unit must go."
    if policy.sourcing.missing.site_coordinates == "person" and not _is_located(site):
        text = f"Site {site.label!r} has no coordinates: add them, or choose the hub by hand."
        return Reason.SITE_WITHOUT_COORDINATES, text
    return None
