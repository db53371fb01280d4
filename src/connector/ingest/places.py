"""Sites and hubs as sources describe them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.ingest.arrivals import Arrival
from connector.ingest.work import Work
from connector.model.kinds import HubTier
from connector.model.records import HubRecord, SiteRecord
from connector.model.refs import EntityKind, SourceRef
from connector.storage.aliases.lookup import PlaceNames, names_of_places
from connector.storage.database.drafts import Draft, Values, find_rows, load_drafts
from connector.storage.sources.refs import RefKey, live_refs

HUB_DEFAULTS: Values = {
    "tier": HubTier.REGIONAL,
    "opening_hours": "24x7",
    "courier_cut_offs": [],
    "handling_minutes": 30,
    "is_mobile": False,
}


async def settle_hubs(work: Work, arrivals: Sequence[Arrival]) -> None:
    """Find or make the hub of each record; a code belongs to one hub, whichever sources name it."""
    names = await _called(work, arrivals)
    matched = await _match(work, EntityKind.HUB, arrivals, names)
    codes = [a.record.code for a in arrivals if isinstance(a.record, HubRecord) and a.record.code]
    owners = {row["code"]: row for row in await find_rows(work.tx, EntityKind.HUB, "code", codes, columns=("name",))}
    drafts = await load_drafts(work.tx, EntityKind.HUB, set(matched.values()))
    new: dict[str, Draft] = {}
    changes: list[tuple[Arrival, Draft, Values]] = []
    for arrival in arrivals:
        record = arrival.record
        assert isinstance(record, HubRecord)  # noqa: S101 - arrivals come sorted by kind
        entity_id = matched.get(arrival.key)
        owner = owners.get(record.code or "")
        if entity_id is not None and owner is not None and owner["id"] != entity_id:
            work.refuse(
                arrival,
                f"hub {record.name!r} has the code {record.code!r}, which hub {owner['name']!r} "
                f"(id {owner['id']}) has already. Correct the code in one of them.",
                path="/code",
            )
            continue
        draft = drafts[entity_id] if entity_id is not None else new.get(record.code or "")
        if draft is None:
            draft = Draft(EntityKind.HUB, before=None, after=dict(HUB_DEFAULTS))
            if record.code:
                new[record.code] = draft
        values = {
            **_place_values(record),
            "code": record.code,
            "tier": record.tier,
            "opening_hours": record.opening_hours,
            "courier_cut_offs": record.courier_cut_offs,
            "handling_minutes": record.handling_minutes,
            "pick_minutes": record.pick_minutes,
            "qa_minutes": record.qa_minutes,
            "pack_minutes": record.pack_minutes,
            "is_mobile": record.is_mobile,
        }
        if draft.before is None and record.is_mobile:
            draft.after["handling_minutes"] = 0  # what lies in a car is packed already
        changes.append((arrival, draft, _under_its_name(work, record, draft, values, names)))
        work.land(arrival, draft)
    await work.merge(changes)
    await work.write(EntityKind.HUB, [draft for _, draft, _ in changes])


async def settle_sites(work: Work, arrivals: Sequence[Arrival]) -> None:
    """Find or make the site of each record; one that is a hub already completes what the hub lacks."""
    names = await _called(work, arrivals)
    hubs = await _hubs_among(work, arrivals, names)
    await _complete_hubs(work, [(arrival, hubs[arrival.key]) for arrival in arrivals if arrival.key in hubs])
    sites = [arrival for arrival in arrivals if arrival.key not in hubs]
    matched = await _match(work, EntityKind.SITE, sites, names)
    drafts = await load_drafts(work.tx, EntityKind.SITE, set(matched.values()))
    classes = {
        row["name"]: row["id"]
        for row in await find_rows(
            work.tx,
            EntityKind.SERVICE_CLASS,
            "name",
            {a.record.service_class for a in sites if isinstance(a.record, SiteRecord) and a.record.service_class},
            columns=(),
        )
    }
    changes: list[tuple[Arrival, Draft, Values]] = []
    for arrival in sites:
        record = arrival.record
        assert isinstance(record, SiteRecord)  # noqa: S101 - arrivals come sorted by kind
        entity_id = matched.get(arrival.key)
        draft = drafts[entity_id] if entity_id is not None else Draft(EntityKind.SITE, before=None)
        values: dict[str, Any] = {**_place_values(record), "code": record.code, "access_hours": record.access_hours}
        unknown_class = record.service_class is not None and record.service_class not in classes
        if unknown_class:
            work.refuse(
                arrival,
                f"site {record.name!r} has the service class {record.service_class!r}, which the hub does not have. "
                "The site is kept without one; define the class and replay this record.",
                path="/service_class",
            )
        else:
            values["service_class_id"] = classes.get(record.service_class or "")
        changes.append((arrival, draft, _under_its_name(work, record, draft, values, names)))
        work.land(arrival, draft, complete=not unknown_class)
    await work.merge(changes)
    await work.write(EntityKind.SITE, [draft for _, draft, _ in changes])


async def resolve_places(work: Work, refs: Sequence[SourceRef]) -> dict[RefKey, tuple[EntityKind, int]]:
    """Site or hub behind each reference; a source may say `site` of what turned out to be a hub."""
    as_hubs = [SourceRef(kind=EntityKind.HUB, external_id=text) for text in {ref.external_id for ref in refs}]
    as_sites = [SourceRef(kind=EntityKind.SITE, external_id=ref.external_id) for ref in as_hubs]
    ids = await work.resolve([*as_hubs, *as_sites])
    places: dict[RefKey, tuple[EntityKind, int]] = {}
    for ref in refs:
        for kind in (EntityKind.HUB, EntityKind.SITE):
            if (ref.kind, ref.external_id) not in places and (kind, ref.external_id) in ids:
                places[ref.kind, ref.external_id] = kind, ids[kind, ref.external_id]
    return places


def _place_values(record: SiteRecord | HubRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "latitude": record.point.latitude if record.point else None,
        "longitude": record.point.longitude if record.point else None,
        "time_zone": record.time_zone,
        "region": record.region,
        "country": record.address.country if record.address else None,
        "address": record.address.model_dump(mode="json", exclude_none=True) if record.address else None,
    }


def _under_its_name(
    work: Work, record: SiteRecord | HubRecord, draft: Draft, values: dict[str, Any], names: PlaceNames
) -> dict[str, Any]:
    """What a record states; nothing of name and code where it calls the place by an alias: it keeps those it has."""
    if draft.before is None or names.aliased(work.source_id, record.name, record.code) != (draft.kind, draft.id):
        return values
    code = values["code"] if draft.after.get("code") in (None, values["code"]) else None
    return {**values, "name": None, "code": code}


async def _called(work: Work, arrivals: Sequence[Arrival]) -> PlaceNames:
    """What the names and codes of these records stand for."""
    records = [a.record for a in arrivals if isinstance(a.record, SiteRecord | HubRecord)]
    return await names_of_places(work.tx, [text for record in records for text in (record.name, record.code)])


async def _match(work: Work, kind: EntityKind, arrivals: Sequence[Arrival], names: PlaceNames) -> dict[RefKey, int]:
    """Known things by reference, else by alias, else by code, else by name, where exactly one fits.

    A site that this source calls by another reference is another site, unless somebody has said by an alias that it is
    not; a hub's code is unique.
    """
    found = {a.key: a.known.entity_id for a in arrivals if a.known and a.known.entity_id is not None}
    open_arrivals: list[tuple[Arrival, str, str | None]] = []
    for arrival in arrivals:
        record = arrival.record
        if arrival.key in found or not isinstance(record, SiteRecord | HubRecord):
            continue
        aliased = names.aliased(work.source_id, record.name, record.code)
        if aliased is not None and aliased[0] is kind:
            found[arrival.key] = aliased[1]
        elif aliased is None or isinstance(record, HubRecord):
            open_arrivals.append((arrival, record.name, record.code))
    fitting = {
        arrival.key: [names.codes.get((kind, code or ""), frozenset()), names.names.get((kind, name), frozenset())]
        for arrival, name, code in open_arrivals
    }
    live = await live_refs(work.tx, kind, {i for both in fitting.values() for ids in both for i in ids})
    own = {entity_id for entity_id, refs in live.items() if any(source == work.source_id for source, _ in refs)}
    for key, (by_code, by_name) in fitting.items():
        for candidates in (by_code if kind is EntityKind.HUB else by_code - own, by_name - own):
            if len(candidates) == 1:
                found[key] = next(iter(candidates))
                break
    return found


async def _hubs_among(work: Work, arrivals: Sequence[Arrival], names: PlaceNames) -> dict[RefKey, int]:
    """Records of sites that are hubs: known as such by this source, or by a code or name that only a hub has."""
    hubs: dict[RefKey, int] = {}
    rest: list[Arrival] = []
    for arrival in arrivals:
        landing = work.landings.get((EntityKind.HUB, arrival.key[1]))
        if landing is not None:
            hubs[arrival.key] = landing.draft.id
        elif arrival.known is None:
            rest.append(arrival)
        elif arrival.known.kind is EntityKind.HUB and arrival.known.entity_id is not None:
            hubs[arrival.key] = arrival.known.entity_id
    return hubs | await _match(work, EntityKind.HUB, rest, names)


async def _complete_hubs(work: Work, pairs: Sequence[tuple[Arrival, int]]) -> None:
    drafts = await load_drafts(work.tx, EntityKind.HUB, {entity_id for _, entity_id in pairs})
    for arrival, entity_id in pairs:
        record = arrival.record
        assert isinstance(record, SiteRecord)  # noqa: S101 - arrivals come sorted by kind
        draft = drafts[entity_id]
        lacking = {name: value for name, value in _place_values(record).items() if draft.after.get(name) is None}
        draft.after |= lacking
        if (EntityKind.HUB, arrival.key[1]) not in work.landings:
            work.land(arrival, draft, kind=EntityKind.HUB)
    await work.write(EntityKind.HUB, drafts.values())
