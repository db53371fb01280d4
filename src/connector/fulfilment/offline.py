"""What people did where the hub could not be reached, recorded later: each act once, in the order in which it was done.

An act counts from when it was done, or from the last change of what it is about, if that was later: what happened since
stays as it was. What does not fit any more is lost neither: it is kept, and a person is asked. See docs/offline.md.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connector.fulfilment.approvals import Approvals
from connector.fulfilment.handover import leave_hub, take_in
from connector.fulfilment.keys import ACTOR, Step, step_key
from connector.fulfilment.once import Do, once_in
from connector.fulfilment.returns import Returns
from connector.fulfilment.rollout_work import RolloutWork
from connector.model.codes import read_code
from connector.model.errors import Forbidden, IllegalTransition, InvalidInput, NotKnown, OutOfStock
from connector.model.kinds import OfflineAct, OfflineOutcome, TaskKind, Verdict
from connector.model.lifecycle import (
    RESERVATION_LIVE,
    ApprovalState,
    AssetState,
    ReservationState,
    RmaState,
    ShipmentStatus,
    TaskState,
)
from connector.model.naming import serial_key, tag_key
from connector.model.principals import COMMAND_LINE, Principal
from connector.model.refs import EntityKind
from connector.sdk import Clock
from connector.storage.approvals.approvals import approval_row
from connector.storage.database.engine import Database, Transaction, reading, transaction
from connector.storage.database.receipts import find_receipts, record_receipt
from connector.storage.database.rows import locked_row
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.shipments.consignments import Consignment, consignment, lock_reservation
from connector.storage.shipments.shipments import outbound_shipment
from connector.storage.stock.reserve import locked_reservation
from connector.storage.stock.waiting import require_approved
from connector.storage.tables import asset
from connector.storage.tickets.rmas import rma_row
from connector.storage.tickets.tasks import NewTask, require_task, task_row
from connector.storage.tickets.work_at_hub import ClaimToSend, claim_to_send, last_change

ABOUT: Final = {
    OfflineAct.PICKED_UP: EntityKind.RESERVATION,
    OfflineAct.RECEIVED: EntityKind.RESERVATION,
    OfflineAct.STAGED: EntityKind.TASK,
    OfflineAct.HANDED_OVER: EntityKind.TASK,
    OfflineAct.RETURNED: EntityKind.RMA,
    OfflineAct.APPROVED: EntityKind.APPROVAL,
    OfflineAct.REJECTED: EntityKind.APPROVAL,
}
"""What the code of each act is about."""
MOST: Final = 500
"""Acts that are recorded at once."""
PATIENCE: Final = timedelta(seconds=10)
"""How long is waited for the hub to prepare what was approved on the same paper."""
AHEAD: Final = timedelta(minutes=5)
"""By how much the watch of whoever wrote it down may be fast."""
_EVERY: Final = timedelta(milliseconds=100)
_REFUSALS: Final = (IllegalTransition, InvalidInput, NotKnown, Forbidden, OutOfStock)


@dataclass(frozen=True, slots=True)
class OfflineNote:
    """One act as it was written down. code: as it stands on the paper; by: who did it, as the hub calls them.

    serial: on the unit, or its asset tag; reason: of a no, or in what condition a unit came back. key: the same again
    is the same act; made of what was written where it is left out.
    """

    act: OfflineAct
    code: str
    at: datetime
    by: str
    serial: str | None = None
    reason: str | None = None
    key: str | None = None

    @property
    def name(self) -> str:
        """Its key."""
        if self.key:
            return self.key
        written = "|".join((self.act.value, self.code.strip().upper(), self.at.astimezone(UTC).isoformat(), self.by))
        return hashlib.sha256(written.encode()).hexdigest()[:32]

    def kept(self) -> dict[str, Any]:
        """As it is kept, as JSON values."""
        return {**asdict(self), "act": self.act.value, "at": self.at.astimezone(UTC).isoformat(), "key": self.name}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an act. task_id: of the person's task where it does not fit."""

    key: str
    outcome: OfflineOutcome
    text: str
    task_id: int | None = None


