"""From a ticket to a held unit: the facts that are read, the decision that is kept, the claim that follows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import (
    BERLIN,
    HAMBURG,
    MUNICH,
    NOW,
    insert_row,
    make_asset,
    make_hub,
    make_product,
    make_service_class,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)

from connector.model.errors import NotKnown
from connector.model.kinds import Lane
from connector.model.lifecycle import ReservationState
from connector.model.refs import EntityKind
from connector.rules.facts.shelves import SubstituteFacts
from connector.rules.facts.ticket import ServiceClassFacts
from connector.rules.policy.reading import default_policy
from connector.rules.sourcing.decision import Outcome, Reason
from connector.storage import tables
from connector.storage.database.changes import NewChange, log_changes, publish_changes, read_changes
from connector.storage.database.engine import reading, transaction
from connector.storage.facts.facts import sourcing_facts
from connector.storage.facts.scene import current_scene
from connector.storage.stock.reserve import release_reservation
from connector.storage.tickets.decide import decide_and_reserve, explain_ticket
from connector.storage.tickets.decisions import latest_decision, record_decision

POLICY = default_policy()


class Case:
    """A failed device at a site in Berlin, a hub in Berlin and one in Munich with two units each."""

    near: int
    far: int
    product: int
    site: int
    asset: int
    source: int
    ticket: int


@pytest.fixture
async def case(engine: AsyncEngine) -> Case:
    made = Case()
    async with transaction(engine) as tx:
        made.far, made.near = await make_hub(tx, code="FAR", **MUNICH), await make_hub(tx, code="NEAR", **BERLIN)
        made.product = await make_product(tx, model="X1")
        for hub in (made.far, made.near):
            await make_spares(tx, hub_id=hub, product_id=made.product, count=2)
        made.site = await make_site(tx, code="S", service_class_id=await make_service_class(tx))
        made.asset = await make_asset(tx, name="sw-1", product_id=made.product, site_id=made.site)
        made.source = await make_source(tx)
        made.ticket = await make_ticket(tx, source_id=made.source, number="INC-7", asset_id=made.asset)
    return made


async def logged(engine: AsyncEngine) -> list[tuple[str, str, str, str | None]]:
    async with transaction(engine) as tx:
        await publish_changes(tx)
    async with reading(engine) as tx:
        return [(c.kind.value, c.operation, c.actor, c.cause) for c in await read_changes(tx, 0)]


async def rows_of(engine: AsyncEngine, *names: str) -> list[int]:
    async with reading(engine) as tx:
        return [
            (await tx.execute(select(func.count()).select_from(getattr(tables, name)))).scalar_one() for name in names
        ]


async def test_saleor_9970_the_nearest_hub_serves_not_just_any(engine: AsyncEngine, case: Case):
    async with transaction(engine) as tx:
        sourced = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW)

    assert sourced.reserved is not None
    held = sourced.reserved.reservation
    assert (held.hub_id, held.product_id, held.requested_product_id) == (case.near, case.product, case.product)
    assert (held.decision_id, held.state, held.line) == (sourced.decision_id, ReservationState.HELD, 1)
    # 30 minutes of handling, then next door
    assert held.estimated_arrival_at == NOW + timedelta(minutes=30)
    assert held.expires_at == NOW + timedelta(minutes=60)
    cause = f"rule critical-hardware of {POLICY.version}"
    assert await logged(engine) == [
        ("decision", "created", "rules", cause),
        ("reservation", "created", "rules", cause),
        ("asset", "updated", "rules", cause),
        ("stock", "updated", "rules", cause),
    ]


async def test_the_decision_is_kept_with_its_explanation(engine: AsyncEngine, case: Case):
    async with transaction(engine) as tx:
        sourced = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW)

    async with reading(engine) as tx:
        kept = await latest_decision(tx, case.ticket)
        assert await latest_decision(tx, case.ticket + 1) is None
    assert kept is not None
    assert (kept.id, kept.outcome, kept.reason, kept.rule) == (
        sourced.decision_id, "reserve", "sourced", "critical-hardware",
    )  # fmt: skip
    assert (kept.policy_version, kept.decided_at) == (POLICY.version, NOW)
    explanation = kept.explanation
    assert [(c["hub"], c["mode"], c["why"]) for c in explanation["candidates"]] == [
        ("NEAR", "drive", ""),
        (
            "FAR", "courier",
            "arrives after the due time, 1 d 6 h later than NEAR, which meets it",
        ),
    ]  # fmt: skip
    assert explanation["sla"] == {
        "due_at": "2026-11-25T13:00:00Z",
        "basis": "opened at 2026-11-25 09:00Z plus 240 min of 24x7 in Europe/Berlin (service class 'critical')",
        "margin_minutes": 210,
        "stated_at": None,
        "computed_at": "2026-11-25T13:00:00Z",
        "computed_basis": explanation["sla"]["basis"],
        "difference_minutes": None,
        "is_disputed": False,
        "tolerance_minutes": 15,
    }
    assert explanation["site"] == {
        "access": "24x7 in Europe/Berlin",
        "delivery": "Mon-Sat 08:00-18:00 in Europe/Berlin without the public holidays of DE",
    }


async def test_asked_again_nothing_happens_twice(engine: AsyncEngine, case: Case):
    async with transaction(engine) as tx:
        first = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW)
    before = await rows_of(engine, "decision", "reservation", "change")

    async with transaction(engine) as tx:
        again = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW + timedelta(minutes=5))

    assert first.reserved is not None
    assert again.reserved is not None
    assert again.reserved.reservations == first.reserved.reservations
    assert (again.decision, again.decision_id, again.reserved.is_new) == (None, first.decision_id, False)
    assert await rows_of(engine, "decision", "reservation", "change") == before


async def test_after_a_release_the_ticket_is_decided_anew(engine: AsyncEngine, case: Case):
    async with transaction(engine) as tx:
        first = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW)
        assert first.reserved is not None
        number = first.reserved.reservation.id
        await release_reservation(tx, number, reason="broken in the box", actor="test", at=NOW)
        second = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW)

    assert second.reserved is not None
    assert second.reserved.is_new
    assert second.decision_id != first.decision_id


async def test_a_dry_run_says_the_same_and_writes_nothing(engine: AsyncEngine, case: Case):
    before = await rows_of(engine, "decision", "reservation", "change")

    async with reading(engine) as tx:
        explained = await explain_ticket(tx, case.ticket, POLICY, NOW)

    assert await rows_of(engine, "decision", "reservation", "change") == before
    async with transaction(engine) as tx:
        sourced = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW)
    assert sourced.decision == explained


async def test_what_needs_a_person_is_recorded_and_claims_nothing(engine: AsyncEngine, case: Case):
    async with transaction(engine) as tx:
        await tx.execute(update(tables.site).values(latitude=None))
        sourced = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW)
        kept = await latest_decision(tx, case.ticket)

    assert sourced.reserved is None
    assert kept is not None
    assert (kept.outcome, kept.reason) == ("review", "site_without_coordinates")
    assert kept.explanation["text"] == "Site 'S' has no coordinates: add them, or choose the hub by hand."
    assert [entry[0] for entry in await logged(engine)] == ["decision"]


async def test_a_shelf_whose_book_is_wrong_is_passed_over(engine: AsyncEngine, case: Case):
    async with transaction(engine) as tx:
        near = tables.asset.c.hub_id == case.near
        await tx.execute(update(tables.asset).values(state="quarantined").where(near))
        sourced = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW)

    assert sourced.reserved is not None
    assert sourced.reserved.reservation.hub_id == case.far
    assert sourced.decision is not None
    assert [(losers.code, losers.hubs) for losers in sourced.decision.losers] == [("emptied", (case.near,))]


async def test_a_ticket_that_does_not_exist_is_not_known(engine: AsyncEngine, case: Case):
    async with transaction(engine) as tx:
        with pytest.raises(NotKnown, match="there is no ticket with id 404"):
            await decide_and_reserve(tx, 404, POLICY, now=NOW)
    async with reading(engine) as tx:
        with pytest.raises(NotKnown, match="there is no ticket with id 404"):
            await explain_ticket(tx, 404, POLICY, NOW)


async def test_facts_hold_the_ticket_and_what_hangs_on_it(engine: AsyncEngine, case: Case):
    async with transaction(engine) as tx:
        substitute = await make_product(tx, model="X2")
        pair = {"product_id": case.product, "substitute_id": substitute}
        await insert_row(tx, tables.compatibility, {**pair, "preference": 3, "condition": "site.region == 'EU'"})
        backwards = {"product_id": substitute, "substitute_id": await make_product(tx, model="X3")}
        await insert_row(tx, tables.compatibility, backwards)
        await make_spares(tx, hub_id=case.far, product_id=substitute, count=4)
        await insert_row(
            tx, tables.stock,
            {"hub_id": case.near, "product_id": case.product, "lane": "break_glass", "tracking": "serialised",
             "on_hand": 5, "reserved": 2, "updated_at": NOW},
        )  # fmt: skip
        empty = await make_hub(tx, **HAMBURG)
        await make_spares(tx, hub_id=empty, product_id=case.product, count=0)

    async with reading(engine) as tx:
        facts = await sourcing_facts(tx, case.ticket)

    assert (facts.ticket.number, facts.ticket.source, facts.ticket.opened_at) == ("INC-7", "itsm", NOW)
    assert facts.asset is not None
    assert (facts.asset.id, facts.asset.name) == (case.asset, "sw-1")
    assert facts.product is not None
    assert (facts.product.id, facts.product.label) == (case.product, "Acme X1")
    assert facts.site is not None
    assert (facts.site.id, facts.site.label, facts.site.time_zone) == (case.site, "S", "Europe/Berlin")
    assert facts.service_class == ServiceClassFacts("critical", 240, "24x7")
    assert facts.substitutes == (SubstituteFacts(substitute, "Acme X2", 3, "site.region == 'EU'"),)
    assert {(h.product_id, h.lane): dict(h.free) for h in facts.holdings} == {
        (case.product, Lane.NORMAL): {case.near: 2, case.far: 2},
        (case.product, Lane.BREAK_GLASS): {case.near: 3},
        (substitute, Lane.NORMAL): {case.far: 4},
    }
    assert facts.fleet.hubs[case.near].profile[:6] == ("Europe/Berlin", "24x7", (17 * 60,), 30, "DE", "")


async def test_a_ticket_without_anything_known_has_empty_facts(engine: AsyncEngine, case: Case):
    async with transaction(engine) as tx:
        ticket = await make_ticket(tx, source_id=case.source, asset_hint="sw-404", priority=None)
        facts = await sourcing_facts(tx, ticket)

    assert (facts.asset, facts.product, facts.site, facts.holdings) == (None, None, None, ())
    assert (facts.ticket.asset_hint, facts.ticket.priority) == ("sw-404", None)


async def test_facts_take_as_many_queries_with_a_large_fleet_as_with_a_small_one(engine: AsyncEngine, case: Case):
    statements: list[str] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            statements.append(statement)

    async def queries() -> int:
        async with reading(engine) as tx:
            await sourcing_facts(tx, case.ticket)
            statements.clear()
            facts = await sourcing_facts(tx, case.ticket)
            assert len(facts.holdings) == 1
        return len(statements)

    small = await queries()
    async with transaction(engine) as tx:
        for _ in range(50):
            await make_spares(tx, hub_id=await make_hub(tx), product_id=case.product, count=1)

    assert (small, await queries()) == (2, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"opening_hours": "Sat 10:00-11:00"}, {"handling_minutes": 9_000}, {"is_mobile": True}, {"pick_minutes": 9_000},
        {"retired_at": NOW}, {"latitude": 40.0}, {"time_zone": "Asia/Tokyo"}, {"courier_cut_offs": ["01:00"]},
        {"country": "FR"}, {"address": {"state": "Bayern"}},
    ],
)  # fmt: skip
async def test_a_hub_changed_by_hand_is_seen_by_the_next_decision(
    engine: AsyncEngine, case: Case, change: dict[str, Any]
):
    async with reading(engine) as tx:
        before = (await sourcing_facts(tx, case.ticket)).fleet

    async with transaction(engine) as tx:
        by_hand = update(tables.hub).values(**change, updated_at=NOW + timedelta(seconds=1))
        await tx.execute(by_hand.where(tables.hub.c.id == case.near))

    async with reading(engine) as tx:
        after = (await sourcing_facts(tx, case.ticket)).fleet
        assert (await sourcing_facts(tx, case.ticket)).fleet is after
    assert after.hubs.get(case.near) != before.hubs[case.near]
    assert after.hubs[case.far] == before.hubs[case.far]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_hub_change_that_commits_late_is_seen(engine: AsyncEngine, case: Case):
    async with engine.connect() as slow:
        await slow.begin()
        near = tables.hub.c.id == case.near
        await slow.execute(update(tables.hub).values(time_zone="Asia/Tokyo", updated_at=NOW).where(near))
        moved = NewChange(EntityKind.HUB, case.near, "updated", {"time_zone": ("Europe/Berlin", "Asia/Tokyo")})
        await log_changes(slow, [moved], actor="slow", at=NOW)
        async with transaction(engine) as tx:
            await sourcing_facts(tx, case.ticket)
        await slow.commit()

    async with reading(engine) as tx:
        facts = await sourcing_facts(tx, case.ticket)
    assert facts.fleet.hubs[case.near].profile[0] == "Asia/Tokyo"


async def test_a_decision_can_be_recorded_by_itself(engine: AsyncEngine, case: Case):
    at = datetime(2026, 11, 25, 9, 1, tzinfo=UTC)
    async with transaction(engine) as tx:
        decision = await explain_ticket(tx, case.ticket, POLICY, NOW)
        number = await record_decision(tx, case.ticket, decision, at)
        kept = await latest_decision(tx, case.ticket)

    assert kept is not None
    assert (kept.id, kept.ticket_id, kept.decided_at) == (number, case.ticket, at)
    assert (decision.outcome, decision.reason) == (Outcome.RESERVE, Reason.SOURCED)
    assert kept.explanation["considered"] == 2
    assert [entry[:3] for entry in await logged(engine)] == [("decision", "created", "rules")]


async def test_public_holidays_follow_the_addresses_of_site_and_hub(engine: AsyncEngine, case: Case):
    async with transaction(engine) as tx:
        await tx.execute(update(tables.site).values(country="DE", address={"country": "DE", "state": "BY"}))
        far = tables.hub.c.id == case.far
        await tx.execute(update(tables.hub).values(address={"state": "Berlin"}))
        await tx.execute(update(tables.hub).values(country=None, address=None).where(far))
        facts = await sourcing_facts(tx, case.ticket)
        decision = await explain_ticket(tx, case.ticket, POLICY, NOW)

    assert facts.site is not None
    assert (facts.site.country, facts.site.state) == ("DE", "BY")
    assert facts.fleet.hubs[case.near].profile[4:6] == ("DE", "Berlin")
    assert facts.fleet.hubs[case.far].profile[4:6] == ("", "")
    assert decision.delivery == "Mon-Sat 08:00-18:00 in Europe/Berlin without the public holidays of DE-BY"
    assert [(c.hub, c.hours.partition("; ")[2]) for c in decision.candidates] == [
        ("NEAR", "couriers collect without the public holidays of DE-BE"),
        ("FAR", "couriers collect with public holidays (the hub has no country and the policy no default_country)"),
    ]


async def test_days_off_of_the_database_count_when_the_policy_does_not_know_the_class(engine: AsyncEngine, case: Case):
    async with transaction(engine) as tx:
        plant = await tx.execute(
            insert(tables.service_class)
            .values(
                name="plant", maximum_outage_minutes=60, calendar="business", business_hours="Mon-Fri 08:00-17:00",
                holidays="site", closed_dates=["2026-12-28"],
            )
            .returning(tables.service_class.c.id)
        )  # fmt: skip
        await tx.execute(update(tables.site).values(service_class_id=plant.scalar_one(), country="DE"))
        # Christmas Eve, 16:30 in Berlin; the 25th is a public holiday and a Friday
        opened_at = datetime(2026, 12, 24, 15, 30, tzinfo=UTC)
        await tx.execute(update(tables.ticket).values(opened_at=opened_at, sla_due_at=opened_at))
        decision = await explain_ticket(tx, case.ticket, POLICY, NOW)
        facts, scene = await sourcing_facts(tx, case.ticket), await current_scene(tx)

    # a replay counts as decisions do
    assert [(place.site, place.service_class) for place in scene.places] == [(facts.site, facts.service_class)]
    assert decision.until.computed_at == datetime(2026, 12, 29, 7, 30, tzinfo=UTC)
    assert decision.until.difference_minutes == -4 * 24 * 60 - 16 * 60
    assert decision.until.is_disputed
    assert "without the public holidays of DE, closed on 2026-12-28" in decision.until.computed_basis


async def test_business_hours_of_the_database_count_when_the_policy_does_not_know_the_class(
    engine: AsyncEngine, case: Case
):
    async with transaction(engine) as tx:
        office = await tx.execute(
            insert(tables.service_class)
            .values(name="office", maximum_outage_minutes=60, calendar="business", business_hours="Thu 08:00-09:30")
            .returning(tables.service_class.c.id)
        )
        await tx.execute(update(tables.site).values(service_class_id=office.scalar_one()))
        decision = await explain_ticket(tx, case.ticket, POLICY, NOW)

    assert decision.due_at == datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    assert decision.margin_minutes == 22 * 60 + 30


async def test_business_days_of_the_database_count_when_the_policy_does_not_know_the_class(
    engine: AsyncEngine, case: Case
):
    async with transaction(engine) as tx:
        hours = {"calendar": "business", "business_hours": "Mon-Fri 08:00-17:00", "business_days": 1}
        office = insert(tables.service_class).values(name="office", maximum_outage_minutes=1080, **hours)
        made = await tx.execute(office.returning(tables.service_class.c.id))
        await tx.execute(update(tables.site).values(service_class_id=made.scalar_one()))
        decision = await explain_ticket(tx, case.ticket, POLICY, NOW)

    assert decision.due_at == datetime(2026, 11, 26, 16, 0, tzinfo=UTC)


async def test_looking_again_without_news_keeps_the_decision_and_writes_no_change(engine: AsyncEngine, case: Case):
    async def looked(minutes: int) -> tuple[int | None, str]:
        async with transaction(engine) as tx:
            sourced = await decide_and_reserve(tx, case.ticket, POLICY, now=NOW + timedelta(minutes=minutes))
        assert sourced.decision is not None
        return sourced.decision_id, sourced.decision.reason.value

    async with transaction(engine) as tx:
        await tx.execute(update(tables.stock).values(safety_stock=2, emergency_buffer=2))
    first = await looked(0)

    assert [await looked(minutes) for minutes in (10, 20)] == [first, first]
    assert first[1] == "nothing_allowed"
    async with reading(engine) as tx:
        kept = await latest_decision(tx, case.ticket)
    assert kept is not None
    assert (kept.decided_at, kept.looked_at) == (NOW, NOW + timedelta(minutes=20))
    assert [entry[:2] for entry in await logged(engine)] == [("decision", "created")]

    async with transaction(engine) as tx:
        await tx.execute(update(tables.ticket).values(title="Switch is very dead"))
    second = await looked(30)
    assert (second[0], second[1]) == (first[0] + 1, first[1])
    async with transaction(engine) as tx:
        await tx.execute(update(tables.stock).values(emergency_buffer=0))
        await tx.execute(update(tables.stock).where(tables.stock.c.hub_id == case.far).values(safety_stock=1))
    assert await looked(40) == (second[0] + 1, "sourced")
    assert await rows_of(engine, "decision", "reservation") == [3, 1]
