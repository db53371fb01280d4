"""Addresses of devices as sources state them: each source has its own say, none takes another's away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connector.ingest.work import Work
from connector.storage.database.drafts import Draft
from connector.storage.sources.macs import macs_of, put_macs


@dataclass(frozen=True, slots=True)
class Addresses:
    """What is to be written once the devices are. stated: only of those for which something is new."""

    stated: Mapping[Draft, frozenset[str]]
    had: frozenset[int]


async def note_addresses(
    work: Work, said: Iterable[tuple[Draft, tuple[str, ...] | None]], left: Iterable[Draft]
) -> Addresses:
    """Compare what records say with what their source said before, and note in the drafts what changes.

    A record that says nothing of addresses changes none. left: devices that the source's records stood for before.
    """
    wanted: dict[Draft, frozenset[str]] = {draft: frozenset() for draft in left}
    wanted |= {draft: frozenset(macs) for draft, macs in said if macs is not None}
    known = await macs_of(work.tx, {draft.id for draft in wanted if draft.before is not None})
    stated: dict[Draft, frozenset[str]] = {}
    had: set[int] = set()
    for draft, macs in wanted.items():
        by_source = known.get(draft.id, {}) if draft.before is not None else {}
        before = by_source.get(work.source_id, frozenset())
        if macs == before:
            continue
        others = frozenset[str]().union(*(by_source[source] for source in by_source if source != work.source_id))
        stated[draft] = macs
        if before:
            had.add(draft.id)
        if others | before != others | macs:
            draft.notes["macs"] = (sorted(others | before), sorted(others | macs))
    return Addresses(stated, frozenset(had))


async def write_addresses(work: Work, addresses: Addresses) -> None:
    """Write what was noted; new devices have their ids by now."""
    if addresses.stated:
        stated = {draft.id: macs for draft, macs in addresses.stated.items()}
        await put_macs(work.tx, work.source_id, stated, addresses.had)
