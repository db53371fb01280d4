"""Drivers who are ordered to a hub for its parcels, and called off again.

The courier is asked outside of any transaction, and what it answered is written down at once. What is to be ordered is
written down before, with its parcels, so that every attempt orders the same under the same key. Where an answer was
lost and the courier cannot be asked again without a second driver being sent, it is not asked again: a person is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from connector.fulfilment.keys import effect_key, pickup_key
from connector.fulfilment.once import Keep, answered_once, once
from connector.fulfilment.outcomes import told
from connector.fulfilment.parcels import parcel_of
from connector.fulfilment.pickup_terms import chosen_parcels, nothing_waits, require_address, require_on, require_times
from connector.fulfilment.work import Work, naming
from connector.model.errors import InvalidInput, NotKnown
from connector.model.lifecycle import PickupState
from connector.model.refs import EntityKind, SourceRef
from connector.sdk import (
    AuthError,
    CancelPickup,
    CancelsPickups,
    ConfigError,
    Conflict,
    Connection,
    Invalid,
    NotFound,
    NotOffered,
    OrderPickup,
    OrdersPickups,
    OutcomeUnknown,
    PickupReceipt,
    RateLimited,
    Transient,
    WaitingParcel,
)
from connector.storage.database.engine import Transaction, reading, transaction
from connector.storage.database.rows import locked_row
from connector.storage.shipments.consignments import Consignment, consignment
from connector.storage.shipments.pickups import (
    LabelledParcel,
    PickupRow,
    begin_pickup,
    change_pickup,
    parcels_at_hub,
    parcels_of_pickup,
    pickup_row,
)
from connector.storage.sources.sources import source_ids
from connector.storage.tables import hub

MOST_PARCELS: Final = 100
LEASE: Final = timedelta(minutes=10)
"""How long a courier may take to answer; after that the answer counts as lost. Longer than any request may take."""
LONGEST_NOTE: Final = 500
_WITHOUT: Final = "Call the courier, or hand the parcels over as usual: `confirmPickup` records that."


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A driver to be ordered. source_id: the courier; None for the one that buys the labels.

    carrier: only its parcels; shipment_ids: only these; None for all that wait at the hub with a label of the courier.
    """

    hub_id: int
    earliest_at: datetime
    latest_at: datetime
    source_id: int | None = None
    carrier: str | None = None
    shipment_ids: Sequence[int] | None = None
    note: str | None = None


