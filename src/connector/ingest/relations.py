"""Relations between devices: parts, cables, what depends on what. Either of the two devices may arrive first.

They belong to the record that states them: when it comes to stand for another device, because of a swap, they are that
device's, and what leads to the record leads there too. A device's change row names what its source says now, by the
source's own ids; a relation whose other device arrives later is a change of the device that has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from connector.ingest.arrivals import Arrival
from connector.ingest.work import Work
from connector.model.kinds import RelationKind
from connector.model.records import AssetRecord
from connector.model.refs import EntityKind, SourceRef
from connector.storage.database.drafts import Draft, load_drafts
from connector.storage.sources.relations import (
    Related,
    RelationRow,
    add_relations,
    move_relations,
    point_relations,
    relations_elsewhere,
    relations_of,
    relations_of_refs,
    remove_relations,
)


class RelationPlan:
    """What a batch of devices changes in their relations; noted before the devices are written, settled after.

    left: devices that records of the batch stood for before.
    """

    def __init__(self, work: Work, devices: Iterable[tuple[Arrival, Draft]], left: Iterable[Draft]) -> None:
        self._work = work
        self._devices = [(arrival, draft) for arrival, draft in devices if isinstance(arrival.record, AssetRecord)]
        self._left = {draft.id: draft for draft in left}
        self._gone: list[int] = []
        self._moved: dict[int, Draft] = {}
        self._new: list[tuple[Draft, str, Related]] = []

    async def note(self) -> None:
        """Compare with what is stored, and say in each device's change row what changes."""
        seen_before = {arrival.key[1] for arrival, _ in self._devices if arrival.known is not None}
        stored = await relations_of(self._work.tx, self._work.source_id, seen_before)
        for arrival, draft in self._devices:
            name, rows = arrival.key[1], stored.get(arrival.key[1], [])
            stated = _stated(arrival.record)
            if stated is None:
                stated = [row.related for row in rows]
            if not rows and not stated:
                continue
            known = {row.related for row in rows}
            self._gone += [row.id for row in rows if row.related not in stated]
            self._new += [(draft, name, related) for related in stated if related not in known]
            elsewhere = [row for row in rows if row.asset_id != draft.id]
            self._moved |= {row.id: draft for row in elsewhere if row.related in stated}
            for row in elsewhere:
                if (before := self._left.get(row.asset_id)) is not None:
                    _note(before, rows, ())
            _note(draft, [row for row in rows if row.asset_id == draft.id], stated)

    async def settle(self) -> None:
        """Write what changes; the devices have their ids."""
        await remove_relations(self._work.tx, self._gone)
        await move_relations(self._work.tx, {row_id: draft.id for row_id, draft in self._moved.items()})
        refs = [SourceRef(kind=EntityKind.ASSET, external_id=related.external_id) for _, _, related in self._new]
        others = {name: found for (_, name), found in (await self._work.resolve(refs)).items()} if refs else {}
        new = [(draft.id, name, related) for draft, name, related in self._new]
        await add_relations(self._work.tx, self._work.source_id, new, others, at=self._work.at)
        await self._point()

    async def _point(self) -> None:
        """Let relations of other devices lead to what this batch has shown them to mean."""
        arrived = {arrival.key[1]: draft.id for arrival, draft in self._devices}
        rows = await relations_elsewhere(self._work.tx, self._work.source_id, arrived)
        if not rows:
            return
        await point_relations(self._work.tx, {row.id: arrived[row.related.external_id] for row in rows})
        drafts = await load_drafts(self._work.tx, EntityKind.ASSET, {row.asset_id for row in rows})
        by_asset: dict[int, list[RelationRow]] = defaultdict(list)
        for row in rows:
            by_asset[row.asset_id].append(row)
        for asset_id, found in by_asset.items():
            for kind in {row.related.kind for row in found}:
                shown = _shown((row.related for row in found), kind)
                drafts[asset_id].notes[kind.value] = (shown, shown)
        updated = self._work.updated
        await self._work.write(EntityKind.ASSET, drafts.values())
        self._work.updated = updated


async def forget_relations(work: Work, drafts: Mapping[int, Draft], ref_ids: Collection[int]) -> list[Draft]:
    """What records of devices said that are gone is gone with them.

    Returns the devices that lose something, with a note of it.
    """
    drafts = {draft_id: draft for draft_id, draft in drafts.items() if draft.kind is EntityKind.ASSET}
    if not drafts:
        return []
    rows = await relations_of_refs(work.tx, work.source_id, ref_ids)
    await remove_relations(work.tx, [row.id for row in rows])
    losing = [draft for draft in drafts.values() if any(row.asset_id == draft.id for row in rows)]
    for draft in losing:
        _note(draft, [row for row in rows if row.asset_id == draft.id], ())
    return losing


def _stated(record: object) -> list[Related] | None:
    """The relations of a record, each once; a device is never related to itself."""
    if not isinstance(record, AssetRecord) or record.relations is None:
        return None
    stated = dict.fromkeys(Related(each.kind, each.other.external_id) for each in record.relations)
    return [related for related in stated if related.external_id != record.ref.external_id]


def _note(draft: Draft, rows: Sequence[RelationRow], stated: Sequence[Related]) -> None:
    for kind in RelationKind:
        before, after = _shown((row.related for row in rows), kind), _shown(stated, kind)
        if before != after:
            draft.notes[kind.value] = (before, after)


def _shown(relations: Iterable[Related], kind: RelationKind) -> list[str] | None:
    """The relations of a kind as a change row has them: the others' external ids."""
    return sorted(related.external_id for related in relations if related.kind is kind) or None
