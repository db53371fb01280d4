"""What couriers offered for a lane, kept as a fact for the next decision about it: the last offer of each service."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.arrival.lanes import Offer
from connector.storage.database.bulk import among, insert_rows
from connector.storage.facts.lanes import lanes_were_written
from connector.storage.tables import lane_quote


async def record_offers(tx: AsyncConnection, hub_id: int, site_id: int, offers: Collection[Offer]) -> None:
    """Keep what was offered; of a service that offers twice the cheaper one."""
    best: dict[str, Offer] = {}
    for offer in sorted(offers, key=lambda offer: (offer.amount_cents, offer.minutes)):
        best.setdefault(offer.service, offer)
    if not best:
        return
    await lanes_were_written(tx, [site_id])  # also makes two who write the same lane go one after the other
    c = lane_quote.c
    lane = and_(c.site_id == site_id, c.hub_id == hub_id, among(tx, c.service, sorted(best)))
    await tx.execute(delete(lane_quote).where(lane))
    await insert_rows(
        tx,
        lane_quote,
        [
            {
                "site_id": site_id,
                "hub_id": hub_id,
                "service": offer.service,
                "transit_minutes": offer.minutes,
                "business_days": offer.business_days,
                "amount_cents": offer.amount_cents,
                "currency": offer.currency,
                "quoted_at": offer.quoted_at,
            }
            for offer in best.values()
        ],
    )
