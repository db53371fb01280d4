"""What is sent for a reservation: which unit, from which hub, to which site, for which ticket. One read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.geo import Point
from connector.model.kinds import Lane
from connector.model.lifecycle import ReservationState, TicketState
from connector.model.records import Address
from connector.model.refs import EntityKind
from connector.rules.policy.document import Mode
from connector.rules.sourcing.told import told_chosen, told_lent
from connector.storage.database.locks import lock_ticket
from connector.storage.database.rows import locked_row
from connector.storage.shipments.packed import KitLine, reserved_kit, usual_kit
from connector.storage.tables import (
    asset,
    decision,
    hub,
    loan,
    product,
    replenishment,
    reservation,
    rollout,
    rollout_line,
    shipment,
    site,
    source,
    ticket,
)


@dataclass(frozen=True, slots=True)
class TicketSide:
    """The ticket that it is for. source: name of the system that the ticket lives in."""

    id: int
    number: str
    external_id: str
    state: TicketState
    source: str


@dataclass(frozen=True, slots=True)
class Place:
    """A hub or a site. access_hours: of a site, when somebody is let in; None means at any time. point: where it is."""

    id: int
    name: str
    code: str | None
    country: str | None
    time_zone: str | None
    address: Address
    access_hours: str | None = None
    point: Point | None = None

    @property
    def label(self) -> str:
        """How people call it."""
        return f"{self.name} ({self.code})" if self.code and self.code != self.name else self.name


@dataclass(frozen=True, slots=True)
class Goods:
    """What is sent. Weight in grams and size in millimetres of one unit; None when the catalogue does not say."""

    product_id: int
    manufacturer: str
    model: str
    part_number: str | None
    quantity: int
    asset_id: int | None
    serial: str | None
    asset_tag: str | None
    weight_g: int | None
    length_mm: int | None
    width_mm: int | None
    height_mm: int | None

    @property
    def label(self) -> str:
        """How people call it."""
        name = f"{self.manufacturer} {self.model}"
        return f"{self.quantity} × {name}" if self.quantity > 1 else name


@dataclass(frozen=True, slots=True)
class LoanTerms:
    """When a unit on loan is due back: return_days after the replacement is there, by due_back_at as things stand."""

    loan_id: int
    due_back_at: datetime
    return_days: int


@dataclass(frozen=True, slots=True)
class Consignment:
    """Everything that fulfilling a reservation needs to know.

    made_at: when the reservation was made. mode: how it travels; a courier, unless the decision chose otherwise or it
    lies in an engineer's car.
    departs_at: when it must leave the hub to arrive as estimated. due_at: until when an arrival is in time. None when
    the decision does not say. rollout_line_id: the line of a rollout that it is for; None for a ticket's own need.
    within: for a rollout or a transfer, how long its parcels may take.
    given_to: number of the ticket that its units were given to; taken_from: of the one that had them before.
    loan: when it must come back; None for what is given for good. units_needed: by the ticket, all together.
    to_hub, to_lane: of a transfer, where its units go; `kit` has the further ones that are in the same parcel.
    """

    reservation_id: int
    made_at: datetime
    state: ReservationState
    estimated_arrival_at: datetime | None
    ticket: TicketSide
    hub: Place
    site: Place | None
    goods: Goods
    kit: tuple[KitLine, ...]
    kit_instructions: str | None
    mode: Mode
    departs_at: datetime | None
    due_at: datetime | None
    rollout_line_id: int | None = None
    within: timedelta | None = None
    given_to: str | None = None
    taken_from: str | None = None
    loan: LoanTerms | None = None
    units_needed: int = 1
    to_hub: Place | None = None
    to_lane: Lane = Lane.NORMAL

    @property
    def destination(self) -> Place | None:
        """Where it goes: a hub or a site; None when nobody knows."""
        return self.to_hub or self.site

    @property
    def label(self) -> str:
        """What is in the parcel, the kit left out, for people."""
        if self.to_hub is None:
            return self.goods.label
        units = self.goods.quantity + sum(line.quantity for line in self.kit)
        return replace(self.goods, quantity=units).label


_other, _its_ticket = reservation.alias("other"), ticket.alias("its_ticket")
_affected = asset.alias("affected")
PLACE_COLUMNS = ("id", "name", "code", "country", "time_zone", "address", "latitude", "longitude")
_PRODUCT = ("manufacturer", "model", "part_number", "weight_g", "length_mm", "width_mm", "height_mm")


def _ticket_of(condition: ColumnElement[bool]) -> ScalarSelect[str]:
    """The number of the ticket of another reservation, which is not the reservation's own ticket."""
    return (
        select(func.min(_its_ticket.c.number))
        .select_from(_other)
        .join(_its_ticket, _its_ticket.c.id == _other.c.ticket_id)
        .where(condition, _other.c.ticket_id != reservation.c.ticket_id)
        .correlate(reservation)
        .scalar_subquery()
    )


