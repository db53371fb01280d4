"""Runs the tests inside a policy document: decides on the given facts, compares with what is expected. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, TypeAlias

from connector.model.errors import InvalidInput
from connector.model.kinds import Lane
from connector.rules.arrival.due import due
from connector.rules.arrival.lanes import SiteLanes
from connector.rules.checks.given_together import parcel_verdict, with_event_and_parcel
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import Fleet, HubFacts, hub_facts
from connector.rules.facts.kits import KitFacts, KitPart
from connector.rules.facts.protection import Kept
from connector.rules.facts.shelves import (
    ClaimedPart,
    Contested,
    Holding,
    ShelfKey,
    SubstituteFacts,
    holding_of,
)
from connector.rules.facts.standing import ChannelFacts, ChannelScope, LoanFacts, ProcurementFacts
from connector.rules.facts.ticket import AssetFacts, ProductFacts, ServiceClassFacts, SiteFacts, TicketFacts
from connector.rules.policy.document import Policy
from connector.rules.policy.given import Given, GivenAsset, GivenShelf, PolicyTest
from connector.rules.policy.given_lanes import given_lanes
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, RungOutcome, TakenFrom
from connector.rules.sourcing.scope import local_date

Shown: TypeAlias = str | int | bool | list[str] | None

NEEDED = 1
"""Id of the needed product; substitutes follow."""


def shown(value: Shown) -> str:
    """A value as policy documents write it."""
    match value:
        case str():
            return value
        case list():
            return f"[{', '.join(value)}]"
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case int():
            return str(value)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that did not come out as expected. what: field of `expect`."""

    what: str
    expected: Shown
    got: Shown


@dataclass(frozen=True, slots=True)
class PolicyTestResult:
    """How a test ended. number: its place in the document, from 0. text: what the decision says for people."""

    number: int
    name: str
    differences: tuple[Difference, ...]
    text: str

    @property
    def has_passed(self) -> bool:
        """Whether everything came out as expected."""
        return not self.differences

    def told(self) -> str:
        """In one line: `name: rule: expected a, got b`."""
        differences = (f"{d.what}: expected {shown(d.expected)}, got {shown(d.got)}" for d in self.differences)
        return f"{self.name}: {'; '.join(differences)}"


class PolicyTestsFailed(InvalidInput):
    """Tests in a policy document fail. problems: one text per test, with what was expected and what came out."""

    code = "POLICY_TESTS_FAILED"

    def __init__(self, version: str, failed: Sequence[PolicyTestResult]) -> None:
        self.failed = tuple(failed)
        self.problems = tuple(result.told() for result in self.failed)
        listed = "\n".join(f"  {problem}" for problem in self.problems)
        count = "1 test" if len(self.failed) == 1 else f"{len(self.failed)} tests"
        super().__init__(
            f"{count} of policy {version!r} failed:\n{listed}",
            hint="Correct the rule or the test; to activate it all the same, give a reason, which is recorded.",
        )


def run_tests(policy: Policy) -> tuple[PolicyTestResult, ...]:
    """Run all tests of a policy, in the order of the document."""
    return tuple(_run(number, test, policy) for number, test in enumerate(policy.tests))


def _run(number: int, test: PolicyTest, policy: Policy) -> PolicyTestResult:
    facts = facts_of(test.given, currency=policy.sourcing.currency)
    then = {name: policy.approvals[name].on_refusal for name in test.given.refused}
    facts = with_event_and_parcel(replace(facts, refusals=then), test.given, policy)
    decision = decide(facts, policy, test.given.now)
    got = _outcome(decision, facts, policy, test.given)
    wanted = test.expect.model_dump(mode="json", include=test.expect.model_fields_set)
    differences = tuple(
        Difference(what, expected, got[what]) for what, expected in wanted.items() if expected != got[what]
    )
    return PolicyTestResult(number, test.name, differences, decision.text)


