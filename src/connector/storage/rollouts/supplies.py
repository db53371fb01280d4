"""What is on order for a rollout: units that come to a hub for its ticket, or for nobody any more."""

from __future__ import annotations

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import ProcurementKind
from connector.model.lifecycle import PROCUREMENT_OPEN
from connector.rules.rollouts.expecting import Supply
from connector.storage.tables import hub, procurement


async def supplies_of(tx: AsyncConnection, *, ticket_id: int, product_id: int) -> list[Supply]:
    """Open procurements of a product that end on a hub's shelf, by id: those of the ticket, and unwanted ones.

    What is on order for another ticket that still wants it is not the rollout's, nor what goes straight to a site.
    """
    c = procurement.c
    statement = (
        select(
            c.id, c.supplier, c.order_number, func.coalesce(hub.c.code, hub.c.name).label("hub"), c.quantity,
            c.expected_at,
        )
        .join(hub, hub.c.id == c.hub_id)
        .where(
            c.product_id == product_id,
            c.state.in_(PROCUREMENT_OPEN),
            c.kind != ProcurementKind.BACKORDER,
            or_(c.ticket_id == ticket_id, c.is_wanted.is_(False)),
        )
        .order_by(c.id)
    )  # fmt: skip
    return [
        Supply(_called(row.id, row.supplier, row.order_number), row.hub, row.quantity, row.expected_at)
        for row in await tx.execute(statement)
    ]


def _called(procurement_id: int, supplier: str, order_number: str | None) -> str:
    order = f"order {order_number}" if order_number else f"procurement {procurement_id}"
    return f"{order} of {supplier}" if supplier else order
