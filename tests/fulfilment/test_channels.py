"""Red channels: who may open one, what its tickets are spared, how it ends, what is reported."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import NOW, make_site
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.world import World

from connector.fulfilment.channels import Channels
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.work import Work
from connector.model.errors import Forbidden, IllegalTransition, InvalidInput, NotKnown
from connector.model.kinds import Verdict
from connector.model.lifecycle import ApprovalState, ReservationState
from connector.model.principals import Principal
from connector.rules.policy.channels import ScopeKey
from connector.rules.policy.reading import read_policy
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.tickets.decide import decide_and_reserve, decide_and_reserve_many

POLICY = read_policy("""name: test
approvals:
  spare: {roles: [approver], within_minutes: 60}
red_channels:
  recall:
    roles: [duty-manager]
    max_hours: 24
    scope: [products, regions]
    when: ticket.priority == 'P1'
    lanes: [normal, break_glass]
    skips_approvals: true
rules:
  - {name: recalled, when: channel.name == 'recall', hardware: replace, approval: spare}
  - {name: hardware, when: "true", hardware: replace, approval: spare}
sourcing:
  courier: {transit: [{hours: 24}]}
""")
DUTY = Principal("dan", frozenset({"duty-manager"}))
ADA = Principal("ada", frozenset({"dispatcher"}))
EU = {ScopeKey.REGIONS: ["EU"]}
DAY = NOW + timedelta(hours=24)


def channels(engine: AsyncEngine, clock: MovableClock) -> Channels:
    return Channels(Work(engine, {}, clock, FulfilmentOptions()), POLICY)


async def opened(desk: Channels, key: str = "k", **more: Any) -> int:
    given: dict[str, Any] = {"by": DUTY, "reason": "advisory 7", "scope": EU, "ends_at": NOW + timedelta(hours=4)}
    return await desk.open("recall", **{**given, **more}, key=key)


async def decided(engine: AsyncEngine, ticket_id: int, clock: MovableClock) -> Any:
    async with transaction(engine) as tx:
        return await decide_and_reserve(tx, ticket_id, POLICY, now=clock.now())


async def test_a_ticket_in_an_open_channel_has_its_own_rule_and_needs_no_approval(
    engine: AsyncEngine, clock: MovableClock
):
    scene, desk = await make_scene(engine), channels(engine, clock)
    ticket = await scene.open_ticket()
    channel = await opened(desk)

    sourced = await decided(engine, ticket, clock)

    row = await scene.row(tables.decision)
    assert (row["rule"], row["red_channel_id"]) == ("recalled", channel)
    assert row["explanation"]["channel"] == {"id": channel, "name": "recall", "reason": "advisory 7"}
    assert row["explanation"]["authorisation"]["text"] == "approval 'spare' is skipped by red channel 'recall'"
    assert row["explanation"]["inputs"]["channel"] == {"known": True, "name": "recall"}
    assert sourced.reserved.reservation.approval_name is None


@pytest.mark.parametrize(
    ("scope", "ticket", "after"),
    [
        ({ScopeKey.REGIONS: ["US"]}, {}, timedelta(0)),
        (EU, {"priority": "P2"}, timedelta(0)),
        (EU, {}, timedelta(hours=4)),
    ],
    ids=["another region", "not when the policy says", "after its end, although nothing has closed it"],
)
async def test_other_tickets_go_their_usual_way(
    engine: AsyncEngine, clock: MovableClock, scope: Any, ticket: dict[str, Any], after: timedelta
):
    scene, desk = await make_scene(engine), channels(engine, clock)
    number = await scene.open_ticket(**ticket)
    await opened(desk, scope=scope)
    clock.advance(after)

    sourced = await decided(engine, number, clock)

    assert (sourced.decision.rule, sourced.decision.channel, sourced.decision.approval) == ("hardware", None, "spare")


async def test_its_tickets_are_decided_before_more_urgent_and_older_ones(engine: AsyncEngine, clock: MovableClock):
    scene, desk = await make_scene(engine, spares=1), channels(engine, clock)
    older = await scene.open_ticket("1", site_id=None, opened_at=NOW - timedelta(days=3))
    async with transaction(engine) as tx:
        site = await make_site(tx, region="US")
    newer = await scene.open_ticket("2", asset_id=None, product_id=scene.product_id, site_id=site)
    await opened(desk, scope={ScopeKey.REGIONS: ["US"]})

    async with transaction(engine) as tx:
        sourced = await decide_and_reserve_many(tx, [older, newer], POLICY, now=NOW)

    assert list(sourced) == [newer, older]
    assert (sourced[newer].decision.outcome.value, sourced[older].decision.outcome.value) == ("reserve", "review")


async def test_what_waited_before_is_decided_when_the_channel_opens(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine)
    hub = await launch(policy=POLICY)
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.approval))
    await hub.approvals.answer(
        (await scene.row(tables.approval))["id"], Verdict.REJECT, by=Principal("ben", frozenset({"approver"})),
        reason="no", key="n",
    )  # fmt: skip
    await eventually(lambda: scene.rows(tables.task, kind="review"))

    await opened(hub.channels)
    await eventually(lambda: scene.rows(tables.decision, rule="recalled"))
    await scene.finished(1)

    outcomes = [(row["rule"], row["reason"]) for row in await scene.rows(tables.decision)]
    assert outcomes == [("hardware", "sourced"), ("hardware", "approval_refused"), ("recalled", "sourced")]


async def test_what_waits_for_a_yes_goes_on_without_one_when_the_channel_opens(
    engine: AsyncEngine, launch: Any, world: World
):
    scene = await make_scene(engine, spares=3)
    hub = await launch(policy=POLICY)
    spared = await scene.open_ticket("1")
    await scene.open_ticket("2", priority="P2")  # in the scope, but not what the channel is for
    await eventually(lambda: count(scene, tables.approval, 2))

    channel = await opened(hub.channels)
    await opened(hub.channels)
    await scene.finished(1)
    await eventually(lambda: told(world, "1", 3))

    first, second = await scene.rows(tables.approval)
    assert (first["ticket_id"], first["state"], first["decided_by"], first["reason"]) == (
        spared, ApprovalState.WAIVED, f"red channel {channel}", "red channel 'recall' was opened by dan: advisory 7",
    )  # fmt: skip
    assert second["state"] is ApprovalState.PENDING
    states = [(row["ticket_id"], row["state"].value) for row in await scene.rows(tables.reservation)]
    assert states == [(spared, "committed"), (second["ticket_id"], "held")]
    assert sorted(await scene.tasks(kind="approval")) == [("approval", "cancelled"), ("approval", "open")]
    assert sorted(world.told("1")) == [
        "A replacement is on its way.", "An approval is not needed any more.",
        "What this ticket needs waits for approval.",
    ]  # fmt: skip
    assert len(await scene.rows(tables.decision)) == 2
    report = await hub.channels.close(channel, by=DUTY, reason="over", key="c")
    assert (report["tickets"], report["skipped_approvals"]) == (["1"], 1)
    with pytest.raises(IllegalTransition, match=f"approval {first['id']} .spare. is waived already"):
        await hub.approvals.answer(
            first["id"], Verdict.APPROVE, by=Principal("ben", frozenset({"approver"})), reason=None, key="late"
        )


async def count(scene: Scene, table: Table, wanted: int) -> bool:
    return len(await scene.rows(table)) == wanted


async def told(world: World, ticket: str, times: int) -> bool:
    return len(world.told(ticket)) >= times


async def test_only_who_the_policy_names_opens_one_within_what_it_allows(engine: AsyncEngine, clock: MovableClock):
    scene, desk = await make_scene(engine), channels(engine, clock)
    refusals: list[tuple[type[Exception], dict[str, Any], str]] = [
        (Forbidden, {"by": ADA}, "'ada' may not open red channel 'recall': that needs the role 'admin' or 'duty-mana"),
        (InvalidInput, {"reason": " "}, "a reason is needed"),
        (InvalidInput, {"ends_at": NOW}, "the end 2026-11-25 09:00Z is past"),
        (
            InvalidInput,
            {"ends_at": DAY + timedelta(minutes=1)},
            "may be open for 24 hours, until 2026-11-26 0",
        ),
        (InvalidInput, {"scope": {}}, "red channel 'recall' is not narrowed to anything"),
        (
            InvalidInput,
            {"scope": {ScopeKey.SITES: [scene.site_id]}},
            "'recall' cannot be narrowed to sites",
        ),
        (NotKnown, {"scope": {ScopeKey.PRODUCTS: [99]}}, "there is no product with id 99"),
    ]

    for number, (error, given, message) in enumerate(refusals):
        with pytest.raises(error) as refused:
            await opened(desk, key=f"k{number}", **given)
        assert str(refused.value).find(message) >= 0, refused.value
    with pytest.raises(NotKnown, match="has no red channel 'party'"):
        await desk.open("party", by=DUTY, reason="x", scope=EU, ends_at=DAY, key="p")
    assert await scene.rows(tables.red_channel) == []


async def test_it_closes_by_itself_once_and_reports_its_use(engine: AsyncEngine, clock: MovableClock):
    scene, desk = await make_scene(engine), channels(engine, clock)
    for number in ("4711", "4712"):
        await scene.open_ticket(number)
    channel = await opened(desk)
    for row in await scene.rows(tables.ticket):
        await decided(engine, row["id"], clock)
    clock.advance(timedelta(hours=2))
    await desk.extend(channel, by=DUTY, reason="more", ends_at=NOW + timedelta(hours=5), key="e")
    clock.advance(timedelta(hours=3))

    closed = sum(await asyncio.gather(*(desk.tend() for _ in range(4))))

    row, task = await scene.row(tables.red_channel), await scene.row(tables.task)
    assert (closed, row["closed_by"], row["close_reason"]) == (1, "its end", "ended at 2026-11-25 14:00Z")
    assert row["report"] == {
        "tickets": ["4711", "4712"], "decisions": {"reserve": 2}, "units": {"normal": 2}, "cost_cents": 0,
        "skipped_approvals": 2,
    }  # fmt: skip
    assert task["title"] == "Report: red channel recall of dan is closed"
    assert task["instructions"] == (
        "Opened at 2026-11-25 09:00Z: advisory 7. Closed by its end: ended at 2026-11-25 14:00Z. "
        "Tickets: 2 (4711, 4712). Units: 2 normal. Transport: 0.00. Approvals skipped: 2."
    )
    with pytest.raises(IllegalTransition, match=f"red channel {channel} .recall. ended at 2026-11-25 14:00Z already"):
        await desk.extend(channel, by=DUTY, reason="more", ends_at=DAY, key="e2")


async def test_it_is_closed_early_and_serves_nobody_after_that(engine: AsyncEngine, clock: MovableClock):
    scene, desk = await make_scene(engine), channels(engine, clock)
    ticket = await scene.open_ticket()
    channel = await opened(desk)
    with pytest.raises(Forbidden, match="'ada' may not close red channel 'recall'"):
        await desk.close(channel, by=ADA, reason="over", key="a")

    report = await desk.close(channel, by=DUTY, reason="fixed", key="c")
    again = await desk.close(channel, by=DUTY, reason="fixed", key="c")
    sourced = await decided(engine, ticket, clock)

    assert report == again
    assert report["tickets"] == []
    assert sourced.decision.rule == "hardware"
    assert (await scene.row(tables.reservation))["state"] is ReservationState.HELD
    changes = await scene.rows(tables.change, kind="red_channel")
    assert [(row["operation"], row["actor"], row["cause"]) for row in changes] == [
        ("created", "dan", "advisory 7"), ("updated", "dan", "fixed"),
    ]  # fmt: skip
