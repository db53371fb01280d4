"""Links between tickets: duplicates, parents, others. Either of the two tickets may arrive first.

A ticket's change row names what its source says now (`duplicate_of`, `parent`, `related`), by the source's own ids. A
link whose other ticket arrives later is a change of the ticket that has it, since it may be decided differently then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.ingest.work import Work
from connector.model.kinds import LinkKind
from connector.model.records import TicketRecord
from connector.model.refs import EntityKind, SourceRef
from connector.storage.database.drafts import Draft, load_drafts
from connector.storage.tickets.links import Link, LinkRow, add_links, links_of, links_waiting, point_links, remove_links


class LinkPlan:
    """What a batch of tickets changes in their links; planned before the tickets are written, settled after."""

    def __init__(self, work: Work, tickets: Sequence[tuple[TicketRecord, Draft]]) -> None:
        self._work = work
        self._tickets = tickets
        self._gone: list[int] = []
        self._new: list[tuple[Draft, Link]] = []

    async def note(self) -> None:
        """Compare with what is stored, and say in each ticket's change row what changes."""
        known = await links_of(self._work.tx, {draft.id for _, draft in self._tickets if draft.before is not None})
        for record, draft in self._tickets:
            stored = {row.link: row.id for row in known.get(draft.id, ())}
            stated = _stated(record)
            self._gone += [row_id for link, row_id in stored.items() if link not in stated]
            self._new += [(draft, link) for link in stated if link not in stored]
            for kind in LinkKind:
                before, after = _shown(list(stored), kind), _shown(stated, kind)
                if before != after:
                    draft.notes[kind.value] = (before, after)

    async def settle(self) -> None:
        """Write what changes; the tickets have their ids."""
        await remove_links(self._work.tx, self._gone)
        named = {link.external_id for _, link in self._new}
        others = await self._known(named)
        links = [(draft.id, link) for draft, link in self._new if others.get(link.external_id) != draft.id]
        await add_links(self._work.tx, self._work.source_id, links, others, at=self._work.at)
        await self._point()

    async def _known(self, external_ids: set[str]) -> dict[str, int]:
        refs = [SourceRef(kind=EntityKind.TICKET, external_id=text) for text in external_ids]
        return {external_id: found for (_, external_id), found in (await self._work.resolve(refs)).items()}

    async def _point(self) -> None:
        """Let links lead to the tickets that are new, or back, with this batch."""
        arrived = {record.ref.external_id: draft.id for record, draft in self._tickets if _is_news(draft)}
        waiting = await links_waiting(self._work.tx, self._work.source_id, arrived.keys())
        if not waiting:
            return
        await point_links(self._work.tx, waiting, arrived)
        drafts = await load_drafts(self._work.tx, EntityKind.TICKET, {row.ticket_id for row in waiting})
        for row in waiting:
            drafts[row.ticket_id].notes |= _arrived(row, waiting)
        await self._work.write(EntityKind.TICKET, drafts.values())


def _is_news(draft: Draft) -> bool:
    return draft.before is None or draft.before["retired_at"] is not None


def _stated(record: TicketRecord) -> list[Link]:
    """The links of a record, each once; a ticket is never linked to itself."""
    stated = [Link(LinkKind.RELATED, ref.external_id) for ref in record.related or ()]
    if record.parent is not None:
        stated.append(Link(LinkKind.PARENT, record.parent.external_id))
    if record.duplicate_of is not None:
        stated.append(Link(LinkKind.DUPLICATE_OF, record.duplicate_of.external_id))
    return [link for link in dict.fromkeys(stated) if link.external_id != record.ref.external_id]


def _shown(links: Sequence[Link], kind: LinkKind) -> Any:
    """A kind of link as a change row has it: the other's external id, a list of them for those that may be many."""
    named = sorted(link.external_id for link in links if link.kind is kind)
    if kind is LinkKind.RELATED:
        return named or None
    return named[0] if named else None


def _arrived(row: LinkRow, waiting: Sequence[LinkRow]) -> dict[str, tuple[Any, Any]]:
    shown = _shown([each.link for each in waiting if each.ticket_id == row.ticket_id], row.link.kind)
    return {row.link.kind.value: (shown, shown)}
