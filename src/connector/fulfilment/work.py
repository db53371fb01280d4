"""What steps work with: the database, the connections, the clock, and the receipts of what was done."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from connector.fulfilment.keys import BACKWARD, FORWARD, Step, step_key
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.outcomes import DONE, Attempt, attempt_of
from connector.model.refs import EntityKind, SourceRef
from connector.rules.policy.document import Mode
from connector.sdk import (
    AdapterError,
    AddNote,
    Clock,
    ConfigError,
    Connection,
    Procures,
    SetTicketFields,
    SetTicketState,
    Ships,
    TakesSome,
    TracksShipments,
    WritesAssets,
)
from connector.sdk import WritesTickets as TicketWriter
from connector.storage.database.engine import Database, Transaction, reading, transaction
from connector.storage.database.receipts import find_receipt, find_receipts, record_receipt
from connector.storage.shipments.consignments import Consignment, TicketSide, consignment, lock_reservation
from connector.storage.shipments.shipments import ShipmentRow, outbound_shipment
from connector.storage.stock.stopping import stop_key
from connector.storage.tickets.own_tickets import OWN_SOURCE
from connector.telemetry.tally import Tally

log = logging.getLogger("connector.fulfilment")

Written: TypeAlias = Mapping[str, Any]
"""What a step leaves in its receipt; `skipped` says why there was nothing to do."""
TicketOperation: TypeAlias = AddNote | SetTicketState | SetTicketFields


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a fulfilment stands. receipts: of the steps that are done. stop: the reason of an order to stop."""

    goods: Consignment
    receipts: Mapping[Step, Mapping[str, Any]]
    shipment: ShipmentRow | None
    stop: str | None

    def did(self, step: Step) -> bool:
        """Whether a step had an effect."""
        return step in self.receipts and "skipped" not in self.receipts[step]


