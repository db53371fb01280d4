"""From where a low shelf is filled up: from hubs of higher tiers that can spare units, and from suppliers for the rest.

The nearest hub that can give everything; where none can, what each can, the nearest first. None is brought below its
reorder point, nor below its safety stock and emergency buffer. What is left is bought where it is cheapest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from connector.model.calendars import Calendar, add_open_time, parse_hours
from connector.model.kinds import ProductStatus, ReplenishmentKind
from connector.rules.policy.approvals import is_waived, request_of
from connector.rules.policy.conditions import KNOWN, ConditionFailed, Facts, Scope
from connector.rules.policy.document import Policy
from connector.rules.policy.replenishment import Act, ReplenishmentRule
from connector.rules.policy.suppliers import Supplier
from connector.rules.replenishment.facts import HEIGHT, GivingShelf, ShelfFacts
from connector.rules.sourcing.scope import product_scope


@dataclass(frozen=True, slots=True)
class Giver:
    """A hub that was looked at. takes: units that come from it; why: what it lost by, "" for what is used whole."""

    shelf: GivingShelf
    distance_km: int | None
    takes: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Seller:
    """A supplier that was looked at. cost_cents, expected_at: of what would be bought; None where it does not sell."""

    name: str
    contact: str
    via: str | None
    cost_cents: int | None = None
    expected_at: datetime | None = None
    takes: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What could be done about a low shelf, and what else was looked at. approval: what is bought waits for it."""

    shelf: ShelfFacts
    rule: ReplenishmentRule
    policy_version: str
    currency: str
    givers: tuple[Giver, ...]
    sellers: tuple[Seller, ...]
    approval: str | None = None

    @property
    def quantity(self) -> int:
        """Units that are wanted."""
        return self.shelf.quantity

    @property
    def transfers(self) -> tuple[Giver, ...]:
        """Hubs that give."""
        return tuple(item for item in self.givers if item.takes)

    @property
    def purchase(self) -> Seller | None:
        """The supplier that the rest is bought from; None when nothing is."""
        return next((item for item in self.sellers if item.takes), None)

    @property
    def transfer_quantity(self) -> int:
        """Units that come from hubs."""
        return sum(item.takes for item in self.givers)

    @property
    def purchase_quantity(self) -> int:
        """Units that are bought."""
        return sum(item.takes for item in self.sellers)

    @property
    def kind(self) -> ReplenishmentKind:
        """Where the units come from."""
        if self.transfers:
            return ReplenishmentKind.MIXED if self.purchase else ReplenishmentKind.TRANSFER
        return ReplenishmentKind.PURCHASE if self.purchase else ReplenishmentKind.NONE


def plan(shelf: ShelfFacts, policy: Policy, now: datetime) -> Proposal | None:
    """What could be done about a shelf; None when it is not low, or the policy leaves it alone."""
    rule = policy.replenishment.rule_for(Facts(scope_of_shelf(shelf))) if shelf.is_low else None
    if rule is None or rule.act is Act.OFF:
        return None
    givers = _given(shelf, rule)
    missing = shelf.quantity - sum(item.takes for item in givers)
    sellers = tuple(_sellers(shelf, rule, policy, missing, now))
    proposal = Proposal(shelf, rule, policy.version, policy.sourcing.currency, givers, _bought(sellers, missing))
    return replace(proposal, approval=_needed_approval(proposal, policy))


def _needed_approval(proposal: Proposal, policy: Policy) -> str | None:
    seller, name = proposal.purchase, proposal.rule.approval
    if seller is None or name is None:
        return None
    request = request_of(
        "procurement", cost_cents=seller.cost_cents or 0, quantity=seller.takes, lane=proposal.shelf.lane.value
    )
    return None if is_waived(policy.approvals[name], _scope_of_product(proposal.shelf), request) else name


def scope_of_shelf(shelf: ShelfFacts) -> Scope:
    """What conditions read of a shelf; the names are those of `connector.rules.policy.conditions.OF_SHELF`."""
    return {
        "shelf": {
            "lane": shelf.lane.value,
            "free": shelf.free,
            "on_hand": shelf.on_hand,
            "reorder_point": shelf.reorder_point,
            "target": shelf.target or 0,
            "quantity": shelf.quantity,
        },
        "hub": {
            "name": shelf.hub.name,
            "code": shelf.hub.code or "",
            "tier": shelf.hub.tier.value,
            "region": shelf.hub.region or "",
            "country": shelf.hub.country or "",
            "is_mobile": shelf.hub.is_mobile,
        },
        "product": product_scope(shelf.product),
    }