class Pickups:
    """The commands; each is once per key."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def order(self, new: NewOrder, *, key: str, actor: str) -> int:
        """Have a driver come; returns the pickup's id.

        Raises NotKnown, InvalidInput for times that cannot be, parcels that do not wait there, or a hub without an
        address; NotOffered for a courier that takes no such order; what the courier's adapter raises: Invalid when it
        sends nobody, OutcomeUnknown when nobody knows whether it does.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            return {"pickup_id": await self._begin(tx, new, actor=actor, at=at)}

        pickup_id = int((await once(self._work, "order-pickup", key, new.hub_id, do))["pickup_id"])
        await self._settle(pickup_id, actor)
        return pickup_id

    async def cancel(self, pickup_id: int, *, key: str, actor: str) -> None:
        """Call a driver off.

        Raises NotKnown, IllegalTransition when it is cancelled already, was refused, or its time is over; NotOffered
        for a courier that can only be called; Conflict or Invalid when the courier refuses.
        """

        async def do(keep: Keep) -> dict[str, Any]:
            row = await self._ended_without_courier(pickup_id, keep, actor)
            if row is None:
                return {}
            if row.state is PickupState.ORDERING:
                await self._settle(pickup_id, actor)
                async with transaction(self._work.database) as tx:
                    row = await pickup_row(tx, pickup_id)
            await self._call_off(row)
            at = self._work.clock.now()
            async with transaction(self._work.database) as tx:
                row = await pickup_row(tx, pickup_id)
                require_on(row, at)
                await _cancelled(tx, row, None, actor=actor, at=at)
                await keep(tx, {})
            return {}

        await answered_once(self._work.database, self._work.clock, "cancel-pickup", key, pickup_id, do)

    async def _begin(self, tx: Transaction, new: NewOrder, *, actor: str, at: datetime) -> int:
        note = (new.note or "").strip() or None
        if note is not None and len(note) > LONGEST_NOTE:
            raise InvalidInput(f"the note has {len(note)} characters, {LONGEST_NOTE} are allowed")
        if new.shipment_ids is not None and (not new.shipment_ids or new.carrier is not None):
            raise InvalidInput(
                "`shipmentIds` names no parcel" if not new.shipment_ids else "`shipmentIds` and `carrier` are given",
                hint="Give one of them, or none for all that wait.",
            )
        place = await locked_row(tx, hub, EntityKind.HUB, new.hub_id)
        names = await source_ids(tx)
        connection, _ = self._orders(_name_of(names, new.source_id))
        source_id = names.get(connection.name)
        waiting = [] if source_id is None else await parcels_at_hub(tx, new.hub_id, source_id, now=at)
        if new.shipment_ids is None:
            chosen = [
                parcel for parcel in waiting if new.carrier in (None, parcel.carrier) and parcel.pickup_id is None
            ]
        else:
            chosen = await chosen_parcels(tx, set(new.shipment_ids), waiting, connection, place["name"], at)
        if source_id is None or not chosen:
            others = [parcel for parcel in waiting if new.carrier in (None, parcel.carrier)]
            raise nothing_waits(others, connection, place["name"], new.carrier)
        carriers = Counter(parcel.carrier or "an unknown carrier" for parcel in chosen)
        if len(carriers) > 1:
            listed = ", ".join(f"{number} of {name}" for name, number in sorted(carriers.items()))
            raise InvalidInput(
                f"parcels of several carriers wait at {place['name']}: {listed}; a driver comes for those of one",
                hint="Name the carrier, and order one pickup for each.",
            )
        if len(chosen) > MOST_PARCELS:
            raise InvalidInput(
                f"{len(chosen)} parcels wait at {place['name']}, {MOST_PARCELS} go into one pickup",
                hint="Name some of them, and order another pickup for the others.",
            )
        where = (await consignment(tx, _reservation(chosen[0]))).hub
        require_address(where)
        require_times(new.earliest_at, new.latest_at, where, at)
        return await begin_pickup(
            tx,
            [parcel.id for parcel in chosen],
            hub_id=new.hub_id,
            source_id=source_id,
            carrier=chosen[0].carrier,
            earliest_at=new.earliest_at,
            latest_at=new.latest_at,
            note=note,
            actor=actor,
            at=at,
        )

    async def _settle(self, pickup_id: int, actor: str) -> None:
        """Have the courier asked, unless it has answered; once more where it only seems not to have."""
        found = await self._attempt(pickup_id, actor)
        if found is None:
            return
        connection, orders, op, was_asked = found
        try:
            with naming(connection):
                receipt = await _ordered(orders, op)
        except (Invalid, NotFound, NotOffered, Conflict) as error:
            await self._answered(pickup_id, PickupState.REFUSED, actor, reason=told(error))
            raise
        except OutcomeUnknown as error:
            is_found_again = orders.is_pickup_found_again(op)
            raise _unknown(pickup_id, connection.name, is_found_again=is_found_again) from error
        except (Transient, RateLimited, AuthError, ConfigError):
            if not was_asked:
                await self._answered(pickup_id, PickupState.ORDERING, actor)
            raise
        await self._answered(pickup_id, PickupState.ORDERED, actor, **_of_receipt(receipt))

    async def _attempt(self, pickup_id: int, actor: str) -> tuple[Connection, OrdersPickups, OrderPickup, bool] | None:
        """What the courier is to be asked now, and whether it was before; None when it has answered.

        Others do not ask meanwhile.
        """
        at = self._work.clock.now()
        async with transaction(self._work.database) as tx:
            row = await pickup_row(tx, pickup_id)
            if row.state is PickupState.REFUSED:
                raise Invalid(row.reason or "the courier sends nobody", operation="order pickup")
            if row.state is not PickupState.ORDERING:
                return None
            if row.latest_at <= at:
                raise InvalidInput(
                    f"the time of {row.name} was over at {row.latest_at:%Y-%m-%d %H:%M}Z",
                    hint="Order another one, with a new key.",
                )
            connection, orders = self._orders(_name_of(await source_ids(tx), row.source_id))
            op = await self._operation(tx, row)
            if row.attempted_at is not None:
                if at < row.attempted_at + LEASE:
                    raise _being_asked(row, connection.name, at)
                if not orders.is_pickup_found_again(op):
                    raise _unknown(row.id, connection.name, is_found_again=False)
            await change_pickup(tx, row, PickupState.ORDERING, actor=actor, at=at, attempted_at=at)
        return connection, orders, op, row.attempted_at is not None

    async def _operation(self, tx: Transaction, row: PickupRow) -> OrderPickup:
        parcels = await parcels_of_pickup(tx, row.id)
        goods = [await consignment(tx, _reservation(parcel)) for parcel in parcels]
        waiting = tuple(self._waiting(*pair) for pair in zip(parcels, goods, strict=True))
        if not waiting:
            raise InvalidInput(f"no parcel waits for {row.name} any more", hint="Cancel it.")
        return OrderPickup(
            key=effect_key(pickup_key(row.id), row.created_at),
            parcels=waiting,
            at=waiting[0].parcel.sender,
            earliest=row.earliest_at,
            latest=row.latest_at,
            time_zone=goods[0].hub.time_zone or "UTC",
            instructions=row.note or "",
        )

    def _waiting(self, parcel: LabelledParcel, goods: Consignment) -> WaitingParcel:
        external_id = parcel.external_id or ""
        return WaitingParcel(
            shipment=SourceRef(kind=EntityKind.SHIPMENT, external_id=external_id),
            tracking_number=parcel.tracking_number or external_id,
            carrier=parcel.carrier or "",
            service=parcel.service or "",
            parcel=parcel_of(goods, default_weight_g=self._work.options.default_weight_g),
        )

    async def _answered(self, pickup_id: int, state: PickupState, actor: str, **values: Any) -> None:
        """Write down what the courier answered, if nobody has."""
        at = self._work.clock.now()
        async with transaction(self._work.database) as tx:
            row = await pickup_row(tx, pickup_id)
            if row.state is PickupState.ORDERING:
                await change_pickup(tx, row, state, actor=actor, at=at, attempted_at=None, **values)

    async def _ended_without_courier(self, pickup_id: int, keep: Keep, actor: str) -> PickupRow | None:
        """Cancel one that the courier does not know, or cannot be asked about; else the pickup, for it to be told."""
        at = self._work.clock.now()
        async with transaction(self._work.database) as tx:
            row = await pickup_row(tx, pickup_id)
            require_on(row, at)
            if row.state is PickupState.ORDERED:
                return row
            reason = None
            if row.attempted_at is not None:
                connection, orders = self._orders(_name_of(await source_ids(tx), row.source_id))
                if at < row.attempted_at + LEASE:
                    raise _being_asked(row, connection.name, at)
                if orders.is_pickup_found_again(await self._operation(tx, row)):
                    return row
                reason = (
                    f"Nobody knows whether {connection.name} has it, since its answer was lost: tell it by telephone."
                )
            await _cancelled(tx, row, reason, actor=actor, at=at)
            await keep(tx, {})
            return None

    async def _call_off(self, row: PickupRow) -> None:
        """Tell the courier; once more where its answer is lost. What it does not know any more is called off."""
        async with reading(self._work.database) as tx:
            connection, _ = self._orders(_name_of(await source_ids(tx), row.source_id))
        adapter = connection.adapter
        if not isinstance(adapter, CancelsPickups):
            raise NotOffered(
                f"{connection.name} takes no cancellation of {row.name}",
                operation="cancel pickup",
                hint=f"Call {row.carrier or 'the carrier'} and give the number {row.confirmation or row.external_id}.",
            )
        op = CancelPickup(effect_key(f"{pickup_key(row.id)}:cancel", row.created_at), row.external_id or "")
        with naming(connection):
            try:
                await adapter.cancel_pickup(op)
            except NotFound:
                return
            except OutcomeUnknown as lost:
                try:
                    await adapter.cancel_pickup(op)
                except NotFound:
                    return
                except (Invalid, Conflict) as error:  # it may refuse what it did the first time
                    raise lost from error

    def _orders(self, name: str | None) -> tuple[Connection, OrdersPickups]:
        """The connection that orders drivers. name: of a source; None for the courier that buys the labels."""
        if name is None and self._work.options.courier is None:
            raise InvalidInput("the hub has no courier", hint="Name the courier's system, or set [fulfilment] courier.")
        connection = self._work.connection(name or self._work.options.courier or "", "order a pickup")
        if not isinstance(connection.adapter, OrdersPickups):
            raise NotOffered(
                f"source {connection.name!r} takes no orders of pickups: its adapter {connection.adapter_name!r} "
                "does not do that",
                operation="order pickup",
                hint=_WITHOUT,
            )
        return connection, connection.adapter


