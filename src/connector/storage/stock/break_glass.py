"""How much of what is drawn comes from break-glass stock, by region and product."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import Lane
from connector.model.lifecycle import RESERVATION_LIVE, ReservationState
from connector.rules.policy.break_glass import BreakGlass
from connector.storage.tables import LOAN_LINE, hub, product, reservation


@dataclass(frozen=True, slots=True)
class DrawShare:
    """Units of a product that hubs of a region gave, and how many of them were break-glass stock.

    region: "" for hubs without one. is_alert: whether the share is above what the policy takes as usual.
    """

    region: str
    product_id: int
    product: str
    draws: int
    break_glass: int
    is_alert: bool

    @property
    def share(self) -> float:
        """Of the units, 0 to 1."""
        return self.break_glass / self.draws


async def draw_shares(tx: AsyncConnection, stated: BreakGlass, at: datetime) -> list[DrawShare]:
    """What was drawn within the policy's window, where any of it was break-glass stock; the largest share first.

    A draw is a unit that is claimed for a ticket, or has left for it; what was given back is none.
    """
    since = at - timedelta(days=stated.window_days)
    drawn = func.sum(case((reservation.c.lane == Lane.BREAK_GLASS, reservation.c.quantity), else_=0))
    region = func.coalesce(hub.c.region, "")
    label = product.c.manufacturer + " " + product.c.model
    statement = (
        select(region, product.c.id, label, func.sum(reservation.c.quantity), drawn)
        .select_from(reservation)
        .join(hub, hub.c.id == reservation.c.hub_id)
        .join(product, product.c.id == reservation.c.product_id)
        .where(
            reservation.c.created_at >= since,
            reservation.c.state.in_((*RESERVATION_LIVE, ReservationState.FULFILLED)),
            reservation.c.rollout_line_id.is_(None),
            reservation.c.to_hub_id.is_(None),
            reservation.c.line != LOAN_LINE,
        )
        .group_by(region, product.c.id, label)
        .having(drawn > 0)
    )
    shares = [
        DrawShare(
            where, product_id, name, int(draws), int(emergency),
            draws >= stated.minimum_draws and emergency / draws > stated.alert_share,
        )
        for where, product_id, name, draws, emergency in await tx.execute(statement)
    ]  # fmt: skip
    return sorted(shares, key=lambda item: (-item.share, item.region, item.product))
