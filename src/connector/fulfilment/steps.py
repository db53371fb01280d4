"""The steps of a fulfilment. Each may run any number of times and has its effect once.

Every step looks for its receipt, then for an order to stop, then asks the other system whether an earlier attempt
took effect, and only then acts; outside any transaction. The outcome and the receipt are written together.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from connector.fulfilment.keys import ACTOR, Step, effect_key, fulfil_id, step_key
from connector.fulfilment.outcomes import Attempt, Stopped
from connector.fulfilment.parcels import choose_offer, hand_over_at, lane_offers, parcel_of
from connector.fulfilment.wording import (
    packing_list,
    pickup_instructions,
    pickup_title,
    placeholders,
    sent_note,
)
from connector.fulfilment.work import Progress, Work, Written, naming, ticket_ref
from connector.model.errors import InvalidInput
from connector.model.kinds import Direction, TaskKind
from connector.model.lifecycle import ShipmentStatus
from connector.sdk import (
    AddNote,
    BuyLabel,
    Connection,
    LabelReceipt,
    SetTicketFields,
    SetTicketState,
    TrackShipment,
    TracksShipments,
)
from connector.storage.database.engine import Transaction, reading
from connector.storage.facts.lane_quotes import record_offers
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.shipments.consignments import Consignment
from connector.storage.shipments.shipments import MEDIA_TYPES, NewShipment, create_shipment, store_document
from connector.storage.sources.sources import register_source, source_ids
from connector.storage.stock.reserve import commit_reservation
from connector.storage.stock.stopping import stop_reason
from connector.storage.tickets.tasks import NewTask, require_task

OWN_TRANSPORT = "own"
"""Carrier of what the customer's own people bring."""
PER_TICKET = frozenset({Step.TASK, Step.NOTE, Step.FIELDS, Step.STATE})
"""Steps that a rollout does not do for each parcel: one ticket would be told a hundred times."""
OF_REPLACEMENT = frozenset({Step.FIELDS, Step.STATE})
"""Steps that a loan does not do: the ticket's fields and state are about what it gets for good."""


class _Way(TypedDict):
    direction: Direction
    to_hub_id: int | None