def _given(shelf: ShelfFacts, rule: ReplenishmentRule) -> tuple[Giver, ...]:
    """The hubs that were looked at, the nearest first, with what each gives."""
    found = sorted((Giver(giver, giver.hub.km_to(shelf.hub)) for giver in shelf.givers), key=_nearest)
    looked = [replace(item, why=_refusal(item.shelf, shelf, rule)) for item in found]
    wanted = shelf.quantity
    whole = next((item for item in looked if not item.why and item.shelf.can_give >= wanted), None)
    given, left = [], wanted
    for item in looked:
        if item.why:
            given.append(item)
        elif whole is not None and item is not whole:
            given.append(replace(item, why=_lost_to(whole, item, wanted)))
        elif left == 0:
            given.append(replace(item, why="nearer hubs give everything together"))
        else:
            takes = min(item.shelf.can_give, left)
            left -= takes
            given.append(replace(item, takes=takes))
    return tuple(given)


def _nearest(item: Giver) -> tuple[bool, int, int, int]:
    return item.distance_km is None, item.distance_km or 0, HEIGHT[item.shelf.hub.tier], item.shelf.hub.id


def _refusal(giver: GivingShelf, shelf: ShelfFacts, rule: ReplenishmentRule) -> str:
    if HEIGHT[giver.hub.tier] <= HEIGHT[shelf.hub.tier]:
        return f"a {giver.hub.tier.value} hub gives nothing to a {shelf.hub.tier.value} one"
    if giver.hub.tier not in rule.sources:
        allowed = ", ".join(tier.value for tier in rule.sources) or "no hub"
        return f"rule {rule.name!r} takes from {allowed}"
    if giver.can_give == 0:
        return f"has {giver.free} free and keeps {giver.keeps}"
    return ""


def _lost_to(whole: Giver, item: Giver, wanted: int) -> str:
    if item.shelf.can_give < wanted:
        return f"can give {item.shelf.can_give} of {wanted}; {whole.shelf.hub.label} gives all in one parcel"
    return f"{whole.shelf.hub.label} is nearer"


def _sellers(
    shelf: ShelfFacts, rule: ReplenishmentRule, policy: Policy, missing: int, now: datetime
) -> Iterator[Seller]:
    for name, supplier in policy.sourcing.suppliers.items():
        if "purchase" not in supplier.offers:
            continue
        seller = Seller(name, supplier.contact, supplier.via)
        why = _not_asked(name, supplier, shelf, rule)
        zone = supplier.time_zone or policy.sourcing.default_time_zone
        expected = add_open_time(Calendar(zone, parse_hours(supplier.hours)), now, timedelta(hours=supplier.lead_hours))
        if not why and expected is None:
            why = "has no hours in which it could deliver"
        if why:
            yield replace(seller, why=why)
        else:
            cost = supplier.cost_cents + max(missing, 1) * (shelf.product.unit_cost_cents or 0)
            yield replace(seller, cost_cents=cost, expected_at=expected)


def _not_asked(name: str, supplier: Supplier, shelf: ShelfFacts, rule: ReplenishmentRule) -> str:
    """Why a supplier is not asked; "" for one that is."""
    if rule.suppliers is not None and name not in rule.suppliers:
        return f"rule {rule.name!r} does not ask it"
    if shelf.product.status is not ProductStatus.ACTIVE:
        return f"{shelf.product.label} is {shelf.product.status.value.replace('_', ' ')}: nothing is bought"
    if not supplier.makes(shelf.product.manufacturer):
        return f"has nothing of {shelf.product.manufacturer}"
    if supplier.delivers_to not in ("site", shelf.hub.label):
        return f"delivers to hub {supplier.delivers_to} only"
    try:
        if supplier.condition is not None and not supplier.condition.holds(Facts(_scope_of_product(shelf))):
            return f"only when {supplier.when}"
    except ConditionFailed as error:
        return str(error)
    return ""


def _scope_of_product(shelf: ShelfFacts) -> Scope:
    """What conditions about tickets read where there is none: the product, everything else absent."""
    absent = {name: {field: type(value)() for field, value in fields.items()} for name, fields in KNOWN.items()}
    return {**absent, "product": product_scope(shelf.product)}


def _bought(sellers: Sequence[Seller], missing: int) -> tuple[Seller, ...]:
    """The suppliers with what is bought, and why not from the others."""
    selling = [item for item in sellers if not item.why]
    best = min(selling, key=_cheapest, default=None)
    found = []
    for item in sellers:
        if item.why or best is None:
            found.append(item)
        elif missing == 0:
            found.append(replace(item, why="hubs give everything"))
        elif item is best:
            found.append(replace(item, takes=missing))
        else:
            is_dearer = item.cost_cents != best.cost_cents
            found.append(replace(item, why=f"{best.name} is {'cheaper' if is_dearer else 'sooner'}"))
    return tuple(found)


def _cheapest(item: Seller) -> tuple[int, datetime, str]:
    return item.cost_cents or 0, item.expected_at or datetime.max.replace(tzinfo=UTC), item.name