def _outcome(decision: Decision, facts: SourcingFacts, policy: Policy, given: Given) -> Mapping[str, Shown]:
    rule = next((rule for rule in policy.rules if rule.name == decision.rule), None)
    chosen, until = decision.chosen, due(facts, policy)
    parcel = parcel_verdict(facts, given, policy)
    return {
        "rule": decision.rule,
        "hardware": rule.hardware if rule else None,
        "outcome": decision.outcome.value,
        "reason": decision.reason.value,
        "lanes": [lane.value for lane in rule.lanes] if rule else None,
        "due_minutes": (until.at - given.now) // timedelta(minutes=1) if until.at else None,
        "hub": chosen.hub if chosen else None,
        "mode": chosen.mode.value if chosen else None,
        "is_within_sla": chosen.is_within_sla if chosen else None,
        "probability_percent": round(100 * chosen.probability) if chosen else None,
        "rung": next((rung.number for rung in decision.ladder if rung.outcome is RungOutcome.TAKEN), None),
        "supplier": decision.orders[0].supplier if decision.orders else None,
        "trouble": parcel.trouble.value if parcel else None,
        "approval": decision.approval,
        "taken_from": next((_number(taken, given) for taken in decision.taken_from), None),
        "kit": decision.kit.name if decision.kit else None,
        "loan": decision.loan.outcome.value if decision.loan else None,
        "loan_hub": next((item.hub for item in decision.loan.candidates), None) if decision.loan else None,
        "loan_days": _days_lent(decision, given),
        "draws": [purpose.value for purpose in decision.drawn],
        "revision": decision.revision,
        "assumed": [assumption.fact for assumption in decision.assumed],
        "units": sum(pick.quantity for pick in decision.picks),
        "rest": decision.rest.reason.value if decision.rest else None,
        "rest_units": decision.rest.wanted if decision.rest else 0,
    }


def _days_lent(decision: Decision, given: Given) -> int | None:
    due = decision.loan.due_back_at if decision.loan else None
    return None if due is None else (due - given.now) // timedelta(days=1)


def _number(taken: TakenFrom, given: Given) -> str:
    return given.claims[taken.reservation_id - 1].ticket


def facts_of(given: Given, *, currency: str = "EUR") -> SourcingFacts:
    """The given facts as decisions read them. currency: of offers that state none."""
    hubs = {name: number for number, name in enumerate(given.hubs, 1)}
    names = [*(item.product for item in given.substitutes), *(given.kit.components if given.kit else ())]
    products = {name: number for number, name in enumerate(names, NEEDED + 1)}
    shelves = _holdings(given.stock, hubs, products)
    components = {products[name] for name in (given.kit.components if given.kit else ())}
    fleet = {
        name: hub_facts(id=hubs[name], label=name, **{key: getattr(hub, key) for key in type(hub).model_fields})
        for name, hub in given.hubs.items()
    }
    return SourcingFacts(
        ticket=_ticket(given),
        asset=_asset(given),
        product=_product(given),
        site=_site(given),
        service_class=_service_class(given),
        substitutes=tuple(
            SubstituteFacts(products[item.product], item.product, item.preference, item.condition)
            for item in given.substitutes
        ),
        holdings=tuple(holding for holding in shelves if holding.product_id not in components),
        kit=_kit(given, products, shelves),
        fleet=Fleet(fleet.values()),
        quantity=max(given.quantity, given.ticket.quantity) - given.had,
        had=given.had,
        contested=_contested(given, hubs, products),
        channels=_channels(given),
        lanes=_lanes(given, fleet, currency),
        procurements=tuple(
            ProcurementFacts(number, NEEDED, item.kind, item.supplier, item.state, item.quantity, item.expected_at)
            for number, item in enumerate(given.procurements, 1)
        ),
        revisions=_revisions(given.stock, hubs, products),
        loan=None if given.loan is None else LoanFacts(1, 1, given.loan.state, given.loan.due_back_at or given.now),
    )


def _lanes(given: Given, hubs: Mapping[str, HubFacts], currency: str) -> SiteLanes:
    return given_lanes(
        given.deliveries,
        [(offer, given.now - timedelta(days=offer.days_ago), currency) for offer in given.offers],
        [(road, given.now) for road in given.roads],
        hubs=hubs,
        site=_site(given),
    )


def _channels(given: Given) -> tuple[ChannelFacts, ...]:
    if given.channel is None or not given.channel.known:
        return ()
    day = timedelta(days=1)
    return (ChannelFacts(1, given.channel.name, "a test", ChannelScope(), given.now - day, given.now + day),)


def _ticket(given: Given) -> TicketFacts:
    ticket = given.ticket
    values: dict[str, Any] = {name: getattr(ticket, name) for name in type(ticket).model_fields if name != "quantity"}
    return TicketFacts(**{**values, "id": 1, "opened_at": ticket.opened_at or given.now})


def _asset(given: Given) -> AssetFacts | None:
    asset = given.asset
    if asset is None or not asset.known:
        return None
    names = ("name", "serial", "asset_tag", "holder", "revision")
    return AssetFacts(
        id=1,
        state=asset.state,
        **{name: getattr(asset, name) or None for name in names},
        warranty_ends_on=_warranty_ends_on(asset, given),
    )