@dataclass(frozen=True, slots=True)
class Work:
    """Everything that a step needs. tally: what is counted goes there."""

    database: Database
    connections: Mapping[str, Connection]
    clock: Clock
    options: FulfilmentOptions
    tally: Tally = field(default_factory=Tally)

    async def progress(self, reservation_id: int) -> Progress:
        """Where the fulfilment of a reservation stands."""
        keys = {step_key(reservation_id, step): step for step in (*FORWARD, *BACKWARD)}
        stop = stop_key(reservation_id)
        async with reading(self.database) as tx:
            found = await find_receipts(tx, [*keys, stop])
            return Progress(
                goods=await consignment(tx, reservation_id),
                receipts={step: found[key] for key, step in keys.items() if key in found},
                shipment=await outbound_shipment(tx, reservation_id),
                stop=str(found[stop]["reason"]) if stop in found else None,
            )

    async def record(
        self, reservation_id: int, step: Step, write: Callable[[Transaction, datetime], Awaitable[Written]]
    ) -> None:
        """Make a step's outcome durable together with its receipt; nothing is written when it has one already."""
        key = step_key(reservation_id, step)
        now = self.clock.now()
        async with transaction(self.database) as tx:
            await lock_reservation(tx, reservation_id)
            if await find_receipt(tx, key) is None:
                await record_receipt(tx, key, await write(tx, now), at=now)

    async def receipt(self, reservation_id: int, step: Step, result: Written) -> None:
        """Record a step that changes nothing in the database."""

        async def write(_tx: Transaction, _at: datetime) -> Written:
            return result

        await self.record(reservation_id, step, write)

    async def attempt(self, name: str, do: Awaitable[None]) -> Attempt:
        """Await a step and say how it ended; what an adapter could not foresee is logged with its trace."""
        try:
            await do
        except Exception as error:
            attempt = attempt_of(error)
            if attempt.is_unexpected:
                log.warning("step %s failed unexpectedly", name, exc_info=error)
            return attempt
        return DONE

    def goes_by_courier(self, goods: Consignment) -> bool:
        """Whether a label is bought; without a courier the customer's own people carry it."""
        return goods.mode is Mode.COURIER and self.options.courier is not None

    def courier(self) -> tuple[Connection, Ships]:
        """The connection that carries parcels. Raises ConfigError when it is not there or cannot."""
        name = self.options.courier or ""
        connection = self.connection(name, "send a parcel")
        if not isinstance(connection.adapter, Ships):
            raise ConfigError(
                f"source {name!r} is named as the courier, but adapter {connection.adapter_name!r} carries no parcels",
                operation="send a parcel",
                hint="Name a courier's source in [fulfilment] courier.",
            )
        return connection, connection.adapter

    def supplier(self, name: str) -> tuple[Connection, Procures]:
        """The connection that takes orders to a supplier. Raises ConfigError when it is not there or cannot."""
        connection = self.connection(name, "send an order")
        if not isinstance(connection.adapter, Procures):
            raise ConfigError(
                f"source {name!r} is to take an order, but adapter {connection.adapter_name!r} takes none",
                operation="send an order",
                hint="Name another source in `via` of the supplier in the policy, or none: a person orders then.",
            )
        return connection, connection.adapter

    def tracker(self) -> tuple[Connection, TracksShipments] | None:
        """The courier's connection, if it reports on parcels that others have sent."""
        connection = self.connections.get(self.options.courier or "")
        if connection is None or not isinstance(connection.adapter, TracksShipments):
            return None
        return connection, connection.adapter

    def asset_writers(self) -> Mapping[str, WritesAssets]:
        """The sources that are told of swaps: those that can and may be."""
        return {
            name: connection.adapter
            for name, connection in self.connections.items()
            if isinstance(connection.adapter, WritesAssets) and connection.adapter.may_write_assets()
        }

    def asset_writer(self, source: str) -> tuple[Connection, WritesAssets]:
        """The connection that is told of swaps. Raises ConfigError when it is not there or may not be told any more."""
        connection = self.connection(source, "record a swap")
        writer = self.asset_writers().get(source)
        if writer is None:
            raise ConfigError(
                f"source {source!r} may not be told of swaps any more",
                operation="record a swap",
                hint="Allow it in the source's settings again, or enter the swap by hand.",
            )
        return connection, writer

    async def write_to_ticket(self, goods: Consignment, operation: TicketOperation) -> Written:
        """Do it once on the ticket, at its own source, whatever happened to earlier attempts."""
        return await self.write_note(goods.ticket, operation)

    async def write_note(self, ticket: TicketSide, operation: TicketOperation) -> Written:
        """The same, for a ticket of which nothing is sent."""
        return await self.write_to_source(ticket.source, operation)

    async def is_on_ticket(self, goods: Consignment, operation: TicketOperation) -> bool:
        """Whether an earlier attempt has done it, though nobody kept its receipt."""
        connection = self.connections.get(goods.ticket.source)
        if connection is None or not isinstance(connection.adapter, TicketWriter) or not _takes(connection, operation):
            return False
        writer: TicketWriter = connection.adapter
        with naming(connection):
            return await writer.find(operation) is not None

    async def write_to_source(self, source: str, operation: TicketOperation) -> Written:
        """The same, for a ticket of a source; nothing is written to the hub's own."""
        if source == OWN_SOURCE:
            return {"skipped": "the ticket is the hub's own"}
        connection = self.connection(source, "write to the ticket")
        if not isinstance(connection.adapter, TicketWriter):
            return {"skipped": f"adapter {connection.adapter_name!r} does not write to tickets"}
        if not _takes(connection, operation):
            return {"skipped": f"the settings of source {source!r} do not say how to do {type(operation).__name__}"}
        writer: TicketWriter = connection.adapter
        with naming(connection):
            receipt = await writer.find(operation) or await writer.push(operation)
        return {"external_id": receipt.external_id}

    def connection(self, name: str, operation: str) -> Connection:
        """The connection of a source. operation: for the message. Raises ConfigError when it is not there."""
        connection = self.connections.get(name)
        if connection is None:
            raise ConfigError(
                f"source {name!r} is not connected",
                operation=operation,
                hint="`connector sources` shows why; it is tried again.",
            )
        return connection


def ticket_ref(goods: Consignment) -> SourceRef:
    """The ticket as its source calls it."""
    return ref_of(goods.ticket)


def ref_of(ticket: TicketSide) -> SourceRef:
    """A ticket as its source calls it."""
    return SourceRef(kind=EntityKind.TICKET, external_id=ticket.external_id)


class naming:  # noqa: N801 - reads as a word in a `with` statement
    """Puts the source's name before the message of an error that its adapter raises."""

    def __init__(self, connection: Connection) -> None:
        self._name = connection.name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, AdapterError) and not error.message.startswith(f"{self._name}: "):
            error.message = f"{self._name}: {error.message}"


def _takes(connection: Connection, operation: TicketOperation) -> bool:
    adapter = connection.adapter
    return not isinstance(adapter, TakesSome) or adapter.takes(type(operation))
