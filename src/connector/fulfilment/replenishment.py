"""What people do about replenishments: approve, reject, call off, receive. Each command may be repeated under its key.

They need nothing but the database: everything outside, labels and orders, is started by the reader of the change log,
as for any claim and any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.fulfilment.handover import arrive_at_hub
from connector.fulfilment.once import Do, once_in
from connector.fulfilment.replenishment_course import call_off, send_out, settle, withdraw
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.lifecycle import ReplenishmentState
from connector.sdk import Clock
from connector.storage.database.engine import Database, Transaction
from connector.storage.database.locks import lock_ticket
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.replenishment.parts import parcels_to_receive
from connector.storage.replenishment.replenishments import lock_replenishment, replenishment_row
from connector.storage.shipments.shipments import shipment_row


@dataclass(frozen=True, slots=True)
class ReplenishmentResult:
    """How a replenishment stands after a command. parcels: that were received by it."""

    replenishment_id: int
    state: ReplenishmentState
    parcels: int = 0


@dataclass(frozen=True, slots=True)
class Replenishments:
    """The commands, on the hub's database."""

    database: Database
    clock: Clock
    policy: PolicySource

    async def approve(self, replenishment_id: int, *, key: str, actor: str) -> ReplenishmentResult:
        """Let it go out, worked out anew from how things are now.

        Raises NotKnown, IllegalTransition when it was decided about before, the shelf is not low any more or nothing
        can be had, OutOfStock when a unit is being worked on.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            policy = await policy_now(tx, self.policy)
            await send_out(tx, replenishment_id, policy, actor=actor, at=at)
            return {"state": ReplenishmentState.APPROVED.value}

        return await self._once("approve", key, replenishment_id, do)

    async def reject(self, replenishment_id: int, *, reason: str, key: str, actor: str) -> ReplenishmentResult:
        """Do not want it: it is not proposed again for a while, unless the shelf gets emptier.

        Raises NotKnown, InvalidInput without a reason, IllegalTransition when it was decided about before.
        """
        why = _given(reason)

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            row = await lock_replenishment(tx, replenishment_id)
            await withdraw(tx, row, ReplenishmentState.REJECTED, reason=why, actor=actor, at=at)
            return {"state": ReplenishmentState.REJECTED.value}

        return await self._once("reject", key, replenishment_id, do)

    async def cancel(self, replenishment_id: int, *, reason: str, key: str, actor: str) -> ReplenishmentResult:
        """Call off what has not left its hub and what is on order; what is under way arrives, and is taken in.

        Raises NotKnown, InvalidInput without a reason, IllegalTransition when it has ended, or was not approved.
        """
        why = _given(reason)

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            await call_off(tx, replenishment_id, reason=why, actor=actor, at=at)
            await settle(tx, replenishment_id, at=at)
            return {"state": (await replenishment_row(tx, replenishment_id)).state.value}

        return await self._once("cancel", key, replenishment_id, do)

    async def receive(self, replenishment_id: int, *, key: str, actor: str) -> ReplenishmentResult:
        """Put on the shelf what has left other hubs for it: all its parcels that nobody has taken in yet.

        Orders are received as procurements. Raises NotKnown, IllegalTransition when no parcel is on its way.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            row = await replenishment_row(tx, replenishment_id)
            numbers = await self._parcels(tx, row.ticket_id)
            if not numbers:
                raise IllegalTransition(
                    f"{row.name} is {row.state.value.replace('_', ' ')}: no parcel of it is on its way",
                    hint="What has not left its hub is picked there first (its pickup task); what is bought is received"
                    " with `connector procurement receive`.",
                )
            for number in numbers:
                parcel = await shipment_row(tx, number)
                await arrive_at_hub(tx, parcel, actor=actor, cause=row.ticket_number, at=at)
            await settle(tx, replenishment_id, at=at)
            state = (await replenishment_row(tx, replenishment_id)).state
            return {"state": state.value, "parcels": len(numbers)}

        return await self._once("receive", key, replenishment_id, do)

    async def _parcels(self, tx: Transaction, ticket_id: int | None) -> list[int]:
        if ticket_id is None:
            return []
        await lock_ticket(tx, ticket_id)
        return list(await parcels_to_receive(tx, ticket_id))

    async def _once(self, name: str, key: str, target: int, do: Do) -> ReplenishmentResult:
        now = self.clock.now()
        result = await once_in(self.database, now, f"replenishment-{name}", key, target, do)
        return ReplenishmentResult(target, ReplenishmentState(result["state"]), result.get("parcels", 0))


def _given(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("a reason is needed: it is kept with the replenishment", hint="Write why.")
    return reason.strip()
