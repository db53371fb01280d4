"""What was done without a connection: recorded later, once, from when it was done; what does not fit is a person's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import NOW, insert_row, make_hub, make_ticket
from tests.fulfilment.rollout_scene import make_yard
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.test_react import caught_up
from tests.fulfilment.world import World

from connector.fulfilment.approvals import Approvals, holders_of
from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.offline import Offline, OfflineNote, Recorded
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.work import Work
from connector.fulfilment.worksheet import page, worksheet
from connector.model.codes import code_of
from connector.model.errors import InvalidInput, NotKnown
from connector.model.kinds import OfflineAct, OfflineOutcome, TaskKind
from connector.model.lifecycle import ApprovalState, AssetState, ReservationState, ShipmentStatus, TaskState
from connector.model.refs import EntityKind
from connector.rules.policy.reading import Policy, default_policy, read_policy
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.database.receipts import find_receipt

ASKING = """name: test
approvals: {spare: {roles: [approver], within_minutes: 120, MORE}}
rules: [{name: any, when: "true", hardware: replace, approval: spare}]
sourcing: {courier: {transit: [{hours: 24}]}}
"""
DONE, BEFORE, LATER, CONFLICT = OfflineOutcome
HOUR = timedelta(hours=1)


def asking(more: str = "on_paper: true") -> Policy:
    return read_policy(ASKING.replace("MORE", more))


def desk(engine: AsyncEngine, clock: MovableClock, policy: Policy | None = None) -> Offline:
    holders = holders_of({"ann": frozenset({"approver"}), "eve": frozenset({"viewer"})})
    approvals = Approvals(Work(engine, {}, clock, FulfilmentOptions()), holders)
    return Offline(engine, clock, policy or default_policy(), approvals)


def note(act: OfflineAct, number: int = 1, *, by: str = "lee", **values: Any) -> OfflineNote:
    kind = {OfflineAct.APPROVED: EntityKind.APPROVAL, OfflineAct.REJECTED: EntityKind.APPROVAL,
            OfflineAct.STAGED: EntityKind.TASK, OfflineAct.HANDED_OVER: EntityKind.TASK,
            OfflineAct.RETURNED: EntityKind.RMA}.get(act, EntityKind.RESERVATION)  # fmt: skip
    return OfflineNote(**{"act": act, "code": code_of(kind, number), "at": NOW + HOUR, "by": by, **values})


PICKED = note(OfflineAct.PICKED_UP)
RECEIVED = note(OfflineAct.RECEIVED, at=NOW + 2 * HOUR)


async def prepared(engine: AsyncEngine, launch: Any, **scene: Any) -> tuple[Scene, FulfilmentEngine]:
    """A claim whose label and pickup task are there."""
    made = await make_scene(engine, **scene)
    hub = await launch()
    await made.open_ticket()
    await made.finished(1)
    return made, hub


async def record(offline: Offline, *notes: OfflineNote, **values: Any) -> list[Recorded]:
    return await offline.record(notes, recorded_by="kim", **values)


def outcomes(found: list[Recorded]) -> list[OfflineOutcome]:
    return [item.outcome for item in found]


async def test_what_was_done_offline_counts_from_when_it_was_done_in_its_order_and_once(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene, _ = await prepared(engine, launch)
    clock.advance(5 * HOUR)
    offline = desk(engine, clock)

    found = await record(offline, RECEIVED, PICKED)  # the paper lies the wrong way round
    again = await record(offline, PICKED, RECEIVED)

    assert (outcomes(found), outcomes(again)) == ([DONE, DONE], [BEFORE, BEFORE])
    shipment, unit = await scene.row(tables.shipment), await scene.row(tables.asset, id=scene.spare_ids[0])
    assert (shipment["status"], shipment["delivered_at"]) == (ShipmentStatus.DELIVERED, NOW + 2 * HOUR)
    assert (unit["state"], unit["site_id"], unit["hub_id"]) == (AssetState.DEPLOYED, scene.site_id, None)
    assert await scene.shelf() == (1, 0)
    task = await scene.row(tables.task, kind=TaskKind.PICKUP)
    assert (task["state"], task["completed_at"]) == (TaskState.DONE, NOW + HOUR)
    log = await scene.rows(tables.change, kind="reservation")
    assert (log[-1]["actor"], log[-1]["cause"], log[-1]["at"]) == (
        "lee (recorded by kim)", "done offline at 2026-11-25 10:00Z", NOW + HOUR,
    )  # fmt: skip


async def test_what_somebody_has_recorded_already_is_not_counted_again(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene, hub = await prepared(engine, launch)
    [task] = await scene.rows(tables.task, kind=TaskKind.PICKUP)
    await hub.commands.confirm_pickup(task["id"], key="online", actor="bo")
    shipment = await scene.row(tables.shipment)
    await hub.commands.receive(shipment["id"], key="online", actor="bo")
    clock.advance(5 * HOUR)

    found = await record(desk(engine, clock), PICKED, RECEIVED)

    assert outcomes(found) == [BEFORE, BEFORE]
    assert await scene.shelf() == (1, 0)
    assert (await scene.row(tables.shipment))["delivered_at"] == NOW


async def test_recorded_by_several_at_the_same_time_it_counts_once(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene, _ = await prepared(engine, launch)
    clock.advance(5 * HOUR)

    found = await asyncio.gather(*(record(desk(engine, clock), PICKED, RECEIVED) for _ in range(4)))

    assert {item.outcome for items in found for item in items} <= {DONE, BEFORE}
    assert await scene.shelf() == (1, 0)
    units = [await scene.row(tables.asset, id=number) for number in scene.spare_ids]
    assert [unit["state"] for unit in units] == [AssetState.DEPLOYED, AssetState.IN_STOCK]


async def test_whoever_dies_between_an_act_and_its_receipt_records_it_again_and_it_counts_once(
    engine: AsyncEngine, launch: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
):
    scene, _ = await prepared(engine, launch)
    clock.advance(5 * HOUR)
    offline = desk(engine, clock)

    async def dies(*_: Any) -> Recorded:
        raise asyncio.CancelledError

    with monkeypatch.context() as dying:
        dying.setattr(offline, "_keep", dies)
        with pytest.raises(asyncio.CancelledError):
            await record(offline, PICKED, RECEIVED)
    found = await record(offline, PICKED, RECEIVED)

    assert outcomes(found) == [DONE, DONE]
    assert await scene.shelf() == (1, 0)
    log = await scene.rows(tables.change, kind="reservation")
    assert [row["fields"]["state"][1] for row in log if "state" in row["fields"]] == ["held", "committed", "fulfilled"]


async def test_what_was_given_to_another_ticket_meanwhile_is_lost_to_nobody_and_asked_about_once(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene, hub = await prepared(engine, launch)
    await hub.commands.release(1, reason="somebody else needs it", key="r", actor="bo")
    await scene.undone(1)
    clock.advance(5 * HOUR)
    offline = desk(engine, clock)

    [found] = await record(offline, replace(PICKED, serial="SN-9", reason="left at noon"))
    [again] = await record(offline, replace(PICKED, serial="SN-9", reason="left at noon"))

    assert (found.outcome, again) == (CONFLICT, found)
    [task] = await scene.rows(tables.task, kind=TaskKind.REVIEW, id=found.task_id)
    assert (task["title"], task["reservation_id"], task["hub_id"]) == (
        f"Recorded offline and does not fit: picked up {PICKED.code}", 1, scene.hub_id,
    )  # fmt: skip
    assert task["instructions"].startswith(
        "lee (recorded by kim) has it as done at 2026-11-25 10:00Z. Unit: SN-9. Remark: left at noon. "
        "reservation 1 is being withdrawn (somebody else needs it), so its unit must not leave the hub."
    )


async def test_another_unit_than_the_one_that_was_claimed_is_asked_about(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene, _ = await prepared(engine, launch)
    clock.advance(5 * HOUR)
    taken, other = [(await scene.row(tables.asset, id=number))["serial"] for number in scene.spare_ids]

    [wrong] = await record(desk(engine, clock), replace(PICKED, serial=other))
    [right] = await record(desk(engine, clock), replace(PICKED, serial=taken.lower(), key="2"))

    assert (wrong.outcome, right.outcome) == (CONFLICT, DONE)
    assert f"unit {other!r} was taken, and {taken!r} is what reservation 1 is for" in wrong.text


async def test_what_was_approved_on_paper_is_sent_by_the_next_line_of_the_same_paper(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene, hub = await make_scene(engine), await launch(policy=asking())
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.approval))
    clock.advance(5 * HOUR)  # the deadline is over; nobody has looked at it yet
    yes = note(OfflineAct.APPROVED, by="ann", at=NOW + HOUR / 2)

    found = await record(desk(engine, clock, asking()), PICKED, yes)

    assert outcomes(found) == [DONE, DONE]
    assert found[1].text == "approved: 1 of 1"
    approval = await scene.row(tables.approval)
    assert (approval["state"], approval["decided_by"], approval["decided_at"]) == (
        ApprovalState.APPROVED, "ann", NOW + HOUR / 2,
    )  # fmt: skip
    assert (await scene.row(tables.reservation))["state"] is ReservationState.FULFILLED
    assert hub is not None


@pytest.mark.parametrize(
    ("by", "more", "text"),
    [
        ("ann", "on_paper: false", "approval 'spare' cannot be given on paper"),
        ("eve", "on_paper: true", "'eve' may not answer approval 1 (spare)"),
        ("nobody", "on_paper: true", "'nobody' may not answer approval 1 (spare)"),
        ("cli:root", "on_paper: true", "'cli:root' may not answer approval 1 (spare)"),
    ],
)
async def test_a_yes_on_paper_counts_only_from_who_may_give_it_where_the_policy_lets_them(
    engine: AsyncEngine, launch: Any, clock: MovableClock, by: str, more: str, text: str
):
    scene, _ = await make_scene(engine), await launch(policy=asking(more))
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.approval))
    clock.advance(HOUR)

    yes = note(OfflineAct.APPROVED, by=by, at=NOW + HOUR / 2)
    found = await record(desk(engine, clock, asking(more)), yes, PICKED)

    assert outcomes(found) == [CONFLICT, CONFLICT]
    assert found[0].text.startswith(text)
    assert "reservation 1 waits for approval 'spare', so it cannot be sent" in found[1].text
    assert (await scene.row(tables.approval))["state"] is ApprovalState.PENDING
    assert (await scene.row(tables.reservation))["state"] is ReservationState.HELD


async def test_silence_that_was_taken_for_a_no_is_not_undone_by_a_late_paper(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene, hub = await make_scene(engine, spares=1), await launch(policy=asking())
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.approval))
    clock.advance(3 * HOUR)
    await hub.approvals.tend()
    await caught_up(scene)

    [found] = await record(desk(engine, clock, asking()), note(OfflineAct.APPROVED, by="ann", at=NOW + HOUR / 2))

    assert found.outcome is CONFLICT
    assert "is rejected already" in found.text
    assert await scene.shelf() == (1, 0)


async def test_a_claim_that_is_still_being_prepared_is_to_be_recorded_again(engine: AsyncEngine, clock: MovableClock):
    scene = await make_scene(engine)
    async with transaction(engine) as tx:  # no hub runs that would prepare it
        ticket = await insert_claim(tx, scene)
    clock.advance(HOUR * 2)

    [found] = await record(desk(engine, clock), PICKED, patience=timedelta(0))

    assert ticket
    assert found == Recorded(found.key, LATER, "the hub has not prepared it yet: record it again in a minute")
    async with reading(engine) as tx:
        assert await find_receipt(tx, f"offline:{found.key}") is None


async def insert_claim(tx: Any, scene: Scene) -> int:
    ticket = await make_ticket(tx, source_id=scene.source_id)
    await insert_row(
        tx, tables.reservation,
        {"ticket_id": ticket, "line": 1, "hub_id": scene.hub_id, "product_id": scene.product_id, "state": "held",
         "requested_product_id": scene.product_id, "lane": "normal", "created_at": NOW, "updated_at": NOW},
    )  # fmt: skip
    return ticket


async def test_everything_that_was_misread_is_told_and_nothing_is_recorded(engine: AsyncEngine, clock: MovableClock):
    clock.advance(3 * HOUR)
    notes = [
        replace(PICKED, code="R-1-00"),
        replace(PICKED, code=code_of(EntityKind.TASK, 1)),
        replace(PICKED, at=NOW + timedelta(days=9)),
        replace(RECEIVED, by=" "),
        replace(PICKED, key="k"),
        replace(RECEIVED, key="k"),
    ]

    with pytest.raises(InvalidInput) as refused:
        await record(desk(engine, clock), *notes)

    told = refused.value.message.split("; ")
    assert [text.partition(":")[0] for text in told] == ["1", "2", "3", "4", "6"]
    assert "was misread: its check digits do not fit" in told[0]
    assert "'picked_up' is about a reservation, code" in told[1]
    assert [told[2], told[3]] == ["3: 2026-12-04 09:00Z is yet to come", "4: nobody is named who did it"]
    assert told[4] == "6: key 'k' is that of another act"
    with pytest.raises(InvalidInput, match="1 to 500 are allowed"):
        await record(desk(engine, clock))


async def test_what_nobody_knows_is_kept_as_a_task(engine: AsyncEngine, clock: MovableClock):
    scene = await make_scene(engine)
    clock.advance(HOUR * 3)

    found = await record(
        desk(engine, clock), note(OfflineAct.RECEIVED, 99), note(OfflineAct.STAGED, 98), note(OfflineAct.RETURNED, 97)
    )

    assert outcomes(found) == [CONFLICT] * 3
    assert len(await scene.rows(tables.task, kind=TaskKind.REVIEW)) == 3


async def test_a_wave_is_staged_and_handed_over_on_paper(engine: AsyncEngine, clock: MovableClock, world: World):
    yard = await make_yard(engine, clock, world)
    await yard.running()
    [staging] = await yard.open_tasks(TaskKind.STAGING)
    clock.advance(HOUR)
    offline = desk(engine, clock)

    [staged, again] = [
        (await record(offline, note(OfflineAct.STAGED, staging["id"], at=NOW + HOUR / 2, key=key)))[0]
        for key in ("a", "b")
    ]
    await yard.settle()
    [handover] = await yard.open_tasks(TaskKind.HANDOVER)
    [handed] = await record(offline, note(OfflineAct.HANDED_OVER, handover["id"], at=NOW + HOUR))

    assert (staged.outcome, again.outcome, handed.outcome) == (DONE, BEFORE, DONE)
    assert [row["completed_at"] for row in await yard.rows(tables.task, id=staging["id"])] == [NOW + HOUR / 2]
    assert await yard.open_tasks(TaskKind.HANDOVER) == []


async def test_the_paper_has_what_is_to_be_done_with_its_codes(engine: AsyncEngine, launch: Any, clock: MovableClock):
    scene, hub = await make_scene(engine, access_hours="Mon-Fri 07:00-12:00"), await launch(policy=asking())
    await scene.open_ticket()
    await scene.open_ticket("4712")
    await eventually(lambda: _are(scene, 2))
    async with transaction(engine) as tx:
        elsewhere = await make_hub(tx, name="Empty <Hub>", code="EMP")
    yes = note(OfflineAct.APPROVED, by="ann", at=NOW)
    assert outcomes(await record(desk(engine, clock, asking()), yes)) == [DONE]
    await scene.finished(1)

    async with reading(engine) as tx:
        sheet, empty = await worksheet(tx, scene.hub_id, NOW), await worksheet(tx, elsewhere, NOW)
        with pytest.raises(NotKnown, match="there is no hub with id 99"):
            await worksheet(tx, 99, NOW)

    pickup, waiting = sheet.entries
    assert [sign.code for entry in sheet.entries for sign in entry.signs] == [
        code_of(EntityKind.RESERVATION, 1), code_of(EntityKind.APPROVAL, 2), code_of(EntityKind.RESERVATION, 2),
    ]  # fmt: skip
    serial = (await scene.row(tables.asset, id=scene.spare_ids[0]))["serial"]
    assert [(line["product"], line["quantity"], line["serial"]) for line in pickup.packing] == [
        ("Acme SW-48", 1, serial), ("Acme Bracket", 2, None),
    ]  # fmt: skip
    assert "To Hamburg Port (HAM): 1 Main St, 20095 Hamburg, DE" in pickup.notes
    assert "Lets in Mon-Fri 07:00-12:00 (Europe/Berlin)" in pickup.notes
    assert waiting.notes[0].startswith("Waits for approver until Wed 25 Nov 2026, ")
    html = page(sheet)
    assert html.count("<svg") == 3
    assert all(f"<b>{sign.code}</b>" in html for entry in sheet.entries for sign in entry.signs)
    assert f"<td>{serial}" in html
    assert "Work at Empty &lt;Hub&gt; (EMP)" in page(empty)
    assert "Nothing is open here." in page(empty)
    assert hub is not None


async def _are(scene: Scene, count: int) -> bool:
    return len(await scene.rows(tables.approval)) == count
