"""An ariadne server as people write it: the schema as text, SQLAlchemy rows, one data loader per relation."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiodataloader import DataLoader
from ariadne import EnumType, ObjectType, QueryType, ScalarType, make_executable_schema
from ariadne.asgi import GraphQL
from sqlalchemy import select

from bench.peers import models
from bench.peers.sdl import ENUMS, SCHEMA

query, site, asset, ticket = QueryType(), ObjectType("Site"), ObjectType("Asset"), ObjectType("Ticket")
instant = ScalarType("DateTime", serializer=models.instant)


@query.field("sites")
async def sites(_: Any, __: Any, first: int) -> Any:
    rows = select(models.Site).where(models.Site.retired_at.is_(None)).order_by(models.Site.id).limit(first)
    return {"nodes": await models.page(rows)}


@query.field("tickets")
async def tickets(_: Any, __: Any, first: int, filter: Any = None, order_by: Any = None) -> Any:
    rows = select(models.Ticket).where(models.Ticket.retired_at.is_(None)).limit(first)
    for name, test in (filter or {}).items():
        rows = rows.where(getattr(models.Ticket, name) == test["eq"])
    for key in order_by or []:
        column = getattr(models.Ticket, key["field"])
        rows = rows.order_by(column.desc() if key["direction"] == "desc" else column.asc())
    return {"nodes": await models.page(rows.order_by(models.Ticket.id))}


@query.field("ticket")
async def one_ticket(_: Any, __: Any, id: str) -> Any:
    return (await models.by_id(models.Ticket, [models.key_of(id)]))[0]


@query.field("ticketAggregate")
async def ticket_aggregate(_: Any, __: Any, group_by: Any, filter: Any = None) -> Any:
    tests = [getattr(models.Ticket, name) == test["eq"] for name, test in (filter or {}).items()]
    names = [key["field"] for key in group_by]
    groups = await models.groups(tests, names)
    return {"groups": [{"key": dict(zip(names, values, strict=True)), "count": count} for *values, count in groups]}


@site.field("assets")
async def assets_of_site(row: models.Site, info: Any, first: int) -> Any:
    return {"nodes": await info.context["assets_by_site"].load((row.id, first))}


@asset.field("tickets")
async def tickets_of_asset(row: models.Asset, info: Any, first: int) -> Any:
    return {"nodes": await info.context["tickets_by_asset"].load((row.id, first))}


@ticket.field("asset")
async def asset_of_ticket(row: models.Ticket, info: Any) -> Any:
    return None if row.asset_id is None else await info.context["asset"].load(row.asset_id)


@ticket.field("site")
async def site_of_ticket(row: models.Ticket, info: Any) -> Any:
    return None if row.site_id is None else await info.context["site"].load(row.site_id)


@ticket.field("shipments")
async def shipments_of_ticket(row: models.Ticket, info: Any) -> Any:
    return await info.context["shipments_by_ticket"].load(row.id)


def context(request: Any, _data: Any) -> Any:
    """Loaders of its own for each request."""
    by_id, by_parent, first_by_parent = models.by_id, models.by_parent, models.first_by_parent
    return {
        "request": request,
        "asset": DataLoader(partial(by_id, models.Asset)),
        "site": DataLoader(partial(by_id, models.Site)),
        "shipments_by_ticket": DataLoader(partial(by_parent, models.Shipment, models.Shipment.ticket_id)),
        "assets_by_site": DataLoader(partial(first_by_parent, models.Asset, models.Asset.site_id)),
        "tickets_by_asset": DataLoader(partial(first_by_parent, models.Ticket, models.Ticket.asset_id)),
    }


enums = [EnumType(name, values) for name, values in ENUMS.items()]
schema = make_executable_schema(SCHEMA, query, site, asset, ticket, instant, *enums, convert_names_case=True)
app = GraphQL(schema, context_value=context)
