"""Rollouts and their lines as a person looks at them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.tables import asset, hub, product, reservation, rollout, rollout_line, shipment, site


@dataclass(frozen=True, slots=True)
class RolloutSummary:
    """A rollout in a list. lines: by state, as one text."""

    id: int
    name: str
    product: str
    state: str
    wave: int
    lines: str


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line with what it has. tracking: of its newest parcel. expected: when a short one may get a unit."""

    id: int
    wave: int | None
    site: str
    risk: int
    state: str
    hub: str | None
    mode: str | None
    arrives: datetime | None
    serial: str | None
    tracking: str | None
    reason: str | None
    expected: datetime | None


async def list_rollouts(tx: AsyncConnection) -> list[RolloutSummary]:
    """All rollouts, the newest first."""
    statement = (
        select(
            rollout.c.id, rollout.c.name, product.c.manufacturer, product.c.model, rollout.c.state, rollout.c.wave,
            rollout.c.progress,
        )
        .join(product, product.c.id == rollout.c.product_id)
        .order_by(rollout.c.id.desc())
    )  # fmt: skip
    return [
        RolloutSummary(
            row.id,
            row.name,
            f"{row.manufacturer} {row.model}",
            row.state.value,
            row.wave,
            ", ".join(f"{number} {state}" for state, number in row.progress["states"].items()),
        )
        for row in await tx.execute(statement)
    ]


async def show_lines(tx: AsyncConnection, rollout_id: int) -> list[ShownLine]:
    """The lines of a rollout in the order of waves, in one statement."""
    newest = (
        select(func.max(reservation.c.id))
        .where(reservation.c.rollout_line_id == rollout_line.c.id)
        .correlate(rollout_line)
        .scalar_subquery()
    )
    parcel = (
        select(func.max(shipment.c.id))
        .where(shipment.c.reservation_id == reservation.c.id)
        .correlate(reservation)
        .scalar_subquery()
    )
    c = rollout_line.c
    statement = (
        select(
            c.id, c.wave, func.coalesce(site.c.code, site.c.name), c.risk, c.state,
            func.coalesce(hub.c.code, hub.c.name), c.mode, c.estimated_arrival_at, asset.c.serial,
            shipment.c.tracking_number, c.reason, c.expected_at,
        )
        .join(site, site.c.id == c.site_id)
        .outerjoin(hub, hub.c.id == c.hub_id)
        .outerjoin(reservation, reservation.c.id == newest)
        .outerjoin(asset, asset.c.id == reservation.c.asset_id)
        .outerjoin(shipment, shipment.c.id == parcel)
        .where(c.rollout_id == rollout_id)
        .order_by(c.wave.is_(None), c.wave, c.risk, c.line)
    )  # fmt: skip
    return [
        ShownLine(id, wave, place, risk, state.value, at, mode and mode.value, *rest)
        for id, wave, place, risk, state, at, mode, *rest in await tx.execute(statement)
    ]
