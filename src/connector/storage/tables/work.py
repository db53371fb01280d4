"""Tickets and what is done about them: decisions, reservations, shipments, tasks."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from connector.model.kinds import Direction, LabelFormat, Lane, LinkKind, Priority, TaskKind, TicketType
from connector.model.lifecycle import ReservationState, ShipmentStatus, TaskState, TicketState
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime, WholeJson, one_of

_LIVE = text("state IN ('held', 'committed')")
_ASSET_UNKNOWN = text("asset_id IS NULL")
_NEWEST = (text("(opened_at IS NULL)"), text("opened_at DESC"), text("id DESC"))
"""The newest first, as `connector.storage.query.keyset` sorts: those that nobody knows the time of come last."""
_SITE_UNKNOWN = text("site_id IS NULL")
_OTHER_UNKNOWN = text("other_id IS NULL")
_RED = text("red_channel_id IS NOT NULL")
_OF_ROLLOUT = text("rollout_line_id IS NOT NULL")
_LIVE_OF_ROLLOUT = text("state IN ('held', 'committed') AND rollout_line_id IS NOT NULL")
_REPLACES = text("replaces_id IS NOT NULL")
_SHIPS_WITH = text("ships_with_id IS NOT NULL")
"""Few rows have one: the others are not written into the index."""


class Ticket(Declared, table=True):
    """A ticket of an ITSM system. asset_hint, site_hint: what the source called them, kept when unknown."""

    __tablename__: ClassVar[str] = "ticket"
    __table_args__ = (
        Index("ix_ticket_number", "number"),
        Index("ix_ticket_asset", "asset_id", "id"),
        Index("ix_ticket_asset_hint", "asset_hint", sqlite_where=_ASSET_UNKNOWN, postgresql_where=_ASSET_UNKNOWN),
        Index("ix_ticket_site_hint", "site_hint", sqlite_where=_SITE_UNKNOWN, postgresql_where=_SITE_UNKNOWN),
        Index("ix_ticket_site", "site_id", "id"),
        Index("ix_ticket_state", "state", "priority", *_NEWEST, "retired_at"),  # the last: counted along it alone
        Index("ix_ticket_newest", *_NEWEST),
        Index("ix_ticket_due", text("(sla_due_at IS NULL)"), text("sla_due_at"), text("id")),
        one_of("type", TicketType),
        one_of("state", TicketState),
        one_of("priority", Priority, optional=True),
        CheckConstraint("quantity > 0", name="quantity_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    source_id: int = Field(foreign_key="source.id", index=True, sa_type=Id)
    external_id: str
    number: str
    type: TicketType = Field(sa_type=EnumText(TicketType))
    priority: Priority | None = Field(default=None, sa_type=EnumText(Priority))
    state: TicketState = Field(sa_type=EnumText(TicketState))
    title: str = ""
    description: str | None = None
    category: str | None = None
    asset_id: int | None = Field(default=None, foreign_key="asset.id", sa_type=Id)
    site_id: int | None = Field(default=None, foreign_key="site.id", sa_type=Id)
    product_id: int | None = Field(default=None, foreign_key="product.id", sa_type=Id)
    asset_hint: str | None = None
    site_hint: str | None = None
    product_hint: str | None = None
    quantity: int = 1
    requester: str | None = None
    assignee: str | None = None
    opened_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sla_due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    url: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class TicketLink(Declared, table=True):
    """What a ticket's source says of it and another one. other_id: NULL until the other is known.

    source_id, external_id: how the source names the other ticket.
    """

    __tablename__: ClassVar[str] = "ticket_link"
    __table_args__ = (
        UniqueConstraint("ticket_id", "kind", "external_id", name="uq_ticket_link"),
        Index("ix_ticket_link_other", "other_id", "kind"),
        Index(
            "ix_ticket_link_waiting",
            "source_id",
            "external_id",
            sqlite_where=_OTHER_UNKNOWN,
            postgresql_where=_OTHER_UNKNOWN,
        ),
        one_of("kind", LinkKind),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=Id)
    kind: LinkKind = Field(sa_type=EnumText(LinkKind))
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    external_id: str
    other_id: int | None = Field(default=None, foreign_key="ticket.id", sa_type=Id)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Decision(Declared, table=True):
    """What the rules decided for a ticket, and why. explanation: see `connector.rules`.

    looked_at: when the rules last came to the same. grounds: what they went by, see `connector.rules.sourcing.grounds`;
    NULL where something was claimed, which is a decision of its own each time.
    """

    __tablename__: ClassVar[str] = "decision"
    __table_args__ = (
        Index("ix_decision_ticket_id", "ticket_id", "id"),
        Index("ix_decision_red_channel_id", "red_channel_id", sqlite_where=_RED, postgresql_where=_RED),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=Id)
    outcome: str
    reason: str
    rule: str | None = None
    policy_version: str
    red_channel_id: int | None = Field(default=None, foreign_key="red_channel.id", sa_type=Id)
    explanation: dict[str, Any] = Field(sa_type=WholeJson)
    decided_at: datetime = Field(sa_type=UtcDateTime)
    looked_at: datetime = Field(sa_type=UtcDateTime)
    grounds: str | None = None


class Reservation(Declared, table=True):
    """A claim of stock for one line of a ticket. asset_id: the unit, for serialised products.

    approval_name: the approval that it must have before anything is sent; NULL when it needs none.
    site_id: where it goes when that is not the ticket's site. rollout_line_id: the line of a rollout that it is for.
    replaces_id: the reservation that ended so that this one could begin: whose units it took over, or which it moved.
    revision: the one that its unit must have; NULL when any will do.
    kit_id: the kit that goes along, on the device's reservation and on those of the components; ships_with_id: on those
    of components, the device's reservation, whose fate they share. to_hub_id: the hub whose shelf it is to fill up, in
    one parcel with those that ship with it; NULL for what goes to a site.
    """

    __tablename__: ClassVar[str] = "reservation"
    __table_args__ = (
        Index("ix_reservation_ticket_id", "ticket_id", "id"),
        Index("ix_reservation_hub_id", "hub_id", "id"),
        Index(
            "uq_reservation_live_line",
            "ticket_id",
            "line",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index(
            "uq_reservation_live_rollout_line",
            "rollout_line_id",
            unique=True,
            sqlite_where=_LIVE_OF_ROLLOUT,
            postgresql_where=_LIVE_OF_ROLLOUT,
        ),
        Index(
            "ix_reservation_rollout_line_id", "rollout_line_id", sqlite_where=_OF_ROLLOUT, postgresql_where=_OF_ROLLOUT
        ),
        Index("ix_reservation_replaces_id", "replaces_id", sqlite_where=_REPLACES, postgresql_where=_REPLACES),
        Index("ix_reservation_ships_with_id", "ships_with_id", sqlite_where=_SHIPS_WITH, postgresql_where=_SHIPS_WITH),
        Index("uq_reservation_live_asset", "asset_id", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
        Index("ix_reservation_shelf", "product_id", "hub_id", "state"),
        one_of("state", ReservationState),
        one_of("lane", Lane),
        CheckConstraint("quantity > 0", name="quantity_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=Id)
    line: int = 1
    decision_id: int | None = Field(default=None, foreign_key="decision.id", index=True, sa_type=Id)
    hub_id: int = Field(foreign_key="hub.id", sa_type=Id)
    product_id: int = Field(foreign_key="product.id", sa_type=Id)
    requested_product_id: int = Field(foreign_key="product.id", index=True, sa_type=Id)
    asset_id: int | None = Field(default=None, foreign_key="asset.id", sa_type=Id)
    site_id: int | None = Field(default=None, foreign_key="site.id", sa_type=Id)
    to_hub_id: int | None = Field(default=None, foreign_key="hub.id", sa_type=Id)
    rollout_line_id: int | None = Field(default=None, foreign_key="rollout_line.id", sa_type=Id)
    lane: Lane = Field(default=Lane.NORMAL, sa_type=EnumText(Lane))
    revision: str | None = None
    quantity: int = 1
    state: ReservationState = Field(sa_type=EnumText(ReservationState))
    reason: str | None = None
    estimated_arrival_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    approval_name: str | None = None
    replaces_id: int | None = Field(default=None, foreign_key="reservation.id", sa_type=Id)
    kit_id: int | None = Field(default=None, foreign_key="kit.id", sa_type=Id)
    ships_with_id: int | None = Field(default=None, foreign_key="reservation.id", sa_type=Id)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class Document(Declared, table=True):
    """A file, such as a label. sha256: hex digest of the content."""

    __tablename__: ClassVar[str] = "document"

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    name: str
    media_type: str
    sha256: str
    content: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Shipment(Declared, table=True):
    """A parcel's life. source_id: the courier; NULL when our own people carry it.

    to_hub_id: the hub that a transfer goes to. pickup_id: the driver who was last ordered for it. received_at: when a
    hub has taken in what a transfer brought.
    """

    __tablename__: ClassVar[str] = "shipment"
    __table_args__ = (
        Index("ix_shipment_ticket_id", "ticket_id", "id"),
        Index("ix_shipment_hub_id", "hub_id", "id"),
        Index("ix_shipment_site_id", "site_id", "id"),
        UniqueConstraint("source_id", "external_id", name="uq_shipment_external"),
        Index("ix_shipment_tracking_number", "tracking_number"),
        Index("ix_shipment_status", "status"),
        one_of("status", ShipmentStatus),
        one_of("direction", Direction),
        one_of("label_format", LabelFormat, optional=True),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    reservation_id: int | None = Field(default=None, foreign_key="reservation.id", index=True, sa_type=Id)
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id", sa_type=Id)
    hub_id: int | None = Field(default=None, foreign_key="hub.id", sa_type=Id)
    site_id: int | None = Field(default=None, foreign_key="site.id", sa_type=Id)
    to_hub_id: int | None = Field(default=None, foreign_key="hub.id", index=True, sa_type=Id)
    source_id: int | None = Field(default=None, foreign_key="source.id", sa_type=Id)
    pickup_id: int | None = Field(default=None, foreign_key="pickup.id", index=True, sa_type=Id)
    external_id: str | None = None
    direction: Direction = Field(default=Direction.OUTBOUND, sa_type=EnumText(Direction))
    status: ShipmentStatus = Field(sa_type=EnumText(ShipmentStatus))
    carrier: str | None = None
    service: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    label_format: LabelFormat | None = Field(default=None, sa_type=EnumText(LabelFormat))
    label_document_id: int | None = Field(default=None, foreign_key="document.id", sa_type=Id)
    cost_cents: int | None = None
    currency: str | None = None
    estimated_delivery_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    delivered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    received_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class ShipmentEvent(Declared, table=True):
    """One scan of a parcel. fingerprint: makes a repeated report one event."""

    __tablename__: ClassVar[str] = "shipment_event"
    __table_args__ = (
        UniqueConstraint("shipment_id", "fingerprint", name="uq_shipment_event"),
        one_of("status", ShipmentStatus),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    shipment_id: int = Field(foreign_key="shipment.id", sa_type=Id)
    status: ShipmentStatus = Field(sa_type=EnumText(ShipmentStatus))
    vendor_code: str | None = None
    description: str = ""
    location: str | None = None
    occurred_at: datetime = Field(sa_type=UtcDateTime)
    received_at: datetime = Field(sa_type=UtcDateTime)
    fingerprint: str


class Task(Declared, table=True):
    """A piece of work for a person. key: makes creating it twice one task. wave: of the rollout that it is for."""

    __tablename__: ClassVar[str] = "task"
    __table_args__ = (
        Index("ix_task_ticket_id", "ticket_id", "id"),
        Index("ix_task_board", "hub_id", "state"),
        Index("ix_task_state", "state", "due_at"),
        one_of("kind", TaskKind),
        one_of("state", TaskState),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    key: str = Field(unique=True)
    kind: TaskKind = Field(sa_type=EnumText(TaskKind))
    state: TaskState = Field(sa_type=EnumText(TaskState))
    title: str
    instructions: str | None = None
    packing_list: list[dict[str, Any]] | None = Field(default=None, sa_type=Json)
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id", sa_type=Id)
    reservation_id: int | None = Field(default=None, foreign_key="reservation.id", index=True, sa_type=Id)
    shipment_id: int | None = Field(default=None, foreign_key="shipment.id", index=True, sa_type=Id)
    hub_id: int | None = Field(default=None, foreign_key="hub.id", sa_type=Id)
    approval_id: int | None = Field(default=None, foreign_key="approval.id", index=True, sa_type=Id)
    rollout_id: int | None = Field(default=None, foreign_key="rollout.id", index=True, sa_type=Id)
    wave: int | None = None
    assignee: str | None = None
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    completed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