class Offline:
    """Records what was done offline."""

    def __init__(self, database: Database, clock: Clock, policy: PolicySource, approvals: Approvals) -> None:
        self._database, self._clock, self._policy, self._approvals = database, clock, policy, approvals

    async def record(
        self, notes: Sequence[OfflineNote], *, recorded_by: str, patience: timedelta = PATIENCE
    ) -> list[Recorded]:
        """Record acts, in the order in which they were done; what became of each, in the order in which they are given.

        Raises InvalidInput with everything that is wrong with what was written; nothing is recorded then.
        """
        about = await self._checked(notes)
        found: dict[int, Recorded] = {}
        for place in sorted(range(len(notes)), key=lambda place: (notes[place].at, place)):
            found[place] = await self._one(notes[place], about[place], recorded_by, patience)
        return [found[place] for place in range(len(notes))]

    async def _checked(self, notes: Sequence[OfflineNote]) -> list[int]:
        """The numbers that the codes are about. Raises InvalidInput with every mistake."""
        if not 0 < len(notes) <= MOST:
            raise InvalidInput(f"{len(notes)} acts are given, 1 to {MOST} are allowed", hint="Record them in parts.")
        async with reading(self._database) as tx:
            known = await find_receipts(tx, [_receipt(note) for note in notes])
        now, mistakes, numbers = self._clock.now(), [], []
        kept: dict[str, dict[str, Any]] = {key: receipt["note"] for key, receipt in known.items()}
        for place, note in enumerate(notes, start=1):
            try:
                kind, number = read_code(note.code)
                if kind is not ABOUT[note.act]:
                    wanted = ABOUT[note.act].value
                    raise ValueError(f"{note.act.value!r} is about a {wanted}, code {note.code!r} about a {kind.value}")
                if note.at > now + AHEAD:
                    raise ValueError(f"{note.at:%Y-%m-%d %H:%M}Z is yet to come")
                if not note.by.strip():
                    raise ValueError("nobody is named who did it")
                if kept.setdefault(_receipt(note), note.kept()) != note.kept():
                    raise ValueError(f"key {note.name!r} is that of another act")
            except ValueError as error:
                mistakes.append(f"{place}: {error}")
            else:
                numbers.append(number)
        if mistakes:
            raise InvalidInput("; ".join(mistakes), hint="Look at the paper again; nothing was recorded.")
        return numbers

    async def _one(self, note: OfflineNote, number: int, recorded_by: str, patience: timedelta) -> Recorded:
        async with reading(self._database) as tx:
            known = (await find_receipts(tx, [_receipt(note)])).get(_receipt(note))
        if known is not None:
            return _again(note, known)
        actor = f"{note.by.strip()} (recorded by {recorded_by})"
        try:
            found = await self._do(note, number, actor, patience)
        except _REFUSALS as error:
            return await self._conflict(note, number, actor, error)
        if found.outcome is OfflineOutcome.LATER:
            return found
        return await self._keep(note, found)

    async def _keep(self, note: OfflineNote, found: Recorded) -> Recorded:
        """Keep what became of it; whoever recorded it at the same time has kept the same."""
        async with transaction(self._database) as tx:
            await record_receipt(tx, _receipt(note), _result(note, found), at=self._clock.now())
        return found

    async def _conflict(self, note: OfflineNote, number: int, actor: str, error: Exception) -> Recorded:
        """It does not fit: a person is asked, once, and told everything that was written."""
        at = self._clock.now()
        text = str(error)
        async with transaction(self._database) as tx:
            goods = await _goods(tx, number) if ABOUT[note.act] is EntityKind.RESERVATION else None
            unit = f" Unit: {note.serial}." if note.serial else ""
            said = f" Remark: {note.reason}." if note.reason else ""
            new = NewTask(
                key=_receipt(note),
                kind=TaskKind.REVIEW,
                title=f"Recorded offline and does not fit: {note.act.value.replace('_', ' ')} {note.code}",
                instructions=(
                    f"{actor} has it as done at {note.at.astimezone(UTC):%Y-%m-%d %H:%M}Z.{unit}{said} "
                    f"{text} Find out where the unit is, and correct the record or have it put back."
                ),
                ticket_id=goods.ticket.id if goods else None,
                reservation_id=goods.reservation_id if goods else None,
                hub_id=goods.hub.id if goods else None,
            )
            task_id = await require_task(tx, new, actor=ACTOR, cause=None, at=at)
            found = Recorded(note.name, OfflineOutcome.CONFLICT, text, task_id)
            await record_receipt(tx, _receipt(note), _result(note, found), at=at)
        return found

    async def _do(self, note: OfflineNote, number: int, actor: str, patience: timedelta) -> Recorded:
        match note.act:
            case OfflineAct.PICKED_UP:
                return await self._picked_up(note, number, actor, patience)
            case OfflineAct.RECEIVED:
                return await self._received(note, number, actor, patience)
            case OfflineAct.STAGED | OfflineAct.HANDED_OVER:
                return await self._of_rollout(note, number, actor)
            case OfflineAct.RETURNED:
                return await self._returned(note, number, actor)
            case OfflineAct.APPROVED | OfflineAct.REJECTED:
                return await self._answered(note, number)

    async def _picked_up(self, note: OfflineNote, number: int, actor: str, patience: timedelta) -> Recorded:
        if await self._is_being_prepared(number, patience):
            return _later(note)

        async def do(tx: Transaction, _: datetime) -> dict[str, Any]:
            if await lock_reservation(tx, number) is ReservationState.FULFILLED:
                return _before("its unit had left already")
            claim = await locked_reservation(tx, number)
            await require_approved(tx, number, claim.approval_name, "picked up")
            await leave_hub(tx, number, actor=actor, cause=_cause(note), at=await self._moment(tx, note, number))
            _require_unit(await consignment(tx, number), note)
            return _done("its unit has left the hub")

        return await self._once(note, number, do)

    async def _received(self, note: OfflineNote, number: int, actor: str, patience: timedelta) -> Recorded:
        if await self._is_being_prepared(number, patience):
            return _later(note)

        async def do(tx: Transaction, _: datetime) -> dict[str, Any]:
            await lock_reservation(tx, number)
            goods, shipment = await consignment(tx, number), await outbound_shipment(tx, number)
            if shipment is None:
                raise IllegalTransition(f"nothing is on its way for reservation {number} that could be received")
            if shipment.status is ShipmentStatus.DELIVERED and await _is_in_use(tx, goods):
                return _before("it was received already")
            await take_in(tx, shipment, actor=actor, cause=_cause(note), at=await self._moment(tx, note, number))
            _require_unit(goods, note)
            return _done("it was received")

        return await self._once(note, number, do)

    async def _of_rollout(self, note: OfflineNote, number: int, actor: str) -> Recorded:
        async with transaction(self._database) as tx:
            is_done = (await task_row(tx, number)).state is TaskState.DONE
            at = await self._moment(tx, note, number)
        if is_done:
            return Recorded(note.name, OfflineOutcome.BEFORE, "its task was done already")
        work, key = RolloutWork(self._database, _Still(at), self._policy), _receipt(note)
        if note.act is OfflineAct.STAGED:
            lines = (await work.confirm_staging(number, key=key, actor=actor)).lines
        else:
            lines = (await work.confirm_handover(number, key=key, actor=actor)).lines
        return Recorded(note.name, OfflineOutcome.DONE, f"{lines} parcels")

    async def _returned(self, note: OfflineNote, number: int, actor: str) -> Recorded:
        async with transaction(self._database) as tx:
            is_back = (await rma_row(tx, number)).state is RmaState.RECEIVED
            at = await self._moment(tx, note, number)
        if is_back:
            return Recorded(note.name, OfflineOutcome.BEFORE, "it was received already")
        returns = Returns(self._database, _Still(at))
        await returns.receive(number, key=_receipt(note), actor=actor, serial=note.serial, condition=note.reason)
        return Recorded(note.name, OfflineOutcome.DONE, "it is in quarantine")

    async def _answered(self, note: OfflineNote, number: int) -> Recorded:
        verdict = Verdict.APPROVE if note.act is OfflineAct.APPROVED else Verdict.REJECT
        wanted = ApprovalState.APPROVED if verdict is Verdict.APPROVE else ApprovalState.REJECTED
        async with transaction(self._database) as tx:
            row = await approval_row(tx, number)
            stated = (await policy_now(tx, self._policy)).approvals.get(row.name)
            at = await self._moment(tx, note, number)
        if row.state is wanted:
            return Recorded(note.name, OfflineOutcome.BEFORE, f"it is {row.state.value} already")
        if stated is None or not stated.on_paper:
            raise Forbidden(
                f"approval {row.name!r} cannot be given on paper",
                hint="Have it answered at the hub, or let the policy say `on_paper: true`.",
            )
        name = note.by.strip()
        is_account = name.startswith(COMMAND_LINE)  # of whoever has a database in hand: nobody is that on paper
        who = Principal(name, frozenset() if is_account else self._approvals.roles_of(name))
        answer = self._approvals.at(_Still(at)).answer
        found = await answer(number, verdict, by=who, reason=note.reason, key=_receipt(note))
        return Recorded(note.name, OfflineOutcome.DONE, f"{found.state.value}: {found.given} of {found.needed}")

    async def _is_being_prepared(self, number: int, patience: timedelta) -> bool:
        """Whether the label and the task of a claim that waits for nobody are still not there after a while.

        Raises NotKnown, IllegalTransition when it waits for an approval.
        """
        waited, step = timedelta(0), step_key(number, Step.TASK)
        while True:
            async with reading(self._database) as tx:
                claim = await claim_to_send(tx, number)
                await require_approved(tx, number, claim.approval_name, "sent")
                if not _is_live(claim) or await find_receipts(tx, [step]):
                    return False
            if waited >= patience:
                return True
            await asyncio.sleep(_EVERY.total_seconds())
            waited += _EVERY

    async def _once(self, note: OfflineNote, number: int, do: Do) -> Recorded:
        result = await once_in(self._database, self._clock.now(), "offline", note.name, number, do)
        return Recorded(note.name, OfflineOutcome(result["outcome"]), result["text"])

    async def _moment(self, tx: Transaction, note: OfflineNote, number: int) -> datetime:
        """From when it counts: when it was done, but not before what was recorded of the thing since."""
        changed = await last_change(tx, ABOUT[note.act], number)
        return min(max(note.at.astimezone(UTC), changed), self._clock.now())