def _warranty_ends_on(asset: GivenAsset, given: Given) -> date | None:
    """The day on which the warranty ends if that is so; the day before, if all that is known is that it is over."""
    today = local_date(_site(given), given.now)
    if asset.in_warranty or asset.warranty_days_left:
        return today + timedelta(days=asset.warranty_days_left)
    return today - timedelta(days=1) if asset.warranty_known else None


def _product(given: Given) -> ProductFacts | None:
    product = given.product
    if product is None or not product.known:
        return None
    values = {name: getattr(product, name) for name in type(product).model_fields if name != "known"}
    return ProductFacts(id=NEEDED, **values)


def _site(given: Given) -> SiteFacts | None:
    site = given.site
    if site is None or not site.known:
        return None
    values = {name: getattr(site, name) for name in type(site).model_fields if name not in {"known", "service_class"}}
    return SiteFacts(id=1, **{**values, "code": site.code or None})


def _service_class(given: Given) -> ServiceClassFacts | None:
    """As the database would hold it; what the policy itself says of a class of this name counts more."""
    stated = given.service_class
    if stated is not None and stated.known:
        hours = "24x7" if stated.always else "Mon-Fri 08:00-17:00"
        return ServiceClassFacts(stated.name, stated.maximum_outage_minutes, hours)
    name = given.site.service_class if given.site else ""
    return ServiceClassFacts(name, 0, "24x7") if name else None


def _holdings(
    shelves: tuple[GivenShelf, ...], hubs: Mapping[str, int], products: Mapping[str, int]
) -> tuple[Holding, ...]:
    kept: dict[tuple[int, Lane], dict[int, Kept]] = {}
    for shelf in shelves:
        at_hubs, hub = kept.setdefault((products.get(shelf.product or "", NEEDED), shelf.lane), {}), hubs[shelf.hub]
        before = at_hubs.get(hub, Kept(0))
        at_hubs[hub] = Kept(
            before.free + shelf.free,
            before.safety_stock + shelf.safety_stock,
            before.emergency_buffer + shelf.emergency_buffer,
        )
    return tuple(holding_of(product, lane, at_hubs) for (product, lane), at_hubs in kept.items())


def _revisions(
    shelves: tuple[GivenShelf, ...], hubs: Mapping[str, int], products: Mapping[str, int]
) -> dict[ShelfKey, Counter[str]]:
    found: dict[ShelfKey, Counter[str]] = {}
    for shelf in shelves:
        key = (hubs[shelf.hub], products.get(shelf.product or "", NEEDED), shelf.lane)
        found.setdefault(key, Counter())[shelf.revision] += shelf.free
    return found


def _kit(given: Given, products: Mapping[str, int], shelves: Sequence[Holding]) -> KitFacts | None:
    if given.kit is None:
        return None
    parts = tuple(KitPart(products[name], name, quantity) for name, quantity in given.kit.components.items())
    holdings = tuple(holding for holding in shelves if holding.product_id in {part.product_id for part in parts})
    return KitFacts(1, given.kit.name, parts, holdings)


def _parts(given: Given, number: int, products: Mapping[str, int]) -> tuple[ClaimedPart, ...]:
    """The components that a claim holds; no claim of a device has a number as high as theirs."""
    claim = given.claims[number - 1]
    if given.kit is None or not claim.has_kit:
        return ()
    first = len(given.claims) + number * len(given.kit.components)
    return tuple(
        ClaimedPart(first + place, products[name], claim.lane, quantity * claim.units)
        for place, (name, quantity) in enumerate(given.kit.components.items())
    )


def _contested(given: Given, hubs: Mapping[str, int], products: Mapping[str, int]) -> tuple[Contested, ...]:
    return tuple(
        Contested(
            reservation_id=number,
            ticket_id=number + 1,
            ticket=claim.ticket,
            hub_id=hubs[claim.hub],
            product_id=products.get(claim.product or "", NEEDED),
            lane=claim.lane,
            quantity=claim.units,
            priority=claim.priority,
            since=claim.opened_at or given.now,
            made_at=claim.opened_at or given.now,
            losses=claim.losses,
            is_rollout=claim.is_rollout,
            revision=claim.revision or None,
            parts=_parts(given, number, products),
        )
        for number, claim in enumerate(given.claims, 1)
    )
