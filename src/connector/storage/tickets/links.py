"""Links between tickets, as their source states them: kept by their raw reference until the other ticket is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import LinkKind
from connector.storage.database.bulk import among, insert_rows, new_ids, update_rows
from connector.storage.tables import ticket_link


class Link(NamedTuple):
    """One link of a ticket. external_id: how its source names the other ticket."""

    kind: LinkKind
    external_id: str


class LinkRow(NamedTuple):
    """A link as it is stored. other_id: None until the other ticket is known."""

    id: int
    ticket_id: int
    link: Link
    other_id: int | None


async def links_of(tx: AsyncConnection, ticket_ids: Collection[int]) -> dict[int, list[LinkRow]]:
    """The links that these tickets have, by the ticket; one query."""
    found: dict[int, list[LinkRow]] = defaultdict(list)
    if ticket_ids:
        c = ticket_link.c
        statement = select(c.id, c.ticket_id, c.kind, c.external_id, c.other_id)
        for row in await tx.execute(statement.where(among(tx, c.ticket_id, ticket_ids)).order_by(c.id)):
            found[row[1]].append(LinkRow(row[0], row[1], Link(row[2], row[3]), row[4]))
    return found


async def add_links(
    tx: AsyncConnection,
    source_id: int,
    links: Iterable[tuple[int, Link]],
    others: Mapping[str, int],
    *,
    at: datetime,
) -> None:
    """Store links of tickets. others: external id to the ticket, of those that are known."""
    new = list(links)
    ids = await new_ids(tx, ticket_link, len(new))
    rows = [
        {
            "id": row_id,
            "ticket_id": ticket_id,
            "kind": link.kind,
            "source_id": source_id,
            "external_id": link.external_id,
            "other_id": others.get(link.external_id),
            "created_at": at,
        }
        for row_id, (ticket_id, link) in zip(ids, new, strict=True)
    ]
    await insert_rows(tx, ticket_link, rows)


async def remove_links(tx: AsyncConnection, link_ids: Collection[int]) -> None:
    """Forget links that their source does not state any more."""
    if link_ids:
        await tx.execute(delete(ticket_link).where(among(tx, ticket_link.c.id, link_ids)))


async def links_waiting(tx: AsyncConnection, source_id: int, external_ids: Collection[str]) -> list[LinkRow]:
    """Links of a source to tickets that it calls so and that were not known when they were stated."""
    if not external_ids:
        return []
    c = ticket_link.c
    statement = select(c.id, c.ticket_id, c.kind, c.external_id, c.other_id).where(
        and_(c.other_id.is_(None), c.source_id == source_id, among(tx, c.external_id, external_ids))
    )
    return [LinkRow(row[0], row[1], Link(row[2], row[3]), row[4]) for row in await tx.execute(statement.order_by(c.id))]


async def point_links(tx: AsyncConnection, links: Sequence[LinkRow], others: Mapping[str, int]) -> None:
    """Let links lead to tickets that have become known."""
    await update_rows(tx, ticket_link, [{"id": row.id, "other_id": others[row.link.external_id]} for row in links])
