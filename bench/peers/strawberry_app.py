"""A strawberry server as people write it: types of their own, SQLAlchemy, one data loader per relation."""

from datetime import datetime
from enum import Enum
from functools import partial
from typing import Annotated, Any, Generic, NewType, TypeVar

import strawberry
from sqlalchemy import select
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.schema.config import StrawberryConfig

from bench.peers import models

T = TypeVar("T")
Instant = NewType("Instant", datetime)


def _enum(name: str, values: str) -> Any:
    return strawberry.enum(Enum(name, {value.upper(): value for value in values.split()}))  # type: ignore[misc]


TicketType = _enum("TicketType", "incident request change problem rma")
TicketState = _enum("TicketState", "new in_progress on_hold resolved closed cancelled")
Priority = strawberry.enum(Enum("Priority", {f"P{n}": f"P{n}" for n in range(1, 6)}))
AssetState = _enum("AssetState", "ordered in_stock reserved in_transit deployed return_pending retired")
Lane = _enum("Lane", "normal break_glass loaner")
Direction = _enum("Direction", "outbound return transfer inbound")
ShipmentStatus = _enum("ShipmentStatus", "pending label_created picked_up in_transit out_for_delivery delivered")
OrderField = strawberry.enum(Enum("OrderField", {"ID": "id", "OPENED_AT": "opened_at"}))
GroupField = strawberry.enum(Enum("GroupField", {"PRIORITY": "priority"}))
SortDirection = strawberry.enum(Enum("SortDirection", {"ASC": "asc", "DESC": "desc"}))


@strawberry.type
class Connection(Generic[T]):
    nodes: list[T]


@strawberry.type
class Site:
    row: strawberry.Private[models.Site]
    name: str
    code: str | None
    country: str | None
    time_zone: str | None
    latitude: float | None
    longitude: float | None

    @staticmethod
    def of(row: models.Site) -> "Site":
        return Site(
            row=row,
            name=row.name,
            code=row.code,
            country=row.country,
            time_zone=row.time_zone,
            latitude=row.latitude,
            longitude=row.longitude,
        )

    @strawberry.field
    async def assets(
        self, info: strawberry.Info, first: int
    ) -> Connection[Annotated["Asset", strawberry.lazy(".strawberry_app")]]:
        rows = await info.context["assets_by_site"].load((self.row.id, first))
        return Connection(nodes=[Asset.of(row) for row in rows])


@strawberry.type
class Asset:
    row: strawberry.Private[models.Asset]
    name: str | None
    serial: str | None
    asset_tag: str | None
    state: AssetState
    lane: Lane

    @staticmethod
    def of(row: models.Asset) -> "Asset":
        return Asset(
            row=row,
            name=row.name,
            serial=row.serial,
            asset_tag=row.asset_tag,
            state=AssetState(row.state),
            lane=Lane(row.lane),
        )

    @strawberry.field
    async def tickets(
        self, info: strawberry.Info, first: int
    ) -> Connection[Annotated["Ticket", strawberry.lazy(".strawberry_app")]]:
        rows = await info.context["tickets_by_asset"].load((self.row.id, first))
        return Connection(nodes=[Ticket.of(row) for row in rows])


@strawberry.type
class Shipment:
    tracking_number: str | None
    status: ShipmentStatus
    direction: Direction
    carrier: str | None
    service: str | None
    cost_cents: int | None

    @staticmethod
    def of(row: models.Shipment) -> "Shipment":
        return Shipment(
            tracking_number=row.tracking_number,
            status=ShipmentStatus(row.status),
            direction=Direction(row.direction),
            carrier=row.carrier,
            service=row.service,
            cost_cents=row.cost_cents,
        )


