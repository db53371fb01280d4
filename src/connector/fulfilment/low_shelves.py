"""Shelves that have become low, and what is open for them: followed through the change log, and swept once an hour.

A batch of changes costs two small statements, whatever it holds; only shelves that are low, or for which something is
proposed, are read closer. What is done about a shelf follows from how it stands now, so that looking twice, late or in
several processes comes to the same.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Final

from connector.fulfilment.replenishment_course import LEFT_ALONE, NOT_LOW, call_off, send_out, settle, withdraw
from connector.model.errors import ConnectorError
from connector.model.kinds import ReplenishmentKind
from connector.model.lifecycle import REPLENISHMENT_OPEN, ReplenishmentState
from connector.model.refs import EntityKind
from connector.rules.policy.document import Policy
from connector.rules.policy.replenishment import Act
from connector.rules.replenishment.facts import ShelfFacts
from connector.rules.replenishment.plan import Proposal, plan
from connector.sdk import Clock
from connector.storage.database.changes import LoggedChange
from connector.storage.database.engine import Database, Transaction, in_transaction, reading
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.replenishment.facts import (
    RULES,
    lock_shelves,
    page_of_shelves,
    shelf_facts,
    shelves_to_look_at,
)
from connector.storage.replenishment.parts import touched_replenishments
from connector.storage.replenishment.replenishments import (
    Past,
    ReplenishmentRow,
    is_told,
    lock_replenishment,
    move_replenishment,
    open_replenishments,
    past_replenishments,
    propose,
    values_of,
)

log = logging.getLogger("connector.fulfilment")

PAGE: Final = 200
"""Shelves that are looked at with one reading."""
LEVELS: Final = frozenset({"on_hand", "reserved", "reorder_point", "target"})
"""Fields of a shelf that say whether it is low, and what it needs."""


class _Step(Enum):
    """What is to be done about a shelf."""

    NOTHING = auto()
    PROPOSE = auto()
    REVISE = auto()
    WITHDRAW = auto()
    SEND = auto()
    CALL_OFF = auto()


@dataclass(frozen=True, slots=True)
class _Case:
    """A shelf as it stands. shelf: None when it has no reorder point any more, or its hub or product is gone.

    past: what ended last, as long as it counts.
    """

    shelf: ShelfFacts | None
    proposal: Proposal | None
    row: ReplenishmentRow | None
    past: Past | None

    @property
    def step(self) -> _Step:
        """What is to be done about it now."""
        if self.row is None:
            return _Step.NOTHING if self.proposal is None or self._is_declined else _Step.PROPOSE
        if self.row.state is ReplenishmentState.PROPOSED:
            if self.proposal is None:
                return _Step.WITHDRAW
            if self.goes_out:
                return _Step.SEND
            return _Step.NOTHING if is_told(self.row, self.proposal) else _Step.REVISE
        is_low = self.shelf is not None and self.shelf.is_low
        is_pending = self.row.state is ReplenishmentState.APPROVED and self.row.decided_by == RULES
        return _Step.CALL_OFF if is_pending and not is_low and self.row.cancelled_by is None else _Step.NOTHING

    @property
    def goes_out(self) -> bool:
        """Whether nobody is asked; what has failed lately is for a person, so that nothing fails again and again."""
        proposal, has_failed = self.proposal, self.past is not None and self.past.has_failed
        if proposal is None or has_failed:
            return False
        return proposal.rule.act is Act.ORDER and proposal.kind is not ReplenishmentKind.NONE

    @property
    def _is_declined(self) -> bool:
        """Whether a person did not want it lately, and the shelf is no emptier than it was then."""
        if self.past is None or not self.past.was_declined:
            return False
        return self.shelf is None or self.shelf.free >= self.past.free


@dataclass(frozen=True, slots=True)
class LowShelves:
    """Looks at shelves on behalf of the policy; any number of processes may."""

    database: Database
    clock: Clock
    policy: PolicySource

    async def follow(self, changes: Sequence[LoggedChange]) -> None:
        """Do what follows from a batch of changes."""
        if any(change.kind is EntityKind.POLICY and _is_activated(change) for change in changes):
            await self.sweep()
        touched = {
            kind: {change.entity_id for change in changes if change.kind is kind and _moves(change)}
            for kind in (EntityKind.RESERVATION, EntityKind.SHIPMENT, EntityKind.PROCUREMENT)
        }
        ended = {change.entity_id for change in changes if change.kind is EntityKind.REPLENISHMENT and _ends(change)}
        levels = {c.entity_id for c in changes if c.kind is EntityKind.STOCK and not LEVELS.isdisjoint(c.fields)}
        if not (ended or levels or any(touched.values())):
            return
        async with reading(self.database) as tx:
            under_way = await touched_replenishments(
                tx,
                reservation_ids=touched[EntityKind.RESERVATION],
                shipment_ids=touched[EntityKind.SHIPMENT],
                procurement_ids=touched[EntityKind.PROCUREMENT],
            )
            shelves = await shelves_to_look_at(tx, changed=levels, ended=ended)
        for number in under_way:
            work = partial(settle, replenishment_id=number, at=self.clock.now())
            await in_transaction(self.database, work)
        for first in range(0, len(shelves), PAGE):
            await self.look(shelves[first : first + PAGE])

    async def sweep(self) -> int:
        """Look at all shelves that are low or for which something is proposed; how many something was done about."""
        done, after = 0, 0
        while True:
            async with reading(self.database) as tx:
                page = await page_of_shelves(tx, after=after, limit=PAGE)
            done += await self.look(page)
            if len(page) < PAGE:
                return done
            after = page[-1]

    async def look(self, stock_ids: Sequence[int]) -> int:
        """Do what is to be done about these shelves; about how many something was.

        They are read without locks first: most often there is nothing to be done.
        """
        if not stock_ids:
            return 0
        now = self.clock.now()
        async with reading(self.database) as tx:
            policy = await policy_now(tx, self.policy)
            cases = await _cases(tx, stock_ids, policy, now)
        wanted = [stock_id for stock_id, case in cases.items() if case.step is not _Step.NOTHING]
        if not wanted:
            return 0
        going, leaving = await in_transaction(
            self.database, partial(self._do, stock_ids=wanted, policy=policy, now=now)
        )
        for number in going:
            await self._try(number, partial(send_out, replenishment_id=number, policy=policy, actor=RULES, at=now))
        for number in leaving:
            await self._try(number, partial(call_off, replenishment_id=number, reason=NOT_LOW, actor=RULES, at=now))
        return len(wanted)

    async def _do(
        self, tx: Transaction, stock_ids: Collection[int], policy: Policy, now: datetime
    ) -> tuple[list[int], list[int]]:
        """Keep what is proposed, with the shelves locked; which replenishments go out at once, which are called off."""
        await lock_shelves(tx, stock_ids)
        cases = (await _cases(tx, stock_ids, policy, now)).values()
        new = [case for case in cases if case.step is _Step.PROPOSE]
        ids = await propose(tx, [case.proposal for case in new if case.proposal is not None], actor=RULES, at=now)
        going = [number for number, case in zip(ids, new, strict=True) if case.goes_out]
        leaving = []
        for case in cases:
            if case.row is None:
                continue
            match case.step:
                case _Step.SEND:
                    going.append(case.row.id)
                case _Step.CALL_OFF:
                    leaving.append(case.row.id)
                case _Step.REVISE | _Step.WITHDRAW:
                    await _change(tx, case, case.row.id, now)
                case _:
                    continue
        return going, leaving

    async def _try(self, replenishment_id: int, work: Callable[[Transaction], Awaitable[None]]) -> None:
        """Do it; where that cannot be done now, it stays as it is and is looked at again."""
        try:
            await in_transaction(self.database, work)
        except ConnectorError as error:
            log.warning("replenishment %s stays as it is, it is looked at again: %s", replenishment_id, error)


async def _cases(tx: Transaction, stock_ids: Collection[int], policy: Policy, now: datetime) -> dict[int, _Case]:
    facts = await shelf_facts(tx, stock_ids)
    rows = await open_replenishments(tx, stock_ids)
    since = now - timedelta(days=policy.replenishment.again_after_days)
    pasts = await past_replenishments(tx, stock_ids, since=since)
    return {
        stock_id: _Case(
            facts.get(stock_id),
            plan(facts[stock_id], policy, now) if stock_id in facts else None,
            rows.get(stock_id),
            pasts.get(stock_id),
        )
        for stock_id in sorted(stock_ids)
    }


async def _change(tx: Transaction, case: _Case, replenishment_id: int, now: datetime) -> None:
    """Work a proposal out anew, or withdraw it, unless a person was quicker."""
    row = await lock_replenishment(tx, replenishment_id)
    if row.state is not ReplenishmentState.PROPOSED:
        return
    if case.proposal is None:
        reason = LEFT_ALONE if case.shelf is not None and case.shelf.is_low else NOT_LOW
        await withdraw(tx, row, ReplenishmentState.CANCELLED, reason=reason, actor=RULES, at=now)
    else:
        await move_replenishment(tx, row, row.state, values_of(case.proposal), actor=RULES, at=now)


def _moves(change: LoggedChange) -> bool:
    """Whether a claim, a parcel or an order has come to another state."""
    return change.operation == "updated" and not {"state", "status", "received_at"}.isdisjoint(change.fields)


def _ends(change: LoggedChange) -> bool:
    """Whether a replenishment has ended, so that its shelf is to be looked at anew."""
    state = change.fields.get("state")
    return state is not None and state[1] not in REPLENISHMENT_OPEN


def _is_activated(change: LoggedChange) -> bool:
    return change.fields.get("is_active", (None, None))[1] is True
