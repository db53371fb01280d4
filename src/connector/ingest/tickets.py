"""Tickets as their ITSM system describes them, and the devices and sites that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.ingest.arrivals import Arrival
from connector.ingest.links import LinkPlan
from connector.ingest.places import resolve_places
from connector.ingest.products import product_id, product_name, resolve_products
from connector.ingest.work import Work
from connector.model.naming import host_names, serial_key, short_host_name, tag_key
from connector.model.records import TicketRecord
from connector.model.refs import EntityKind, SourceRef
from connector.storage.aliases.lookup import PlaceNames, names_of_places
from connector.storage.database.drafts import Draft, Values, find_rows, load_drafts
from connector.storage.tickets.late_references import is_awaited, waiting_tickets

Found = Mapping[str, frozenset[int]]
"""Text -> the live things that are called so."""


@dataclass(frozen=True, slots=True)
class Names:
    """What devices and sites are called, for the texts that some tickets name."""

    serials: Found
    tags: Found
    hosts: Found
    places: PlaceNames

    def site_called(self, text: str, source_id: int) -> int | None:
        """The one site that is called so, by an alias, by name or by code."""
        aliased = self.places.aliased(source_id, text)
        if aliased is not None:
            return aliased[1] if aliased[0] is EntityKind.SITE else None
        return _only(self.places.live(EntityKind.SITE, text))


async def settle_tickets(work: Work, arrivals: Sequence[Arrival]) -> None:
    """Find or make each ticket. A device or site that is not known is kept as a hint: the rules ask a person."""
    records = {a.key: a.record for a in arrivals if isinstance(a.record, TicketRecord)}
    known = {a.known.entity_id for a in arrivals if a.known and a.known.entity_id is not None}
    drafts = await load_drafts(work.tx, EntityKind.TICKET, known)
    names = await _names(work, records.values())
    assets = await work.resolve([record.asset for record in records.values() if record.asset])
    places = await resolve_places(work, [record.site for record in records.values() if record.site])
    products = await resolve_products(work, [record.product for record in records.values()], make=False)
    changes: list[tuple[Arrival, Draft, Values]] = []
    for arrival in arrivals:
        record = records[arrival.key]
        draft = drafts.get((arrival.known.entity_id if arrival.known else None) or 0)
        if draft is None:
            fixed = {"source_id": work.source_id, "external_id": record.ref.external_id}
            draft = Draft(EntityKind.TICKET, before=None, after=dict(fixed))
        by_ref = assets.get((record.asset.kind, record.asset.external_id)) if record.asset else None
        asset_id = by_ref or _named_asset(record, names)
        _link(draft, "asset_id", "asset_hint", asset_id, _asset_hint(record))
        place = places.get((record.site.kind, record.site.external_id)) if record.site else None
        by_site_ref = place[1] if place and place[0] is EntityKind.SITE else None
        site_id = by_site_ref or names.site_called((record.site_name or "").strip(), work.source_id)
        _link(draft, "site_id", "site_hint", site_id, record.site_name or _ref_text(record.site))
        found = product_id(products, record.product) if record.product else None
        _link(draft, "product_id", "product_hint", found, product_name(record.product) if record.product else None)
        changes.append((arrival, draft, _values(record)))
        hints = [draft.after.get(name) for name in ("asset_hint", "site_hint", "product_hint")]
        work.land(arrival, draft, complete=not any(hints))
    await _sites_of_assets(work, [draft for _, draft, _ in changes])
    await work.merge(changes)
    links = LinkPlan(work, [(records[arrival.key], draft) for arrival, draft, _ in changes])
    await links.note()
    await work.write(EntityKind.TICKET, [draft for _, draft, _ in changes])
    await links.settle()


async def link_tickets(work: Work) -> None:
    """Link tickets to devices and sites that they named before those had arrived."""
    for_device, for_site = await is_awaited(work.tx)
    texts = _texts_of(work, EntityKind.ASSET, ("name", "serial", "asset_tag")) if for_device else set[str]()
    sites = _texts_of(work, EntityKind.SITE, ("name", "code")) if for_site else set[str]()
    waiting = await waiting_tickets(work.tx, asset_hints=texts, site_hints=sites)
    if not waiting:
        return
    drafts = await load_drafts(work.tx, EntityKind.TICKET, waiting)
    hints = {draft.after["asset_hint"] for draft in drafts.values() if draft.after["asset_id"] is None}
    names = await _find_names(
        work,
        hints={hint for hint in hints if hint is not None},
        sites={draft.after["site_hint"] for draft in drafts.values() if draft.after["site_hint"] is not None},
    )
    refs = {landing.arrival.key[1]: landing.draft.id for landing in _landed(work, EntityKind.ASSET)}
    for draft in drafts.values():
        if draft.after["asset_id"] is None and (hint := draft.after["asset_hint"]) is not None:
            own = refs.get(hint) if draft.after["source_id"] == work.source_id else None
            asset_id = own or _asset_called(hint, names)
            if asset_id is not None:
                draft.after |= {"asset_id": asset_id, "asset_hint": None}
        if draft.after["site_id"] is None and (hint := draft.after["site_hint"]) is not None:
            site_id = names.site_called(hint.strip(), draft.after["source_id"])
            if site_id is not None:
                draft.after |= {"site_id": site_id, "site_hint": None}
    await _sites_of_assets(work, list(drafts.values()))
    await work.write(EntityKind.TICKET, drafts.values())


def _values(record: TicketRecord) -> dict[str, Any]:
    return {
        "number": record.number,
        "type": record.type,
        "priority": record.priority,
        "state": record.state,
        "title": record.title,
        "description": record.description,
        "category": record.category,
        "quantity": 1 if record.quantity is None else record.quantity,
        "requester": record.requester,
        "assignee": record.assignee,
        "opened_at": record.opened_at,
        "resolved_at": record.resolved_at,
        "sla_due_at": record.sla_due_at,
        "url": record.url,
    }


def _link(draft: Draft, column: str, hint_column: str, found: int | None, hint: str | None) -> None:
    """Set what the record names. Named but not known: the hint stays; not named: what is there stays.

    A link that somebody made by hand stays as long as the source goes on to name the same unknown thing.
    """
    if found is not None:
        draft.after |= {column: found, hint_column: None}
    elif hint is not None and draft.after.get(hint_column) != hint:
        draft.after |= {column: None, hint_column: hint}


def _asset_hint(record: TicketRecord) -> str | None:
    host = short_host_name(record.hostname or "")
    texts = (record.asset_tag, record.serial, host, _ref_text(record.asset))
    return next((text.strip() for text in texts if text and text.strip()), None)


def _ref_text(ref: SourceRef | None) -> str | None:
    return ref.external_id if ref else None


def _named_asset(record: TicketRecord, names: Names) -> int | None:
    """By tag, else by serial, else by host name; only where exactly one device fits."""
    by_tag = _only(names.tags.get(tag_key(record.asset_tag) or "", frozenset()))
    by_serial = _only(names.serials.get(serial_key(record.serial) or "", frozenset()))
    return by_tag or by_serial or _host(record.hostname, names)


def _asset_called(hint: str, names: Names) -> int | None:
    by_tag = _only(names.tags.get(tag_key(hint) or "", frozenset()))
    by_serial = _only(names.serials.get(serial_key(hint) or "", frozenset()))
    return by_tag or by_serial or _host(hint, names)


def _host(name: str | None, names: Names) -> int | None:
    found: set[int] = set()
    for text in host_names(name or ""):
        found |= names.hosts.get(text, frozenset())
    return _only(frozenset(found))


def _only(found: frozenset[int]) -> int | None:
    return next(iter(found)) if len(found) == 1 else None


async def _names(work: Work, records: Iterable[TicketRecord]) -> Names:
    serials, tags, hosts, sites = set[str](), set[str](), set[str](), set[str]()
    for record in records:
        serials |= {key for key in (serial_key(record.serial),) if key}
        tags |= {key for key in (tag_key(record.asset_tag),) if key}
        hosts |= set(host_names(record.hostname or ""))
        sites |= {text for text in ((record.site_name or "").strip(),) if text}
    return Names(
        serials=await _called(work, EntityKind.ASSET, "serial", serials),
        tags=await _called(work, EntityKind.ASSET, "asset_tag", tags),
        hosts=await _called(work, EntityKind.ASSET, "name", hosts),
        places=await names_of_places(work.tx, sites),
    )


async def _find_names(work: Work, *, hints: set[str], sites: set[str]) -> Names:
    return Names(
        serials=await _called(work, EntityKind.ASSET, "serial", {k for hint in hints if (k := serial_key(hint))}),
        tags=await _called(work, EntityKind.ASSET, "asset_tag", {k for hint in hints if (k := tag_key(hint))}),
        hosts=await _called(work, EntityKind.ASSET, "name", {text for hint in hints for text in host_names(hint)}),
        places=await names_of_places(work.tx, {text.strip() for text in sites}),
    )


async def _called(work: Work, kind: EntityKind, column: str, texts: set[str]) -> Found:
    found: dict[str, frozenset[int]] = {}
    for row in await find_rows(work.tx, kind, column, texts, columns=("retired_at",)):
        if row["retired_at"] is None:
            found[row[column]] = found.get(row[column], frozenset()) | {row["id"]}
    return found


async def _sites_of_assets(work: Work, drafts: Sequence[Draft]) -> None:
    """A ticket that names no site is at the site of its device."""
    without = [
        draft
        for draft in drafts
        if draft.after.get("site_id") is None and not draft.after.get("site_hint") and draft.after.get("asset_id")
    ]
    ids = {draft.after["asset_id"] for draft in without}
    rows = await find_rows(work.tx, EntityKind.ASSET, "id", ids, columns=("site_id",))
    sites = {row["id"]: row["site_id"] for row in rows}
    for draft in without:
        draft.after["site_id"] = sites.get(draft.after["asset_id"])


def _landed(work: Work, kind: EntityKind) -> Iterable[Any]:
    return (landing for landing in work.landings.values() if landing.kind is kind)


def _texts_of(work: Work, kind: EntityKind, columns: tuple[str, ...]) -> set[str]:
    """What the things that are new, renamed or newly referred to in this batch may be called in a ticket."""
    texts: set[str] = set()
    for landing in _landed(work, kind):
        changed = landing.draft.changed()
        names = [changed[column][1] for column in columns if column in changed and changed[column][1]]
        texts |= {text for name in names for text in host_names(name)}
        known = landing.arrival.known
        if known is None or known.entity_id != landing.draft.id or not known.content_hash:
            texts.add(landing.arrival.key[1])
    return texts
