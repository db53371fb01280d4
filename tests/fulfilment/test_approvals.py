"""What waits for a yes: asked, answered, refused, timed out, withdrawn."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import NOW
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.world import World

from connector.fulfilment.approvals import Answered, Approvals, holders_of
from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.work import Work
from connector.model.errors import Forbidden, IllegalTransition, InvalidInput, NotKnown
from connector.model.kinds import Verdict
from connector.model.lifecycle import ApprovalState, ReservationState, TaskState
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.rules.policy.reading import read_policy
from connector.storage import tables
from connector.storage.approvals.approvals import Ask, request_approval
from connector.storage.database.engine import reading, transaction

DOCUMENT = """name: test
approvals:
  spare:
    roles: [approver]
    {more}
rules:
  - {{name: hardware, when: "true", hardware: replace, approval: spare}}
sourcing:
  courier: {{transit: [{{hours: 24}}]}}
"""
ADA, BEN, CAT, EVE = (Principal(name, frozenset({"approver"})) for name in ("ada", "ben", "cat", "eve"))
DIRECTOR = Principal("dan", frozenset({"director"}))
NOBODY = Principal("eve", frozenset({"viewer"}))
YES, NO = Verdict.APPROVE, Verdict.REJECT


def policy(more: str = "within_minutes: 60") -> Any:
    return read_policy(DOCUMENT.format(more=more))


def approvals(engine: AsyncEngine, clock: MovableClock, **keys: frozenset[str]) -> Approvals:
    return Approvals(Work(engine, {}, clock, FulfilmentOptions()), holders_of(keys))


async def asked(engine: AsyncEngine, more: str = "within_minutes: 60", **ask: Any) -> int:
    """A request that nothing follows from."""
    new = Ask(**{"name": "spare", "subject_kind": EntityKind.TASK, "subject_id": 7, "title": "Buy a switch?",
                 "requested_by": "rules", **ask})  # fmt: skip
    async with transaction(engine) as tx:
        return (await request_approval(tx, new, policy(more), actor="rules", at=NOW)).id


async def waiting(
    engine: AsyncEngine, launch: Any, more: str = "within_minutes: 60", **scene: Any
) -> tuple[Scene, FulfilmentEngine, int]:
    """A ticket whose unit is held until somebody approves; the id of the request."""
    made = await make_scene(engine, **scene)
    hub = await launch(policy=policy(more))
    await made.open_ticket()
    await eventually(lambda: made.has_receipt("asked-1:note"))
    return made, hub, (await made.row(tables.approval))["id"]


async def test_a_unit_is_held_until_somebody_approves_and_sent_then(engine: AsyncEngine, launch: Any, world: World):
    scene, hub, request = await waiting(engine, launch)
    held, approval = await scene.row(tables.reservation), await scene.row(tables.approval)
    [task] = await scene.rows(tables.task)

    assert (held["state"], held["approval_name"], held["expires_at"]) == (
        ReservationState.HELD, "spare", NOW + timedelta(minutes=60),
    )  # fmt: skip
    assert (approval["subject_kind"], approval["subject_id"]) == (EntityKind.RESERVATION, held["id"])
    assert approval["title"] == "Approve Acme SW-48 from BER for ticket 4711"
    assert (task["kind"].value, task["assignee"], task["approval_id"]) == ("approval", "approver", request)
    assert world.notes[0]["body"].startswith(
        "What this ticket needs waits for approval.\n\nApprove Acme SW-48 from BER"
    )
    assert world.bought() == []

    done = await hub.approvals.answer(request, YES, by=ADA, reason="fine", key="a")
    again = await hub.approvals.answer(request, YES, by=ADA, reason="fine", key="a")
    await scene.finished(1)

    assert done == again == Answered(request, ApprovalState.APPROVED, 1, 1)
    assert (await scene.row(tables.reservation))["state"] is ReservationState.COMMITTED
    assert world.bought() == ["TRK0001"]
    settled = await scene.row(tables.approval)
    assert (settled["decided_by"], settled["reason"]) == ("ada", "fine")
    assert sorted(await scene.tasks()) == [("approval", "done"), ("pickup", "open")]
    decision = await scene.row(tables.decision)
    assert decision["explanation"]["authorisation"] == {
        "text": "waits for approval 'spare' (approver within 60 min), until 2026-11-25 10:00Z",
        "deadline_at": "2026-11-25T10:00:00Z",
    }


async def test_a_refusal_gives_the_unit_back_and_a_person_decides(engine: AsyncEngine, launch: Any, world: World):
    scene, hub, request = await waiting(engine, launch)

    with pytest.raises(InvalidInput, match="a rejection needs a reason"):
        await hub.approvals.answer(request, NO, by=ADA, reason=" ", key="a")
    await hub.approvals.answer(request, NO, by=ADA, reason="repair it", key="b")
    await eventually(lambda: scene.has_receipt(f"refused-{request}:note"))
    await eventually(lambda: scene.rows(tables.task, kind="review"))

    released = await scene.row(tables.reservation)
    assert (released["state"], released["reason"]) == (
        ReservationState.RELEASED, "approval 'spare' was not given: repair it",
    )  # fmt: skip
    assert await scene.shelf() == (2, 0)
    [review] = await scene.rows(tables.task, kind="review")
    assert review["title"] == "Ticket 4711 needs a decision: approval refused"
    assert world.notes[1]["body"] == (
        "An approval was refused.\n\nApprove Acme SW-48 from BER for ticket 4711\nBy: ada\nReason: repair it\n"
        f"Reference: approval {request}"
    )
    assert world.bought() == []
    with pytest.raises(IllegalTransition) as late:
        await hub.approvals.answer(request, YES, by=BEN, reason=None, key="c")
    assert late.value.message == (
        f"approval {request} (spare) is rejected already at 2026-11-25 09:00Z by ada: repair it"
    )


@pytest.mark.parametrize(
    ("on_timeout", "state", "shelf"), [("reject", "rejected", (2, 0)), ("approve", "approved", (2, 1))]
)
async def test_silence_means_what_the_policy_says(
    engine: AsyncEngine, launch: Any, clock: MovableClock, on_timeout: str, state: str, shelf: tuple[int, int]
):
    scene, hub, _ = await waiting(engine, launch, f"within_minutes: 60\n    on_timeout: {on_timeout}")
    clock.advance(timedelta(minutes=60))

    assert await hub.expire() == 0  # what waits for an approval is not the expiry's affair
    assert (await hub.approvals.settle_overdue(), await hub.approvals.settle_overdue()) == (1, 0)
    if state == "approved":
        await scene.finished(1)
    row = await scene.row(tables.approval)

    yes = "yes" if state == "approved" else "no"
    assert (row["state"].value, row["decided_by"], row["reason"]) == (
        state, "time-out", f"nobody had answered by 2026-11-25 10:00Z, which means {yes}",
    )  # fmt: skip
    assert await scene.shelf() == shelf


async def test_a_ticket_that_is_cancelled_meanwhile_withdraws_the_request(engine: AsyncEngine, launch: Any):
    scene, hub, request = await waiting(engine, launch)
    ticket = await scene.row(tables.ticket)

    await scene.change(tables.ticket, EntityKind.TICKET, ticket["id"], state="cancelled")
    await scene.undone(1)

    row = await scene.row(tables.approval)
    assert (row["state"], row["reason"]) == (ApprovalState.WITHDRAWN, "ticket 4711 is cancelled")
    assert (await scene.row(tables.task, kind="approval"))["state"] is TaskState.CANCELLED
    assert await scene.shelf() == (2, 0)
    with pytest.raises(IllegalTransition, match="is withdrawn already"):
        await hub.approvals.answer(request, YES, by=ADA, reason=None, key="a")


async def test_so_many_different_people_are_counted_exactly(engine: AsyncEngine, clock: MovableClock):
    request = await asked(engine, "within_minutes: 60\n    count: 3")
    people = [Principal(f"p{number}", frozenset({"approver"})) for number in range(8)]
    desk = approvals(engine, clock)

    async def vote(who: Principal) -> Answered | None:
        try:
            return await desk.answer(request, YES, by=who, reason=None, key=who.name)
        except IllegalTransition:
            return None

    answers = [answer for answer in await asyncio.gather(*map(vote, people)) if answer is not None]

    assert sorted((answer.given, answer.state.value) for answer in answers) == [
        (1, "pending"), (2, "pending"), (3, "approved"),
    ]  # fmt: skip
    async with reading(engine) as tx:
        assert len((await tx.execute(tables.approval_vote.select())).all()) == 3


async def test_who_may_not_answer_is_told_why(engine: AsyncEngine, clock: MovableClock):
    request = await asked(engine, "within_minutes: 60\n    count: 2", requested_by="ada")
    desk = approvals(engine, clock)
    await desk.answer(request, YES, by=BEN, reason=None, key="b")

    refusals = []
    for verdict, who, key in ((YES, NOBODY, "e"), (YES, ADA, "a"), (YES, BEN, "b2")):
        with pytest.raises((Forbidden, InvalidInput)) as refused:
            await desk.answer(request, verdict, by=who, reason=None, key=key)
        refusals.append(str(refused.value))
    with pytest.raises(NotKnown, match="there is no approval with id 99"):
        await desk.answer(99, YES, by=BEN, reason=None, key="x")

    assert refusals == [
        f"'eve' may not answer approval {request} (spare): that needs the role 'admin' or 'approver', "
        "and its roles are 'viewer'. Use a key that has the role, or have it added under [auth] in "
        "connector.toml.",
        f"'ada' asked for approval {request} (spare) and may not give it as well. "
        "Somebody else with the role approver has to answer.",
        f"'ben' has answered approval {request} before: approve",
    ]


async def test_a_late_answer_is_refused_although_nobody_settled_it_yet(engine: AsyncEngine, clock: MovableClock):
    request = await asked(engine)
    clock.advance(timedelta(minutes=61))

    with pytest.raises(IllegalTransition) as late:
        await approvals(engine, clock).answer(request, YES, by=ADA, reason=None, key="a")

    assert late.value.message == (
        f"approval {request} (spare) is rejected already at 2026-11-25 10:01Z by time-out: "
        "nobody had answered by 2026-11-25 10:00Z, which means no"
    )


async def test_a_late_answer_is_refused_however_many_others_nobody_has_settled(
    engine: AsyncEngine, clock: MovableClock
):
    request = await asked(engine, "within_minutes: 61")
    async with transaction(engine) as tx:
        [row] = (await tx.execute(tables.approval.select())).mappings()
        earlier = {**row, "deadline_at": NOW + timedelta(minutes=1)}
        others = [{**earlier, "id": request + n, "key": f"other {n}", "subject_id": 100 + n} for n in range(1, 502)]
        await tx.execute(tables.approval.insert(), others)
    clock.advance(timedelta(minutes=62))

    with pytest.raises(IllegalTransition, match="is rejected already at 2026-11-25 10:02Z by time-out"):
        await approvals(engine, clock).answer(request, YES, by=ADA, reason=None, key="a")


async def test_an_answer_that_comes_at_the_deadline_itself_does_not_count(engine: AsyncEngine):
    request = await asked(engine)

    class Passing:
        """The deadline passes after it was looked whether it has."""

        moments = iter((NOW + timedelta(minutes=60, seconds=-1), NOW + timedelta(minutes=60)))

        def now(self) -> datetime:
            return next(self.moments)

    desk = Approvals(Work(engine, {}, Passing(), FulfilmentOptions()), holders_of({}))
    with pytest.raises(IllegalTransition, match=r"could be answered until 2026-11-25 10:00Z\. It counts as"):
        await desk.answer(request, YES, by=ADA, reason=None, key="a")
    async with reading(engine) as tx:
        [row] = (await tx.execute(tables.approval.select())).all()
    assert row.state is ApprovalState.PENDING


async def test_without_an_answer_further_roles_are_asked_and_may_answer(engine: AsyncEngine, clock: MovableClock):
    more = "within_minutes: 60\n    escalate: [{after_minutes: 20, roles: [director]}]"
    request, desk = await asked(engine, more), approvals(engine, clock)

    with pytest.raises(Forbidden, match="that needs the role 'admin' or 'approver'"):
        await desk.answer(request, YES, by=DIRECTOR, reason=None, key="d")
    assert await desk.tend() == 0
    clock.advance(timedelta(minutes=20))
    assert (await desk.tend(), await desk.tend()) == (1, 0)
    async with reading(engine) as tx:
        assignees = [row.assignee for row in await tx.execute(tables.task.select().order_by(tables.task.c.id))]

    assert assignees == ["approver", "director"]
    assert (await desk.answer(request, YES, by=DIRECTOR, reason=None, key="d2")).state is ApprovalState.APPROVED


async def test_a_delegate_answers_for_a_time_with_a_right_that_is_used_once(engine: AsyncEngine, clock: MovableClock):
    request = await asked(engine, "within_minutes: 600\n    count: 2")
    desk = approvals(engine, clock, ada=ADA.roles)
    until = NOW + timedelta(hours=2)
    with pytest.raises(Forbidden, match="'ada' may not pass on 'director'"):
        await desk.delegate(by=ADA, to="eve", roles=("director",), since=None, until=until, reason="away", key="a")
    with pytest.raises(Forbidden, match="'eve' may not delegate for 'ada': that needs the role 'admin'"):
        await desk.delegate(by=NOBODY, to="eve", roles=None, since=None, until=until, reason="away", of="ada", key="b")
    grace = Principal("grace@example.com", frozenset({"approver"}))  # by an identity provider: no key has her name
    with pytest.raises(InvalidInput, match=r"nobody could stand in for 'grace@example\.com'"):
        await desk.delegate(by=grace, to="eve", roles=None, since=None, until=until, reason="away", key="a")
    away = await desk.delegate(by=ADA, to="eve", roles=None, since=None, until=until, reason="away", key="a")

    answer = await desk.answer(request, YES, by=NOBODY, reason=None, key="e")
    with pytest.raises(InvalidInput) as twice:
        await desk.answer(request, YES, by=ADA, reason=None, key="a")
    async with reading(engine) as tx:
        [vote] = (await tx.execute(tables.approval_vote.select())).mappings().all()

    assert (answer.given, vote["voter"], vote["on_behalf_of"]) == (1, "eve", "ada")
    assert twice.value.message == (f"approval {request} was answered with the right of 'ada' before, by 'eve': approve")

    other = await asked(engine, "within_minutes: 600", subject_id=8)
    gone = approvals(engine, clock)  # ada's key was taken away
    with pytest.raises(Forbidden):
        await gone.answer(other, YES, by=NOBODY, reason=None, key="g")
    await desk.end_delegation(away, by=ADA, key="first")
    with pytest.raises(Forbidden):
        await desk.answer(other, YES, by=NOBODY, reason=None, key="h")
    with pytest.raises(IllegalTransition, match=f"delegation {away} ended at 2026-11-25 09:00Z already"):
        await desk.end_delegation(away, by=ADA, key="second")