@dataclass(frozen=True, slots=True)
class _Still:
    """A clock that stands at the moment of an act."""

    at: datetime

    def now(self) -> datetime:
        """That moment."""
        return self.at


def _is_live(claim: ClaimToSend) -> bool:
    return claim.state in RESERVATION_LIVE


async def _goods(tx: Transaction, number: int) -> Consignment | None:
    try:
        return await consignment(tx, number)
    except NotKnown:
        return None


async def _is_in_use(tx: Transaction, goods: Consignment) -> bool:
    """Whether the device is at work already; counted units are once their parcel is delivered."""
    if goods.goods.asset_id is None:
        return True
    row = await locked_row(tx, asset, EntityKind.ASSET, goods.goods.asset_id)
    return row["state"] is AssetState.DEPLOYED


def _require_unit(goods: Consignment, note: OfflineNote) -> None:
    """Refuse another unit than the one that was claimed."""
    if note.serial is None or goods.goods.asset_id is None:
        return
    known = {serial_key(goods.goods.serial or ""), tag_key(goods.goods.asset_tag or "")} - {"", None}
    if not known & {serial_key(note.serial), tag_key(note.serial)}:
        claimed = goods.goods.serial or goods.goods.asset_tag or f"asset {goods.goods.asset_id}"
        raise IllegalTransition(
            f"unit {note.serial!r} was taken, and {claimed!r} is what reservation {goods.reservation_id} is for",
            hint="Move the claim to the unit that was taken (`connector reservation move --unit`), or swap them.",
        )


def _receipt(note: OfflineNote) -> str:
    return f"offline:{note.name}"


def _cause(note: OfflineNote) -> str:
    return f"done offline at {note.at.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def _result(note: OfflineNote, found: Recorded) -> dict[str, Any]:
    return {"note": note.kept(), "outcome": found.outcome.value, "text": found.text, "task_id": found.task_id}


def _again(note: OfflineNote, known: dict[str, Any]) -> Recorded:
    outcome = OfflineOutcome(known["outcome"])
    if outcome is OfflineOutcome.DONE:
        outcome = OfflineOutcome.BEFORE
    return Recorded(note.name, outcome, known["text"], known["task_id"])


def _later(note: OfflineNote) -> Recorded:
    return Recorded(note.name, OfflineOutcome.LATER, "the hub has not prepared it yet: record it again in a minute")


def _done(text: str) -> dict[str, Any]:
    return {"outcome": OfflineOutcome.DONE.value, "text": text}


def _before(text: str) -> dict[str, Any]:
    return {"outcome": OfflineOutcome.BEFORE.value, "text": text}
