"""Which device is it? By its source's reference, else by the match rules; never by a guess.

What the rules leave unclear goes to quarantine with the question (`connector.ingest.reviews`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from connector.ingest.arrivals import Arrival
from connector.ingest.work import Question, Work
from connector.model.naming import host_key, serial_key, tag_key
from connector.model.records import AssetRecord
from connector.model.refs import EntityKind
from connector.rules.identity.facts import DeviceFacts, Fact, KnownDevice
from connector.rules.identity.matching import Verdict, match_records, resembling
from connector.storage.database.engine import Transaction
from connector.storage.sources.identities import look_up, match_rules_of
from connector.storage.sources.refs import RefKey

_PATHS = {Fact.SERIAL: "/serial", Fact.ASSET_TAG: "/asset_tag", Fact.MAC: "/macs", Fact.HOSTNAME: "/name"}


@dataclass(frozen=True, slots=True)
class Device:
    """A record with what it refers to. facts: by which devices are told apart; its maker is the catalogue's to tell."""

    arrival: Arrival
    record: AssetRecord
    facts: DeviceFacts
    place: tuple[EntityKind, int] | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules say of a record. facts: with its maker. devices: those that were looked at, by id.

    is_separate: a person has said that it is about a device of its own.
    """

    facts: DeviceFacts
    verdict: Verdict
    devices: Mapping[int, KnownDevice]
    is_separate: bool = False


def record_facts(record: AssetRecord, product_id: int | None, place: tuple[EntityKind, int] | None) -> DeviceFacts:
    """What a record states of the facts that are compared. product_id, place: what it refers to, where known."""
    return DeviceFacts(
        serial=serial_key(record.serial),
        asset_tag=tag_key(record.asset_tag),
        macs=frozenset(record.macs or ()),
        hostname=host_key(record.name),
        site=place[1] if place is not None and place[0] is EntityKind.SITE else None,
        product=product_id,
    )


async def identify(work: Work, devices: Sequence[Device], *, is_known: bool = True) -> dict[RefKey, int | None]:
    """The asset of each device, None for a new one; a device of which that is not clear is refused and left out.

    A serial is not unique and may be missing: two makers use the same one, and a source that knows two devices of
    one serial has two devices. An asset that this source calls by another reference is therefore another device.
    is_known: whether what was known of a reference counts.
    """
    matched: dict[RefKey, int | None] = {}
    new: dict[str, Device] = {}
    for device in devices:
        known = device.arrival.known
        if is_known and known is not None and known.entity_id is not None:
            matched[device.arrival.key] = known.entity_id
        else:
            new[device.arrival.key[1]] = device
    records = {name: device.facts for name, device in new.items()}
    judged = await judge(work.tx, work.source_id, records, in_full=False)
    for name, device in new.items():
        found = judged.get(name)
        if found is None:
            matched[device.arrival.key] = None
        elif found.is_separate:
            matched[device.arrival.key] = None
            work.separated.add(name)
        elif found.verdict.outcome == "review":
            _refuse(work, device, found)
        else:
            matched[device.arrival.key] = found.verdict.device
    return matched


async def judge(
    tx: Transaction, source_id: int, records: Mapping[str, DeviceFacts], *, own: int | None = None, in_full: bool = True
) -> dict[str, Judged]:
    """What the configured match rules say of records of a source, by their references; one statement for all of them.

    own: a device that is looked at as if the source had no record of it. in_full: without it, records that are new
    because no device that the hub knows resembles them are left out.
    """
    rules = match_rules_of(tx)
    known = await look_up(tx, source_id, records, rules)
    devices = [
        replace(device, sources=device.sources - {source_id}) if device.id == own else device
        for device in known.devices
    ]
    wanted = frozenset(records) if in_full else resembling(records, devices, rules)
    whole = {
        name: replace(records[name], manufacturer=known.makers.get(records[name].product or 0))
        for name in wanted | known.separate
    }
    told = {name: facts for name, facts in {**records, **whole}.items() if name not in known.separate}
    verdicts = match_records(told, devices, rules, source=source_id, wanted=wanted)
    by_id = {device.id: device for device in devices}
    said = Verdict("new", "a person has said that it is a device of its own", ())
    return {
        name: Judged(facts, verdicts.get(name, said), by_id, is_separate=name in known.separate)
        for name, facts in whole.items()
    }


def _refuse(work: Work, device: Device, judged: Judged) -> None:
    verdict, facts = judged.verdict, judged.facts
    found = [judged.devices[i] for i in verdict.candidates]
    names = " and ".join(described(known) for known in found)
    path = next(
        (_PATHS[fact] for attempt in verdict.attempts if attempt.found for fact in attempt.compared if fact in _PATHS),
        None,
    )
    work.refuse(
        device.arrival,
        f"{device.record.ref} (serial {facts.serial!r}, tag {facts.asset_tag!r}) is not told apart: {verdict.reason}: "
        f"{names}. Say which one it is (`connector identity list`), or correct one of the sources and replay this.",
        path=path,
        question=Question(device.record.name, facts, verdict, found),
    )


def described(device: KnownDevice) -> str:
    """A device as sentences name it."""
    facts = device.facts
    return (
        f"asset {device.id} ({device.name or 'no name'}, serial {facts.serial or 'none'}, "
        f"tag {facts.asset_tag or 'none'})"
    )
