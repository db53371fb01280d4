"""What a dispatcher does with a claim that is there: hold it longer, move it, split it, give it back.

Each is one transaction and may be repeated under its key. What was done for a claim that ends is undone, and what is
due for the new ones is done, by whoever follows the change log: label, task and note go the way of every other claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from connector.fulfilment.once import Do, once_in
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import Lane
from connector.model.lifecycle import RESERVATION_LIVE
from connector.rules.policy.document import Policy
from connector.sdk import Clock
from connector.storage.database.engine import Database, Transaction
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.shipments.consignments import consignment, lock_reservation
from connector.storage.stock.holds import extend_reservation
from connector.storage.stock.moves import MOVED
from connector.storage.stock.reserve import locked_reservation, require_own_fate
from connector.storage.stock.stopping import order_stop
from connector.storage.stock.succession import move_reservation, split_reservation
from connector.storage.stock.units import ShelfKey

HOLD: Final = timedelta(minutes=15)
"""How long what replaces a committed claim is held until the workflow commits it again."""


@dataclass(frozen=True, slots=True)
class MoveTo:
    """Where a claim is to go; what is None stays as it is. asset_id: which unit; None for the first free one."""

    hub_id: int | None = None
    product_id: int | None = None
    lane: Lane | None = None
    asset_id: int | None = None


class Claims:
    """The commands, on the hub's database. actor: who gives them, for the change log."""

    def __init__(self, database: Database, clock: Clock, policy: PolicySource) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy

    async def extend(self, reservation_id: int, *, until: datetime, reason: str, key: str, actor: str) -> int:
        """Hold a claim until then; returns its id.

        Raises as `connector.storage.stock.holds.extend_reservation` does.
        """
        why = _given(reason)

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            policy = await policy_now(tx, self._policy)
            longest = policy.holds.longest
            await extend_reservation(tx, reservation_id, until, longest=longest, actor=actor, at=at, cause=why)
            return {"ids": [reservation_id]}

        [number] = await self._once("extend", key, reservation_id, do)
        return number

    async def move(self, reservation_id: int, to: MoveTo, *, reason: str, key: str, actor: str) -> int:
        """Claim units elsewhere in place of these; returns the id of the new claim.

        Raises as `connector.storage.stock.succession.move_reservation` does, and InvalidInput for a way to break-glass
        stock around the approval that the policy wants for it.
        """
        why = _given(reason)

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            refuse_loaners(to.lane)
            old = await locked_reservation(tx, reservation_id)
            shelf = ShelfKey(to.hub_id or old.hub_id, to.product_id or old.product_id, to.lane or old.lane)
            if shelf.lane is Lane.BREAK_GLASS and old.lane is not Lane.BREAK_GLASS:
                refuse_way_around(await policy_now(tx, self._policy))
            new = await move_reservation(
                tx, reservation_id, shelf, asset_id=to.asset_id, reason=f"{MOVED}{actor}: {why}", actor=actor, at=at,
                expires_at=at + HOLD,
            )  # fmt: skip
            return {"ids": [new.id]}

        [number] = await self._once("move", key, reservation_id, do)
        return number

    async def split(self, reservation_id: int, quantity: int, *, key: str, actor: str) -> tuple[int, int]:
        """Two claims in place of one of several counted units; returns the ids of the rest and of what is split off.

        Raises as `connector.storage.stock.succession.split_reservation` does.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            both = await split_reservation(tx, reservation_id, quantity, actor=actor, at=at, expires_at=at + HOLD)
            return {"ids": [item.id for item in both]}

        first, second = await self._once("split", key, reservation_id, do)
        return first, second

    async def release(self, reservation_id: int, *, reason: str, key: str, actor: str) -> int:
        """Order that a claim is given back and everything undone that was done for it; returns its id.

        Raises NotKnown, and IllegalTransition when the units have left or the claim has ended.
        """
        why = _given(reason)

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            state = await lock_reservation(tx, reservation_id)
            if state not in RESERVATION_LIVE:
                raise IllegalTransition(f"reservation {reservation_id} cannot be released: it is {state.value}")
            require_own_fate(await locked_reservation(tx, reservation_id), "released")
            await order_stop(tx, reservation_id, reason=why, actor=actor, at=at)
            return {"ids": [reservation_id]}

        [number] = await self._once("release", key, reservation_id, do)
        return number

    async def _once(self, name: str, key: str, target: int, do: Do) -> list[int]:
        result = await once_in(self._database, self._clock.now(), f"claim-{name}", key, target, do)
        ids: list[int] = result["ids"]
        return ids


def refuse_loaners(lane: Lane | None) -> None:
    """Refuse to give a unit for good that is there to be lent. Raises InvalidInput."""
    if lane is Lane.LOANER:
        raise InvalidInput(
            "units of the loaner lane are lent by the rules until a replacement is there, and not given out",
            hint="To give one away for good, put it into the normal lane at its source.",
        )


def refuse_way_around(policy: Policy) -> None:
    """Refuse to exchange a unit for a break-glass one where a draw waits for an approval. Raises InvalidInput."""
    if policy.break_glass is not None:
        raise InvalidInput(
            f"a claim is not moved to break-glass stock, whose draws wait for approval {policy.break_glass.approval!r}",
            hint="Release it and reserve a unit of that lane for the ticket, which asks for the approval.",
        )


async def claim_text(tx: Transaction, reservation_id: int) -> str:
    """A claim in one line, for people. Raises NotKnown."""
    goods = await consignment(tx, reservation_id)
    return f"{goods.goods.label} at {goods.hub.label} for ticket {goods.ticket.number}: {goods.state.value}"


def _given(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("a reason is needed: it is told to the ticket and kept", hint="Write why.")
    return reason.strip()
