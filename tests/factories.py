"""Rows with valid defaults; a test states only what matters to it. Each returns the new row's id."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage import tables

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
_numbers = itertools.count(1)

BERLIN = {"latitude": 52.52, "longitude": 13.405, "time_zone": "Europe/Berlin", "country": "DE"}
HAMBURG = {"latitude": 53.55, "longitude": 9.993, "time_zone": "Europe/Berlin", "country": "DE"}
MUNICH = {"latitude": 48.137, "longitude": 11.575, "time_zone": "Europe/Berlin", "country": "DE"}
NEW_YORK = {"latitude": 40.713, "longitude": -74.006, "time_zone": "America/New_York", "country": "US"}


async def insert_row(tx: AsyncConnection, table: Table, values: dict[str, Any]) -> int:
    """Insert one row and return its id."""
    return int((await tx.execute(insert(table).values(**values).returning(table.c.id))).scalar_one())


async def make_source(tx: AsyncConnection, name: str = "itsm", adapter: str = "request_tracker", **values: Any) -> int:
    return await insert_row(tx, tables.source, {"name": name, "adapter": adapter, "updated_at": NOW, **values})


async def make_service_class(tx: AsyncConnection, name: str = "critical", **values: Any) -> int:
    defaults = {"name": name, "maximum_outage_minutes": 240, "calendar": "always"}
    return await insert_row(tx, tables.service_class, {**defaults, **values})


async def make_site(tx: AsyncConnection, **values: Any) -> int:
    n = next(_numbers)
    defaults = {"name": f"Site {n}", "code": f"S{n}", "region": "EU", **BERLIN, "created_at": NOW, "updated_at": NOW}
    return await insert_row(tx, tables.site, {**defaults, **values})


async def make_hub(tx: AsyncConnection, **values: Any) -> int:
    n = next(_numbers)
    defaults = {
        "name": f"Hub {n}", "code": f"H{n}", "tier": "regional", "region": "EU", **BERLIN, "opening_hours": "24x7",
        "courier_cut_offs": ["17:00"], "handling_minutes": 30, "created_at": NOW, "updated_at": NOW,
        "address": {"line1": "1 Depot Road", "city": "Berlin", "postal_code": "10115", "country": "DE"},
    }  # fmt: skip
    return await insert_row(tx, tables.hub, {**defaults, **values})


async def make_product(tx: AsyncConnection, **values: Any) -> int:
    n = next(_numbers)
    manufacturer, model = values.get("manufacturer", "Acme"), values.get("model", f"Switch {n}")
    defaults = {
        "manufacturer": manufacturer, "model": model, "manufacturer_key": manufacturer.casefold(),
        "model_key": model.casefold(), "asset_class": "switch", "unit_cost_cents": 180_000, "currency": "EUR",
        "weight_g": 4_500, "tracking": "serialised", "status": "active", "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return await insert_row(tx, tables.product, {**defaults, **values})


async def make_asset(tx: AsyncConnection, **values: Any) -> int:
    n = next(_numbers)
    defaults = {
        "name": f"dev-{n}", "serial": f"SN{n:06}", "asset_tag": f"AT-{n:06}", "state": "deployed", "lane": "normal",
        "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return await insert_row(tx, tables.asset, {**defaults, **values})


async def make_spares(tx: AsyncConnection, *, hub_id: int, product_id: int, count: int, **values: Any) -> list[int]:
    """Serialised units in stock, with the stock row that books them."""
    shelf = {"hub_id": hub_id, "product_id": product_id}
    await insert_row(
        tx,
        tables.stock,
        {**shelf, "lane": values.get("lane", "normal"), "tracking": "serialised", "on_hand": count, "updated_at": NOW},
    )
    return [await make_asset(tx, **shelf, state="in_stock", **values) for _ in range(count)]


async def make_counted_stock(tx: AsyncConnection, *, hub_id: int, product_id: int, on_hand: int, **values: Any) -> int:
    defaults = {"lane": "normal", "tracking": "counted", "on_hand": on_hand, "updated_at": NOW}
    return await insert_row(tx, tables.stock, {"hub_id": hub_id, "product_id": product_id, **defaults, **values})


async def make_ticket(tx: AsyncConnection, *, source_id: int, **values: Any) -> int:
    n = next(_numbers)
    defaults = {
        "source_id": source_id, "external_id": str(n), "number": f"INC-{n}", "type": "incident", "priority": "P1",
        "state": "new", "title": "Switch is dead", "category": "hardware", "opened_at": NOW, "created_at": NOW,
        "updated_at": NOW,
    }  # fmt: skip
    return await insert_row(tx, tables.ticket, {**defaults, **values})