@strawberry.type
class Ticket:
    row: strawberry.Private[models.Ticket]
    number: str
    title: str
    type: TicketType
    priority: Priority | None
    state: TicketState
    category: str | None
    requester: str | None
    quantity: int
    opened_at: Instant | None
    sla_due_at: Instant | None

    @staticmethod
    def of(row: models.Ticket) -> "Ticket":
        return Ticket(
            row=row,
            number=row.number,
            title=row.title,
            type=TicketType(row.type),
            priority=Priority(row.priority) if row.priority else None,
            state=TicketState(row.state),
            category=row.category,
            requester=row.requester,
            quantity=row.quantity,
            opened_at=row.opened_at,
            sla_due_at=row.sla_due_at,
        )

    @strawberry.field
    async def asset(self, info: strawberry.Info) -> Asset | None:
        if self.row.asset_id is None:
            return None
        row = await info.context["asset"].load(self.row.asset_id)
        return Asset.of(row) if row else None

    @strawberry.field
    async def site(self, info: strawberry.Info) -> Site | None:
        if self.row.site_id is None:
            return None
        row = await info.context["site"].load(self.row.site_id)
        return Site.of(row) if row else None

    @strawberry.field
    async def shipments(self, info: strawberry.Info) -> list[Shipment]:
        return [Shipment.of(row) for row in await info.context["shipments_by_ticket"].load(self.row.id)]


@strawberry.input
class StateFilter:
    eq: TicketState


@strawberry.input
class PriorityFilter:
    eq: Priority


@strawberry.input
class TicketFilter:
    state: StateFilter | None = None
    priority: PriorityFilter | None = None


@strawberry.input
class TicketOrder:
    field: OrderField
    direction: SortDirection = SortDirection.ASC


@strawberry.input
class TicketGroupBy:
    field: GroupField


@strawberry.type
class TicketGroupKey:
    priority: Priority | None


@strawberry.type
class TicketGroup:
    key: TicketGroupKey
    count: int


@strawberry.type
class TicketAggregate:
    groups: list[TicketGroup]


@strawberry.type
class Query:
    @strawberry.field
    async def sites(self, first: int) -> Connection[Site]:
        query = select(models.Site).where(models.Site.retired_at.is_(None)).order_by(models.Site.id).limit(first)
        return Connection(nodes=[Site.of(row) for row in await models.page(query)])

    @strawberry.field
    async def tickets(
        self, first: int, filter: TicketFilter | None = None, order_by: list[TicketOrder] | None = None
    ) -> Connection[Ticket]:
        query = select(models.Ticket).where(models.Ticket.retired_at.is_(None)).limit(first)
        if filter and filter.state:
            query = query.where(models.Ticket.state == filter.state.eq.value)
        if filter and filter.priority:
            query = query.where(models.Ticket.priority == filter.priority.eq.value)
        for key in order_by or []:
            column = getattr(models.Ticket, key.field.value)
            query = query.order_by(column.desc() if key.direction == SortDirection.DESC else column.asc())
        rows = await models.page(query.order_by(models.Ticket.id))
        return Connection(nodes=[Ticket.of(row) for row in rows])

    @strawberry.field
    async def ticket(self, id: strawberry.ID) -> Ticket | None:
        row = (await models.by_id(models.Ticket, [models.key_of(id)]))[0]
        return Ticket.of(row) if row else None

    @strawberry.field
    async def ticket_aggregate(
        self, group_by: list[TicketGroupBy], filter: TicketFilter | None = None
    ) -> TicketAggregate:
        tests = []
        if filter and filter.state:
            tests.append(models.Ticket.state == filter.state.eq.value)
        if filter and filter.priority:
            tests.append(models.Ticket.priority == filter.priority.eq.value)
        groups = await models.groups(tests, [key.field.value for key in group_by])
        return TicketAggregate(
            groups=[
                TicketGroup(key=TicketGroupKey(priority=Priority(priority) if priority else None), count=count)
                for priority, count in groups
            ]
        )


class Server(GraphQL):
    """With loaders of its own for each request."""

    async def get_context(self, request: Any, response: Any) -> Any:  # noqa: ARG002
        by_id, by_parent, first_by_parent = models.by_id, models.by_parent, models.first_by_parent
        return {
            "asset": DataLoader(partial(by_id, models.Asset)),
            "site": DataLoader(partial(by_id, models.Site)),
            "shipments_by_ticket": DataLoader(partial(by_parent, models.Shipment, models.Shipment.ticket_id)),
            "assets_by_site": DataLoader(partial(first_by_parent, models.Asset, models.Asset.site_id)),
            "tickets_by_asset": DataLoader(partial(first_by_parent, models.Ticket, models.Ticket.asset_id)),
        }


schema = strawberry.Schema(
    Query,
    config=StrawberryConfig(
        scalar_map={Instant: strawberry.scalar(name="DateTime", serialize=models.instant, parse_value=str)}
    ),
)
app = Server(schema)