_CONSIGNMENT = (
    select(
        *(column for column in reservation.c if column.name != "site_id"),
        ticket.c.number,
        ticket.c.external_id,
        ticket.c.state.label("ticket_state"),
        ticket.c.sla_due_at,
        ticket.c.quantity.label("units_needed"),
        source.c.name.label("source_name"),
        decision.c.explanation,
        *(hub.c[name].label(f"hub_{name}") for name in PLACE_COLUMNS if name != "id"),
        hub.c.is_mobile,
        *(site.c[name].label(f"site_{name}") for name in PLACE_COLUMNS),
        site.c.access_hours.label("site_access_hours"),
        *(product.c[name].label(f"product_{name}") for name in _PRODUCT),
        asset.c.serial,
        asset.c.asset_tag,
        loan.c.id.label("loan_id"),
        loan.c.due_back_at,
        loan.c.return_days,
        _ticket_of(_other.c.replaces_id == reservation.c.id).label("given_to"),
        _ticket_of(_other.c.id == reservation.c.replaces_id).label("taken_from"),
    )
    .select_from(reservation)
    .join(ticket, ticket.c.id == reservation.c.ticket_id)
    .join(source, source.c.id == ticket.c.source_id)
    .join(hub, hub.c.id == reservation.c.hub_id)
    .join(product, product.c.id == reservation.c.product_id)
    .outerjoin(_affected, _affected.c.id == ticket.c.asset_id)
    .outerjoin(site, site.c.id == func.coalesce(reservation.c.site_id, ticket.c.site_id, _affected.c.site_id))
    .outerjoin(asset, asset.c.id == reservation.c.asset_id)
    .outerjoin(decision, decision.c.id == reservation.c.decision_id)
    .outerjoin(loan, loan.c.reservation_id == reservation.c.id)
    .where(reservation.c.id == bindparam("reservation_id"))
)
"""What every consignment has. Stated once: it takes as long to state and to plan as to run, and each step reads it."""

_OF_ROLLOUT = (
    select(rollout_line.c.mode, rollout.c.delivery_days.label("days"))
    .join(rollout, rollout.c.id == rollout_line.c.rollout_id)
    .where(rollout_line.c.id == bindparam("line_id"))
)
_OF_TRANSFER = (
    select(
        *(hub.c[name].label(f"to_hub_{name}") for name in PLACE_COLUMNS),
        replenishment.c.lane.label("to_lane"),
        replenishment.c.mode,
        replenishment.c.delivery_days.label("days"),
    )
    .select_from(hub)
    .outerjoin(replenishment, replenishment.c.ticket_id == bindparam("ticket_id"))
    .where(hub.c.id == bindparam("to_hub_id"))
)


