"""From where a low shelf is filled up, and what a policy may say about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model.geo import Point
from connector.model.kinds import HubTier, Lane, ProductStatus, ReplenishmentKind
from connector.rules.facts.ticket import ProductFacts
from connector.rules.policy.reading import InvalidPolicy, Policy, default_policy, read_policy
from connector.rules.replenishment.facts import HEIGHT, GivingShelf, HubPlace, ShelfFacts
from connector.rules.replenishment.plan import Proposal, plan
from connector.rules.replenishment.told import explanation_of, text_of

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
DOCUMENT = """
name: test
rules: [{name: any, when: "true", hardware: replace}]
approvals: {costly: {roles: [approver], within_minutes: 60, auto_approve_when: request.cost_cents < 20000}}
sourcing:
  courier: {transit: [{hours: 24}]}
  suppliers: {SUPPLIERS}
replenishment: {rules: [RULES]}
"""
TRADER = "trader: {offers: [purchase], lead_hours: 24, cost_cents: 500}"
BERLIN = Point(52.52, 13.4)


def policy(rules: str = "{name: any}", suppliers: str = "") -> Policy:
    return read_policy(DOCUMENT.replace("RULES", rules).replace("{SUPPLIERS}", "{" + suppliers + "}"))


def hub(number: int, tier: HubTier, label: str = "", point: Point | None = BERLIN) -> HubPlace:
    return HubPlace(number, label or f"H{number}", tier, code=label or f"H{number}", point=point)


def giver(number: int, free: int, tier: HubTier = HubTier.CENTRAL, *, km: float = 0, **keeps: int) -> GivingShelf:
    """A hub so many kilometres south of Berlin."""
    return GivingShelf(hub(number, tier, point=Point(52.52 - km / 111.195, 13.4)), free, **keeps)


def shelf(*givers: GivingShelf, **values: Any) -> ShelfFacts:
    known: dict[str, Any] = {
        "stock_id": 1, "hub": hub(1, HubTier.LOCAL, "LOC"),
        "product": ProductFacts(7, "Acme", "X1", unit_cost_cents=100),
        "lane": Lane.NORMAL, "on_hand": 0, "free": 0, "reorder_point": 2, "target": 4, "givers": givers,
    }  # fmt: skip
    return ShelfFacts(**{**known, **values})


def found(facts: ShelfFacts, rules: Policy | None = None) -> Proposal:
    proposal = plan(facts, rules or policy(), NOW)
    assert proposal is not None
    return proposal


def taken(proposal: Proposal) -> dict[str, int]:
    parts = {item.shelf.hub.label: item.takes for item in proposal.transfers}
    seller = proposal.purchase
    return parts if seller is None else {**parts, seller.name: seller.takes}


def lost(proposal: Proposal) -> dict[str, str | None]:
    return {item["name"]: item["why"] for item in explanation_of(proposal)["candidates"] if not item["takes"]}


@pytest.mark.parametrize(
    ("levels", "quantity"),
    [
        ({"free": 2}, 0),
        ({"free": 1}, 3),
        ({"free": 1, "coming": 1}, 0),
        ({"free": 0, "coming": 1}, 3),
        ({"free": 0, "target": None}, 2),
        ({"free": 0, "target": 1}, 2),
        ({"free": 0, "reorder_point": 0}, 0),
    ],
)
def test_a_shelf_wants_what_is_missing_to_its_target_or_else_to_its_reorder_point(levels: Any, quantity: int):
    facts = shelf(giver(2, 9), **levels)

    proposal = plan(facts, policy(), NOW)

    assert (0 if proposal is None else proposal.quantity) == quantity


def test_the_nearest_hub_that_can_give_everything_gives_it_in_one_parcel():
    proposal = found(shelf(giver(2, 3, km=10), giver(3, 9, km=300), giver(4, 9, km=200)))

    assert (proposal.kind, taken(proposal)) == (ReplenishmentKind.TRANSFER, {"H4": 4})
    assert lost(proposal) == {"H2": "can give 3 of 4; H4 gives all in one parcel", "H3": "H4 is nearer"}
    assert text_of(proposal) == "LOC has 0 free of Acme X1, reorder point 2, target 4: 4 from H4, 200 km away."


def test_where_no_hub_has_all_each_gives_what_it_can_and_the_rest_is_bought():
    rules = policy(suppliers=f"{TRADER}, dear: {{offers: [purchase], lead_hours: 1, cost_cents: 900}}")
    proposal = found(shelf(giver(2, 3, km=10, reorder_point=2), giver(3, 9, km=90, protected=7)), rules)

    assert (proposal.kind, taken(proposal)) == (ReplenishmentKind.MIXED, {"H2": 1, "H3": 2, "trader": 1})
    seller = proposal.purchase
    assert seller is not None
    assert (seller.cost_cents, seller.expected_at) == (600, NOW + timedelta(days=1))
    assert lost(proposal) == {"dear": "trader is cheaper"}


def test_only_hubs_above_give_and_only_tiers_that_the_rule_names():
    regional = shelf(
        giver(2, 9, HubTier.REGIONAL), giver(3, 9, HubTier.CENTRAL), hub=hub(1, HubTier.REGIONAL, "REG")
    )  # fmt: skip
    proposal = found(regional)
    assert (taken(proposal), lost(proposal)["H2"]) == ({"H3": 4}, "a regional hub gives nothing to a regional one")

    proposal = found(shelf(giver(2, 9, HubTier.REGIONAL), giver(3, 9)), policy("{name: a, sources: [regional]}"))
    assert (taken(proposal), lost(proposal)["H3"]) == ({"H2": 4}, "rule 'a' takes from regional")


@pytest.mark.parametrize(
    ("supplier", "values", "why"),
    [
        ("manufacturers: [Other]", {}, "has nothing of Acme"),
        ("delivers_to: BER", {}, "delivers to hub BER only"),
        ("when: product.asset_class == 'dock'", {}, "only when product.asset_class == 'dock'"),
        ("", {"product": ProductFacts(7, "Acme", "X1", status=ProductStatus.END_OF_SALE)},
         "Acme X1 is end of sale: nothing is bought"),
    ],
)  # fmt: skip
def test_a_supplier_that_cannot_is_not_asked_and_it_is_told_why(supplier: str, values: Any, why: str):
    more = f", {supplier}" if supplier else ""
    rules = policy(suppliers=f"trader: {{offers: [purchase], lead_hours: 24{more}}}")

    proposal = found(shelf(**values), rules)

    assert (proposal.kind, lost(proposal)) == (ReplenishmentKind.NONE, {"trader": why})
    assert text_of(proposal).endswith(f"4 from nowhere: no hub above has any; trader {why}.")


def test_the_first_rule_that_holds_decides_and_a_shelf_that_none_is_about_is_left_alone():
    rules = policy(
        "{name: glass, when: shelf.lane == 'break_glass', act: order, approval: costly}, "
        "{name: cheap, when: product.unit_cost_cents < 50, act: off}",
        TRADER,
    )

    assert plan(shelf(), rules, NOW) is None
    proposal = found(shelf(lane=Lane.BREAK_GLASS), rules)
    assert (proposal.rule.name, proposal.approval) == ("glass", None)
    dear = found(shelf(lane=Lane.BREAK_GLASS, product=ProductFacts(7, "Acme", "X1", unit_cost_cents=90_000)), rules)
    assert dear.approval == "costly"


def test_the_shipped_policy_proposes_and_leaves_what_is_obsolete_alone():
    assert found(shelf(giver(2, 9)), default_policy()).rule.act == "propose"
    obsolete = ProductFacts(7, "Acme", "X1", status=ProductStatus.OBSOLETE)
    assert plan(shelf(giver(2, 9), product=obsolete), default_policy(), NOW) is None


def test_what_is_wrong_in_the_section_is_told_with_its_place():
    with pytest.raises(InvalidPolicy) as refused:
        policy(
            "{name: a, when: shelf.lane == 'brak'}, {name: b, when: ticket.priority == 'P1'}, "
            "{name: c, suppliers: [maker, gone], approval: none}, {name: c, act: order}, "
            "{name: e, transport: technician}",
            "maker: {offers: [vendor_replacement], lead_hours: 1}",
        )

    told = "\n".join(str(problem) for problem in refused.value.found)
    for part in (
        "replenishment.rules[0].when: compares shelf.lane with 'brak'",
        "replenishment.rules[1].when: names 'ticket', which does not exist: known are shelf, hub, product",
        "replenishment.rules[2].suppliers[0]: is 'maker', which is no supplier that offers purchase",
        "replenishment.rules[2].suppliers[1]: names 'gone', which is not under sourcing.suppliers",
        "replenishment.rules[2].approval: names 'none', which is not under approvals",
        "replenishment.rules[3].name: is 'c', which is the name of replenishment.rules[2] already",
        "replenishment.rules[3]: can never match: wherever it is true, rules[2] before it is true as well",
        "replenishment.rules[4].transport: no technician comes for a transfer: give courier or drive",
    ):
        assert part in told
    assert refused.value.found[0].mark.line == 8


units = st.integers(0, 12)
givers = st.lists(
    st.tuples(units, st.sampled_from(HubTier), st.integers(0, 900), units, units), max_size=6
).map(lambda rows: [
    giver(n, free, tier, km=km, reorder_point=reorder, protected=protected)
    for n, (free, tier, km, reorder, protected) in enumerate(rows, 2)
])  # fmt: skip


@given(givers, st.sampled_from(HubTier), units, units, st.none() | units, units, st.booleans())
def test_no_hub_gives_what_it_keeps_and_no_shelf_gets_more_than_it_should_hold(
    above: list[GivingShelf], tier: HubTier, free: int, reorder: int, target: int | None, coming: int, sells: bool
):
    facts = shelf(
        *above, hub=hub(1, tier, "LOC"), free=free, reorder_point=reorder, target=target, coming=coming
    )  # fmt: skip

    proposal = plan(facts, policy(suppliers=TRADER if sells else ""), NOW)

    if free + coming >= reorder:
        assert proposal is None
        return
    assert proposal is not None
    gets = sum(taken(proposal).values())
    assert free + coming + gets <= max(target or 0, reorder)
    for item in proposal.transfers:
        assert item.shelf.free - item.takes >= max(item.shelf.reorder_point, item.shelf.protected)
        assert HEIGHT[item.shelf.hub.tier] > HEIGHT[tier]
    can = sum(item.can_give for item in above if HEIGHT[item.hub.tier] > HEIGHT[tier])
    assert gets == (proposal.quantity if sells else min(can, proposal.quantity))
    assert all(item.takes or item.why for item in (*proposal.givers, *proposal.sellers))
