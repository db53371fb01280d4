"""What mutations ask the rest of the hub to do: a bundle of callables that the composition root fills."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias
from zlib import crc32

from connector.api.requests import Request
from connector.api.sync_commands import SyncCommands, connection_of, sync_commands
from connector.fulfilment.commands import Commands as FulfilmentCommands
from connector.fulfilment.commands import PickupResult, ReceiveResult, ReserveResult, WithdrawResult
from connector.fulfilment.once import Keep, answered_once, command_key, once_in
from connector.fulfilment.pickups import NewOrder
from connector.fulfilment.procurement import Recorded, Report
from connector.fulfilment.suppliers import require_suppliers
from connector.ingest.guard import GUARD, Guard
from connector.ingest.replay import discard_in, replay
from connector.ingest.reports import PullReport, StreamReport
from connector.ingest.sync import sync_source as sync
from connector.model.kinds import Lane, SourceState
from connector.sdk.adapter import Clock
from connector.sdk.connection import Connection
from connector.storage.database.engine import Database, Transaction, transaction
from connector.telemetry.metrics import PULLS
from connector.telemetry.tally import Tally

Reserve: TypeAlias = Callable[[int, int | None, int | None, Lane, int | None, Request], Awaitable[ReserveResult]]
"""(ticket, hub or None, product or None, lane, quantity or None for all): without a hub the rules choose."""
Withdraw: TypeAlias = Callable[[int, str, Request], Awaitable[WithdrawResult]]
"""(reservation or ticket, reason)."""
ConfirmPickup: TypeAlias = Callable[[int, Request], Awaitable[PickupResult]]
"""(task)."""
OrderPickup: TypeAlias = Callable[[NewOrder, Request], Awaitable[int]]
"""(what is ordered): number of the pickup."""
CancelPickup: TypeAlias = Callable[[int, Request], Awaitable[None]]
"""(pickup)."""
Receive: TypeAlias = Callable[[int, Request], Awaitable[ReceiveResult]]
"""(shipment)."""
RecordProcurement: TypeAlias = Callable[[int, Report, Request], Awaitable[Recorded]]
"""(procurement, what became of it)."""
ReceiveProcurement: TypeAlias = Callable[[int, int | None, Sequence[str], Request], Awaitable[Recorded]]
"""(procurement, hub or None for where it was to go, serials)."""
Sync: TypeAlias = Callable[[int, Sequence[str] | None, bool, datetime | None, Request], Awaitable[PullReport]]
"""(source, streams or None for all, whether from the beginning, since when the past is read again)."""
OnQuarantine: TypeAlias = Callable[[Sequence[int], Request], Awaitable[int]]
"""(records): how many of them are settled."""
CheckSuppliers: TypeAlias = Callable[[str], None]
"""(text of a policy): raises InvalidPolicy where its suppliers cannot be ordered from as it says."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Everything that a dispatcher can have done.

    Each raises a ConnectorError that says why it refuses; what it did is committed when it returns.
    """

    reserve: Reserve
    release: Withdraw
    cancel: Withdraw
    confirm_pickup: ConfirmPickup
    order_pickup: OrderPickup
    cancel_pickup: CancelPickup
    receive: Receive
    record_procurement: RecordProcurement
    receive_procurement: ReceiveProcurement
    sync_source: Sync
    replay_quarantine: OnQuarantine
    discard_quarantine: OnQuarantine
    check_suppliers: CheckSuppliers
    syncing: SyncCommands


def hub_commands(
    fulfilment: FulfilmentCommands,
    database: Database,
    connections: Mapping[str, Connection],
    clock: Clock,
    *,
    broken: Collection[str] = (),
    guards: Mapping[str, Guard] = MappingProxyType({}),
    tally: Tally | None = None,
) -> Commands:
    """The commands of a hub. broken: configured sources that cannot be used. guards: of sources. tally: pulls are
    counted there.
    """
    counts = Tally() if tally is None else tally

    async def reserve(
        ticket_id: int, hub_id: int | None, product_id: int | None, lane: Lane, quantity: int | None, by: Request
    ) -> ReserveResult:
        return await fulfilment.reserve_for_ticket(
            ticket_id, key=by.key, actor=by.actor, hub_id=hub_id, product_id=product_id, lane=lane, quantity=quantity
        )

    async def release(reservation_id: int, reason: str, by: Request) -> WithdrawResult:
        return await fulfilment.release(reservation_id, reason=reason, key=by.key, actor=by.actor)

    async def cancel(ticket_id: int, reason: str, by: Request) -> WithdrawResult:
        return await fulfilment.cancel(ticket_id, reason=reason, key=by.key, actor=by.actor)

    async def confirm_pickup(task_id: int, by: Request) -> PickupResult:
        return await fulfilment.confirm_pickup(task_id, key=by.key, actor=by.actor)

    async def order_pickup(new: NewOrder, by: Request) -> int:
        return await fulfilment.pickups.order(new, key=by.key, actor=by.actor)

    async def cancel_pickup(pickup_id: int, by: Request) -> None:
        await fulfilment.pickups.cancel(pickup_id, key=by.key, actor=by.actor)

    async def receive(shipment_id: int, by: Request) -> ReceiveResult:
        return await fulfilment.receive(shipment_id, key=by.key, actor=by.actor)

    async def record_procurement(procurement_id: int, report: Report, by: Request) -> Recorded:
        return await fulfilment.procurements.record(procurement_id, report, key=by.key, actor=by.actor)

    async def receive_procurement(
        procurement_id: int, hub_id: int | None, serials: Sequence[str], by: Request
    ) -> Recorded:
        return await fulfilment.procurements.receive(
            procurement_id, key=by.key, actor=by.actor, hub_id=hub_id, serials=serials
        )

    async def sync_source(
        source_id: int, streams: Sequence[str] | None, full: bool, since: datetime | None, by: Request
    ) -> PullReport:
        connection = await connection_of(database, connections, source_id)
        name = connection.name

        async def pull(keep: Keep) -> dict[str, Any]:
            async def ended(tx: Transaction, report: PullReport) -> None:
                await keep(tx, asdict(report))

            report = await sync(
                database, connection, clock=clock, streams=streams, full=full, since=since, by=by.actor, resume=True,
                guard=guards.get(name, GUARD), ended=ended,
            )  # fmt: skip
            counts.count(PULLS, name, report.outcome)
            return asdict(report)

        told = await answered_once(database, clock, "sync-source", by.key, source_id, pull)
        return pulled(told)

    async def replay_quarantine(ids: Sequence[int], by: Request) -> int:
        name = "replay-quarantine"

        async def again(keep: Keep) -> dict[str, Any]:
            replayed = await replay(database, connections, ids, clock=clock, once=command_key(name, by.key))
            result = {"settled": replayed.applied}
            async with transaction(database) as tx:
                await keep(tx, result)
            return result

        told = await answered_once(database, clock, name, by.key, _target(ids), again)
        return int(told["settled"])

    async def discard_quarantine(ids: Sequence[int], by: Request) -> int:
        async def away(tx: Transaction, at: datetime) -> dict[str, Any]:
            return {"settled": await discard_in(tx, ids, actor=by.actor, at=at)}

        told = await once_in(database, clock.now(), "discard-quarantine", by.key, _target(ids), away)
        return int(told["settled"])

    return Commands(
        reserve=reserve,
        release=release,
        cancel=cancel,
        confirm_pickup=confirm_pickup,
        order_pickup=order_pickup,
        cancel_pickup=cancel_pickup,
        receive=receive,
        record_procurement=record_procurement,
        receive_procurement=receive_procurement,
        sync_source=sync_source,
        replay_quarantine=replay_quarantine,
        discard_quarantine=discard_quarantine,
        check_suppliers=partial(require_suppliers, connections=connections, broken=broken),
        syncing=sync_commands(database, connections, clock, guards),
    )


def pulled(told: Mapping[str, Any]) -> PullReport:
    """A report as it was told."""
    streams = tuple(StreamReport(**stream) for stream in told["streams"])
    return PullReport(**{**told, "state": SourceState(told["state"]), "streams": streams})


def _target(ids: Sequence[int]) -> int:
    """The same for the same records."""
    return crc32(",".join(map(str, sorted(ids))).encode())