async def consignment(tx: AsyncConnection, reservation_id: int) -> Consignment:
    """The consignment of a reservation. Raises NotKnown."""
    found = await tx.execute(_CONSIGNMENT, {"reservation_id": reservation_id})
    row = found.mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no reservation with id {reservation_id}")
    of_rollout = await _row(tx, _OF_ROLLOUT, line_id=row["rollout_line_id"])
    of_transfer = await _row(tx, _OF_TRANSFER, to_hub_id=row["to_hub_id"], ticket_id=row["ticket_id"])
    explanation = row["explanation"] or {}
    if row["kit_id"] is not None or of_transfer:
        lines, instructions = await reserved_kit(tx, reservation_id, row["kit_id"])
    elif row["loan_id"] is not None and explanation.get("kit"):
        lines, instructions = (), None  # the rule sends the kit with the replacement
    else:
        lines, instructions = await usual_kit(tx, row["product_id"], row["quantity"])
    sla, of_decision = explanation.get("sla") or {}, told_chosen if row["loan_id"] is None else told_lent
    chosen = (of_decision(explanation) if explanation else None) or {}
    if _was_moved(row, chosen):
        chosen = {}
    days = (of_transfer or of_rollout).get("days")
    return Consignment(
        reservation_id=reservation_id,
        made_at=row["created_at"],
        state=row["state"],
        estimated_arrival_at=row["estimated_arrival_at"],
        ticket=TicketSide(
            id=row["ticket_id"],
            number=row["number"],
            external_id=row["external_id"],
            state=row["ticket_state"],
            source=row["source_name"],
        ),
        hub=place_of(row, "hub"),
        site=place_of(row, "site") if row["site_id"] is not None else None,
        goods=Goods(
            product_id=row["product_id"],
            **{name: row[f"product_{name}"] for name in _PRODUCT},
            quantity=row["quantity"],
            asset_id=row["asset_id"],
            serial=row["serial"],
            asset_tag=row["asset_tag"],
        ),
        kit=lines,
        kit_instructions=instructions,
        mode=Mode(chosen.get("mode") or of_rollout.get("mode") or of_transfer.get("mode") or _usual_mode(row)),
        departs_at=_instant(chosen.get("departs_at")),
        due_at=_instant(sla.get("due_at")) or row["sla_due_at"],
        rollout_line_id=row["rollout_line_id"],
        within=None if days is None else timedelta(days=days),
        given_to=row["given_to"],
        taken_from=row["taken_from"],
        loan=None if row["loan_id"] is None else LoanTerms(row["loan_id"], row["due_back_at"], row["return_days"]),
        units_needed=row["units_needed"],
        to_hub=place_of(of_transfer, "to_hub") if of_transfer else None,
        to_lane=of_transfer.get("to_lane") or Lane.NORMAL,
    )


async def _row(tx: AsyncConnection, statement: Select[Any], **ids: int | None) -> Mapping[str, Any]:
    """The one row of a statement; an empty one, unasked, where there is not what it is about."""
    if None in ids.values():
        return {}
    found: Mapping[str, Any] = (await tx.execute(statement, ids)).mappings().one()
    return found


def _usual_mode(row: Any) -> Mode:
    """How goes what a person has chosen: no courier collects from an engineer's car."""
    return Mode.DRIVE if row["is_mobile"] else Mode.COURIER


def _was_moved(row: Any, chosen: Mapping[str, Any]) -> bool:
    """Whether a person has moved the claim away from the hub that its decision chose a way from."""
    is_heir = row["replaces_id"] is not None and row["taken_from"] is None
    return is_heir and chosen.get("hub_id") not in (None, row["hub_id"])


async def ticket_side(tx: AsyncConnection, ticket_id: int) -> TicketSide:
    """A ticket as its source knows it. Raises NotKnown."""
    statement = (
        select(ticket.c.id, ticket.c.number, ticket.c.external_id, ticket.c.state, source.c.name)
        .join(source, source.c.id == ticket.c.source_id)
        .where(ticket.c.id == ticket_id)
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        raise NotKnown(f"there is no ticket with id {ticket_id}")
    return TicketSide(*row)


async def consignment_of_shipment(tx: AsyncConnection, shipment_id: int) -> Consignment | None:
    """The consignment that a parcel brings; None when it brings nothing that was reserved."""
    statement = select(shipment.c.reservation_id).where(shipment.c.id == shipment_id)
    reservation_id = (await tx.execute(statement)).scalar_one_or_none()
    return None if reservation_id is None else await consignment(tx, reservation_id)


async def lock_reservation(tx: AsyncConnection, reservation_id: int) -> ReservationState:
    """The reservation's state, nobody else changing it until the transaction ends. Raises NotKnown."""
    statement = select(reservation.c.ticket_id).where(reservation.c.id == reservation_id)
    ticket_id = (await tx.execute(statement)).scalar_one_or_none()
    if ticket_id is not None:
        await lock_ticket(tx, ticket_id)
    return ReservationState((await locked_row(tx, reservation, EntityKind.RESERVATION, reservation_id))["state"])


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def place_of(row: Any, prefix: str) -> Place:
    """The place in the columns `PLACE_COLUMNS` that are labelled with a prefix."""
    country, latitude, longitude = (row[f"{prefix}_{name}"] for name in ("country", "latitude", "longitude"))
    known = {name: value for name, value in (row[f"{prefix}_address"] or {}).items() if name in Address.model_fields}
    return Place(
        id=row[f"{prefix}_id"],
        name=row[f"{prefix}_name"],
        code=row[f"{prefix}_code"],
        country=country,
        time_zone=row[f"{prefix}_time_zone"],
        address=Address.model_validate({"country": country, **{k: v for k, v in known.items() if v is not None}}),
        access_hours=row.get(f"{prefix}_access_hours"),
        point=None if latitude is None or longitude is None else Point(latitude, longitude),
    )