async def _ordered(orders: OrdersPickups, op: OrderPickup) -> PickupReceipt:
    """Order; once more where the answer is lost and the courier finds the order again. Raises OutcomeUnknown."""
    try:
        return await orders.order_pickup(op)
    except OutcomeUnknown:
        if not orders.is_pickup_found_again(op):
            raise
    try:
        return await orders.order_pickup(op)
    except (Transient, RateLimited, AuthError, ConfigError) as error:
        raise OutcomeUnknown(error.message, operation="order pickup") from error


def _being_asked(row: PickupRow, courier: str, at: datetime) -> OutcomeUnknown:
    since = row.attempted_at or at
    return OutcomeUnknown(
        f"{courier} was asked about {row.name} at {since:%H:%M}Z and has not answered",
        known_after=since + LEASE - at,
        operation="order pickup",
        hint=f"Ask again with the same key after {since + LEASE:%H:%M}Z.",
    )


def _unknown(number: int, courier: str, *, is_found_again: bool) -> OutcomeUnknown:
    again = f"Ask again with the same key in {LEASE // timedelta(minutes=1)} minutes: it is the same pickup then."
    never = (
        f"Call {courier}: it cannot be asked by program without a second driver being sent. If nobody comes, "
        "`cancelPickup` ends this one, and another can be ordered."
    )
    return OutcomeUnknown(
        f"nobody knows whether {courier} sends a driver for pickup {number}: its answer was lost",
        operation="order pickup",
        hint=again if is_found_again else never,
    )


async def _cancelled(tx: Transaction, row: PickupRow, reason: str | None, *, actor: str, at: datetime) -> None:
    values: dict[str, Any] = {"cancelled_by": actor, "cancelled_at": at, "attempted_at": None, "reason": reason}
    await change_pickup(tx, row, PickupState.CANCELLED, actor=actor, at=at, **values)


def _of_receipt(receipt: PickupReceipt) -> dict[str, Any]:
    return {
        "external_id": receipt.external_id,
        "confirmation": receipt.confirmation,
        "cost_cents": receipt.amount_cents,
        "currency": receipt.currency,
    }


def _name_of(names: dict[str, int], source_id: int | None) -> str | None:
    """The name of a source. Raises NotKnown."""
    if source_id is None:
        return None
    for name, number in names.items():
        if number == source_id:
            return name
    raise NotKnown(f"there is no source with id {source_id}")


def _reservation(parcel: LabelledParcel) -> int:
    """What a parcel brings: every parcel that waits at a hub brings something that was reserved."""
    if parcel.reservation_id is None:
        raise InvalidInput(f"{parcel.name} brings nothing that was reserved")
    return parcel.reservation_id
