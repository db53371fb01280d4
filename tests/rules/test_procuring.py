"""Rungs that get units from outside: suppliers compared with stock and with each other, and the queue for stock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.rules.cases import MUNICH, NOW, POLICY, facts, holding, hub, ticket_of

from connector.model.kinds import HubTier, ProcurementKind
from connector.model.lifecycle import ProcurementState
from connector.rules.facts.standing import ProcurementFacts
from connector.rules.facts.ticket import ProductFacts
from connector.rules.policy.reading import InvalidPolicy, Policy, read_policy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, Outcome, Reason

# Wednesday 2026-11-25 09:00 UTC. Acme takes 24 h around the clock: Thursday 09:00 UTC, 10:00 in Berlin, where couriers
# hand over from 08:00 to 18:00. The trader takes 4 h of Mon-Fri 09:00-17:00 Berlin: 13:00 UTC the same day.
SUPPLIERS = """
  suppliers:
    acme-support:
      offers: [vendor_replacement]
      manufacturers: [ACME]
      lead_hours: 24
      cost_cents: 9000
      contact: hotline 1234
    trader:
      offers: [purchase]
      lead_hours: 4
      hours: Mon-Fri 09:00-17:00
      time_zone: Europe/Berlin
      cost_cents: 2500
"""
FROM_ACME = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
FROM_TRADER = datetime(2026, 11, 25, 13, 0, tzinfo=UTC)
FROM_MUNICH = datetime(2026, 11, 26, 16, 0, tzinfo=UTC)
IN_MUNICH = (hub(3, MUNICH, tier=HubTier.CENTRAL),)
FRIDAY = datetime(2026, 11, 27, tzinfo=UTC)


def policy(ladder: str, *, suppliers: str = SUPPLIERS, more: str = "") -> Policy:
    text = POLICY.replace("RULE", f"ladder: {ladder}").replace(
        "service_classes:", suppliers.strip("\n") + "\nservice_classes:"
    )
    return read_policy(text + more)


def decided(ladder: str, *holdings, due: datetime | None = FRIDAY, **values) -> Decision:
    case = facts(IN_MUNICH, holdings, **values)
    return decide(replace(case, ticket=ticket_of(case, sla_due_at=due)), policy(ladder), NOW)


def told(decision: Decision) -> list[tuple[str, str, str]]:
    return [(rung.kind, rung.outcome.value, rung.text) for rung in decision.ladder]


def past(state: ProcurementState) -> ProcurementFacts:
    return ProcurementFacts(1, 1, ProcurementKind.VENDOR_REPLACEMENT, "acme-support", state)


def test_a_maker_replaces_in_advance_what_no_hub_has():
    decision = decided("[stock, vendor_replacement, person]")

    assert (decision.outcome, decision.reason) == (Outcome.PROCURE, Reason.VENDOR_REPLACEMENT)
    assert decision.text == "acme-support replaces it in advance, at the site at 2026-11-26 09:00Z."
    [order] = decision.orders
    assert (order.kind, order.supplier, order.quantity, order.cost_cents, order.currency, order.contact) == (
        ProcurementKind.VENDOR_REPLACEMENT, "acme-support", 1, 9000, "EUR", "hotline 1234",
    )  # fmt: skip
    assert (order.expected_at, order.arrives_at, order.hub_id) == (FROM_ACME, FROM_ACME, None)
    assert decision.margin_minutes == 15 * 60
    assert (decision.picks, decision.chosen) == ((), None)


def test_a_purchase_costs_the_unit_as_well_and_counts_the_hours_of_the_supplier():
    decision = decided("[purchase, person]", product=ProductFacts(1, "Acme", "X1", unit_cost_cents=180_000))

    assert decision.orders[0].cost_cents == 182_500
    assert decision.orders[0].expected_at == FROM_TRADER


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("", datetime(2026, 12, 28, 10, tzinfo=UTC)),  # two hours on Christmas Eve, two on the Monday after
        ("holidays: DE", datetime(2026, 12, 28, 10, tzinfo=UTC)),
        ("holidays: none", datetime(2026, 12, 28, 7, tzinfo=UTC)),  # ready on the 25th, handed over on Monday
        ("closed: [2026-12-28]", datetime(2026, 12, 29, 10, tzinfo=UTC)),
    ],
)
def test_the_lead_time_of_a_supplier_does_not_pass_on_days_off(stated: str, expected: datetime):
    suppliers = SUPPLIERS.replace("      lead_hours: 4\n", f"      lead_hours: 4\n      {stated}\n")
    ordering = policy("[purchase, person]", suppliers=suppliers)
    german = ordering.sourcing.model_copy(update={"default_country": "DE"})
    case = facts(IN_MUNICH, ())

    decision = decide(
        replace(case, ticket=ticket_of(case, sla_due_at=None)),
        ordering.model_copy(update={"sourcing": german}),
        datetime(2026, 12, 24, 14, tzinfo=UTC),  # 15:00 in Berlin
    )

    assert decision.orders[0].expected_at == expected


def test_a_supplier_in_time_goes_before_a_late_unit():
    due = datetime(2026, 11, 26, 12, tzinfo=UTC)

    decision = decided("[{kind: stock, accept: in_time}, vendor_replacement, person]", holding(3), due=due)

    assert decision.orders[0].supplier == "acme-support"
    assert told(decision) == [
        ("stock", "lost", "late; rung 2 has one in time"),
        ("vendor_replacement", "taken", "arrives in time"),
        ("person", "not_reached", "a rung above ends the ladder"),
    ]
    assert [(losers.code, losers.hubs) for losers in decision.losers] == [("rung_passed", (3,))]


@pytest.mark.parametrize(("accept", "outcome"), [("any", Outcome.PROCURE), ("in_time", Outcome.PROCURE)])
def test_of_two_that_are_late_the_one_that_arrives_first_is_taken(accept: str, outcome: Outcome):
    ladder = f"[{{kind: stock, accept: in_time}}, {{kind: vendor_replacement, accept: {accept}}}, person]"

    decision = decided(ladder, holding(3), due=NOW)

    assert decision.outcome is outcome
    assert decision.orders[0].arrives_at == FROM_ACME < FROM_MUNICH


def test_a_late_unit_that_arrives_before_the_suppliers_is_come_back_to():
    slow = SUPPLIERS.replace("lead_hours: 24", "lead_hours: 48")
    case = facts(IN_MUNICH, [holding(3)])
    case = replace(case, ticket=ticket_of(case, sla_due_at=NOW))
    ladder = "[{kind: stock, accept: in_time}, vendor_replacement, person]"

    decision = decide(case, policy(ladder, suppliers=slow), NOW)

    assert (decision.outcome, decision.chosen.hub, decision.orders) == (Outcome.RESERVE, "HUB-3", ())
    assert decision.ladder[1].text == "late as well; rung 1 has the better one, arrives 17 h later"


def test_what_a_hub_gets_is_sent_on_from_there_and_its_freight_counts():
    via_hub = SUPPLIERS.replace("cost_cents: 9000", "cost_cents: 9000\n      delivers_to: HUB-3")
    case = facts(IN_MUNICH)
    case = replace(case, ticket=ticket_of(case, sla_due_at=None))

    [order] = decide(case, policy("[vendor_replacement, person]", suppliers=via_hub), NOW).orders

    # Thursday 09:00 UTC in Munich, 30 min handling, van at 17:00 local, 24 h on the way, 17:00 Friday in Berlin.
    assert (order.expected_at, order.hub_id) == (FROM_ACME, 3)
    assert (order.arrives_at, order.cost_cents) == (datetime(2026, 11, 27, 16, tzinfo=UTC), 15_000)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"product": ProductFacts(1, "Other", "X1")}, "acme-support has nothing of Other"),
        (
            {"procurements": (past(ProcurementState.REFUSED),)},
            "acme-support has refused this ticket, or its approval was refused",
        ),
        (
            {"procurements": (past(ProcurementState.RECEIVED),)},
            "acme-support has delivered for this ticket before",
        ),
    ],
)  # fmt: skip
def test_a_supplier_that_may_not_serve_is_passed_over_with_the_reason(change: dict, text: str):
    decision = decided("[vendor_replacement, backorder]", **change)

    assert told(decision)[0] == ("vendor_replacement", "nothing", text)
    assert decision.reason is Reason.BACKORDER


def test_what_is_on_order_already_counts_with_the_date_that_the_supplier_gave():
    given = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
    ordered = ProcurementFacts(
        7, 1, ProcurementKind.VENDOR_REPLACEMENT, "acme-support", ProcurementState.CONFIRMED, expected_at=given
    )

    decision = decided("[vendor_replacement, person]", procurements=(ordered,), due=None)

    assert decision.orders[0].arrives_at == given
    assert told(decision)[0][2] == "arrives in time; confirmed already"


def test_a_backorder_waits_with_the_date_that_was_told_first():
    ladder = "[stock, {kind: backorder, expected_hours: 72}]"
    told_before = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
    waits = ProcurementFacts(7, 1, ProcurementKind.BACKORDER, "", ProcurementState.REQUESTED, expected_at=told_before)

    first, again = decided(ladder), decided(ladder, procurements=(waits,))

    assert (first.outcome, first.reason) == (Outcome.PROCURE, Reason.BACKORDER)
    assert first.orders[0].expected_at == datetime(2026, 11, 28, 9, tzinfo=UTC)
    assert first.text.endswith("the ticket waits for stock, expected at 2026-11-28 09:00Z.")
    assert again.orders[0].expected_at == told_before
    assert decided("[stock, backorder]").text.endswith("the ticket waits for stock, nobody can say when.")


def test_an_order_waits_for_the_approval_of_its_rung_unless_the_policy_waives_it():
    ladder = "[{kind: purchase, approval: costly}, person]"
    costly = (
        "approvals: {costly: {roles: [approver], within_minutes: 60, auto_approve_when: request.cost_cents < LIMIT}}"
    )
    case = facts(IN_MUNICH, product=ProductFacts(1, "Acme", "X1", unit_cost_cents=180_000))

    asked = decide(case, policy(ladder, more=costly.replace("LIMIT", "182500")), NOW)
    waived = decide(case, policy(ladder, more=costly.replace("LIMIT", "182501")), NOW)

    assert (asked.approval, asked.awaits.deadline) == ("costly", datetime(2026, 11, 25, 10, tzinfo=UTC))
    assert waived.approval is None


@pytest.mark.parametrize(
    ("ladder", "problem"),
    [
        (
            "[{kind: purchase, suppliers: [trade]}, person]",
            "rules[0].ladder[0].suppliers[0]: names 'trade', which is not under sourcing.suppliers: did",
        ),
        (
            "[{kind: purchase, suppliers: [acme-support]}, person]",
            "rules[0].ladder[0].suppliers[0]: is 'acme-support', which is no supplier that offers purchase",
        ),
        ("[{kind: purchase, tiers: [local]}, person]", "a rung of kind purchase has no tiers: only stock have"),
        ("[backorder, person]", "rules[0].ladder[1]: is never tried: rung 1 before it ends the ladder"),
        ("[purchase]", "a ladder with no end: the last rung is purchase; end it with backorder or person"),
    ],
)  # fmt: skip
def test_a_rung_that_cannot_work_is_refused(ladder: str, problem: str):
    with pytest.raises(InvalidPolicy) as refused:
        policy(ladder)

    assert [text for text in refused.value.problems if problem in text], refused.value.problems


def test_a_rung_without_anybody_to_ask_is_refused():
    with pytest.raises(InvalidPolicy) as refused:
        policy("[purchase, person]", suppliers="")

    assert "has nobody to ask: no supplier under sourcing.suppliers offers purchase" in str(refused.value)