class Steps:
    """What a fulfilment does, step by step."""

    def __init__(self, work: Work, policy: PolicySource) -> None:
        self._work = work
        self._policy = policy
        self._do = {
            Step.COMMIT: self._commit,
            Step.OFFER: self._offer,
            Step.LABEL: self._label,
            Step.TRACK: self._track,
            Step.TASK: self._task,
            Step.NOTE: self._note,
            Step.FIELDS: self._fields,
            Step.STATE: self._state,
        }

    async def attempt(self, step: Step, reservation_id: int) -> Attempt:
        """Try a step once."""
        return await self._work.attempt(step_key(reservation_id, step), self._try(step, reservation_id))

    async def _try(self, step: Step, reservation_id: int) -> None:
        progress = await self._work.progress(reservation_id)
        if step in progress.receipts:
            return
        if progress.stop is not None:
            raise Stopped
        if step in PER_TICKET and progress.goods.rollout_line_id is not None:
            await self._work.receipt(reservation_id, step, {"skipped": "the rollout does it for a whole wave"})
            return
        if step in OF_REPLACEMENT and progress.goods.loan is not None:
            await self._work.receipt(reservation_id, step, {"skipped": "it is a loan; the replacement does it"})
            return
        await self._do[step](progress)

    async def _commit(self, progress: Progress) -> None:
        reservation_id = progress.goods.reservation_id

        async def write(tx: Transaction, at: datetime) -> Written:
            if await stop_reason(tx, reservation_id) is not None:
                raise Stopped
            await commit_reservation(tx, reservation_id, actor=ACTOR, at=at, cause=fulfil_id(reservation_id))
            return {}

        await self._work.record(reservation_id, Step.COMMIT, write)

    async def _offer(self, progress: Progress) -> None:
        """Choose the courier's offer before the label is bought, so that every attempt buys the same."""
        goods = progress.goods
        if not self._work.goes_by_courier(goods):
            await self._work.receipt(goods.reservation_id, Step.OFFER, {"skipped": "no courier is needed"})
            return
        connection, ships = self._work.courier()
        parcel = parcel_of(goods, default_weight_g=self._work.options.default_weight_g)
        with naming(connection):
            offers = await ships.quote(parcel)
        now = self._work.clock.now()
        async with reading(self._work.database) as tx:
            taken = hand_over_at(goods.site, (await policy_now(tx, self._policy)).sourcing, now)
        due_at = now + goods.within if goods.due_at is None and goods.within is not None else goods.due_at
        leaves = now if goods.departs_at is None else max(now, goods.departs_at)
        zone = goods.hub.time_zone or "UTC"
        offer = choose_offer(offers, leaves=leaves, due_at=due_at, taken=taken, time_zone=zone)
        if offer is None:
            raise InvalidInput(
                f"courier {connection.name!r} offers nothing from {goods.hub.label} to "
                f"{goods.destination.label if goods.destination else 'an unknown site'}",
                hint="Check both addresses and which services the courier account has, or send it another way.",
            )
        chosen = {
            "carrier": offer.carrier,
            "service": offer.service,
            "amount_cents": offer.amount_cents,
            "currency": offer.currency,
        }
        of_lane = lane_offers(offers, now=now, leaves=leaves)

        async def write(tx: Transaction, _at: datetime) -> Written:
            if goods.site is not None:
                await record_offers(tx, goods.hub.id, goods.site.id, of_lane)
            return chosen

        await self._work.record(goods.reservation_id, Step.OFFER, write)

    async def _label(self, progress: Progress) -> None:
        goods = progress.goods
        if not self._work.goes_by_courier(goods):
            await self._record_own_transport(progress)
            return
        connection, ships = self._work.courier()
        key = effect_key(step_key(goods.reservation_id, Step.LABEL), goods.made_at)
        offer = progress.receipts[Step.OFFER]
        with naming(connection):
            label = await ships.find_label(key) or await ships.buy_label(
                BuyLabel(
                    key=key,
                    parcel=parcel_of(goods, default_weight_g=self._work.options.default_weight_g),
                    reference=goods.ticket.number,
                    carrier=offer["carrier"],
                    service=offer["service"],
                    label_format=self._work.options.label_format,
                )
            )
        await self._record_label(progress, connection, label)

    async def _record_label(self, progress: Progress, connection: Connection, label: LabelReceipt) -> None:
        goods, offer = progress.goods, progress.receipts[Step.OFFER]
        is_priced = label.amount_cents is not None

        async def write(tx: Transaction, at: datetime) -> Written:
            document_id = await store_document(
                tx,
                name=f"{label.tracking_number}.{label.label_format.value}",
                media_type=MEDIA_TYPES[label.label_format],
                content=label.document,
                at=at,
            )
            source_id = await _source_id(tx, connection, at)
            shipment_id = await create_shipment(
                tx,
                NewShipment(
                    reservation_id=goods.reservation_id,
                    ticket_id=goods.ticket.id,
                    hub_id=goods.hub.id,
                    site_id=goods.site.id if goods.site else None,
                    **_way(goods),
                    status=ShipmentStatus.LABEL_CREATED,
                    carrier=label.carrier,
                    service=label.service or offer["service"],
                    source_id=source_id,
                    external_id=label.shipment.external_id,
                    tracking_number=label.tracking_number,
                    tracking_url=label.tracking_url,
                    label_format=label.label_format,
                    label_document_id=document_id,
                    cost_cents=label.amount_cents if is_priced else offer["amount_cents"],
                    currency=label.currency if is_priced else offer["currency"],
                    estimated_delivery_at=label.estimated_delivery_at or goods.estimated_arrival_at,
                ),
                actor=ACTOR,
                cause=fulfil_id(goods.reservation_id),
                at=at,
            )
            return {"shipment_id": shipment_id, "tracking_number": label.tracking_number, "carrier": label.carrier}

        await self._work.record(goods.reservation_id, Step.LABEL, write)

    async def _record_own_transport(self, progress: Progress) -> None:
        goods = progress.goods

        async def write(tx: Transaction, at: datetime) -> Written:
            shipment_id = await create_shipment(
                tx,
                NewShipment(
                    reservation_id=goods.reservation_id,
                    ticket_id=goods.ticket.id,
                    hub_id=goods.hub.id,
                    site_id=goods.site.id if goods.site else None,
                    **_way(goods),
                    status=ShipmentStatus.PENDING,
                    carrier=OWN_TRANSPORT,
                    service=goods.mode.value,
                    estimated_delivery_at=goods.estimated_arrival_at,
                ),
                actor=ACTOR,
                cause=fulfil_id(goods.reservation_id),
                at=at,
            )
            return {"shipment_id": shipment_id}

        await self._work.record(goods.reservation_id, Step.LABEL, write)

    async def _track(self, progress: Progress) -> None:
        reservation_id = progress.goods.reservation_id
        label = progress.receipts[Step.LABEL]
        if not self._work.goes_by_courier(progress.goods):
            await self._work.receipt(reservation_id, Step.TRACK, {"skipped": "no courier reports on it"})
            return
        connection, _ = self._work.courier()
        if not isinstance(connection.adapter, TracksShipments):
            await self._work.receipt(reservation_id, Step.TRACK, {"skipped": "the courier reports by itself"})
            return
        with naming(connection):
            receipt = await connection.adapter.track(
                TrackShipment(
                    key=effect_key(step_key(reservation_id, Step.TRACK), progress.goods.made_at),
                    tracking_number=label["tracking_number"],
                    carrier=label["carrier"],
                )
            )
        await self._work.receipt(reservation_id, Step.TRACK, {"external_id": receipt.external_id})

    async def _task(self, progress: Progress) -> None:
        goods, shipment = progress.goods, progress.shipment
        new = NewTask(
            key=f"pickup:{goods.reservation_id}",
            kind=TaskKind.PICKUP,
            title=pickup_title(goods),
            instructions=pickup_instructions(goods, shipment if self._work.goes_by_courier(goods) else None),
            packing_list=packing_list(goods),
            ticket_id=goods.ticket.id,
            reservation_id=goods.reservation_id,
            shipment_id=shipment.id if shipment else None,
            hub_id=goods.hub.id,
            due_at=goods.departs_at,
        )

        async def write(tx: Transaction, at: datetime) -> Written:
            cause = fulfil_id(goods.reservation_id)
            return {"task_id": await require_task(tx, new, actor=ACTOR, cause=cause, at=at)}

        await self._work.record(goods.reservation_id, Step.TASK, write)

    async def _note(self, progress: Progress) -> None:
        goods = progress.goods
        note = AddNote(
            key=effect_key(step_key(goods.reservation_id, Step.NOTE), goods.made_at),
            ticket=ticket_ref(goods),
            body=sent_note(goods, progress.shipment),
            is_public=self._work.options.notes_are_public,
        )
        written = await self._work.write_to_ticket(goods, note)
        await self._work.receipt(goods.reservation_id, Step.NOTE, written)

    async def _fields(self, progress: Progress) -> None:
        goods = progress.goods
        writes = self._work.options.ticket_writes.get(goods.ticket.source)
        values = placeholders(goods, progress.shipment)
        texts = {name: text.format_map(values) for name, text in writes.fields.items()} if writes else {}
        filled = {name: text for name, text in texts.items() if text}
        written: Written = {"skipped": "no fields are configured"}
        if filled:
            key = effect_key(step_key(goods.reservation_id, Step.FIELDS), goods.made_at)
            written = await self._work.write_to_ticket(goods, SetTicketFields(key, ticket_ref(goods), filled))
        await self._work.receipt(goods.reservation_id, Step.FIELDS, written)

    async def _state(self, progress: Progress) -> None:
        goods = progress.goods
        writes = self._work.options.ticket_writes.get(goods.ticket.source)
        written: Written = {"skipped": "no state is configured"}
        if writes is not None and writes.state is not None and writes.state is not goods.ticket.state:
            key = effect_key(step_key(goods.reservation_id, Step.STATE), goods.made_at)
            written = await self._work.write_to_ticket(goods, SetTicketState(key, ticket_ref(goods), writes.state))
        await self._work.receipt(goods.reservation_id, Step.STATE, written)


def _way(goods: Consignment) -> _Way:
    """Which way the parcel of a consignment goes."""
    if goods.to_hub is None:
        return {"direction": Direction.OUTBOUND, "to_hub_id": None}
    return {"direction": Direction.TRANSFER, "to_hub_id": goods.to_hub.id}


async def _source_id(tx: Transaction, connection: Connection, at: datetime) -> int:
    known = (await source_ids(tx)).get(connection.name)
    return known or await register_source(tx, name=connection.name, adapter=connection.adapter_name, at=at)
