"""Which of the known devices each of some records of one source is about, and why: exactly one, none, or unclear.

Every rule is tried. Where one finds several devices, the others may leave one of them; where two find different ones,
nothing is decided. Nothing here depends on the order in which records or devices are given.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar

from connector.rules.identity.facts import Agreement, DeviceFacts, Fact, KnownDevice
from connector.rules.identity.match_rules import MatchRule

Outcome: TypeAlias = Literal["link", "new", "review"]
K = TypeVar("K", bound=Hashable)
_Key: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A device that has what the rule looks for and is another one all the same. reason: for people."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one rule came to. compared: what the record states, by fact; empty where it states too little to compare.

    found: the devices that it finds. left_out: those that have the same and are others. note: what else is to be said.
    """

    rule: str
    compared: Mapping[Fact, tuple[str | int, ...]]
    found: tuple[int, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a record. device: whom to link it with. reason: for people, why it is as it is.

    candidates: the devices between which a review has to choose, as the rules found them.
    """

    outcome: Outcome
    reason: str
    attempts: tuple[Attempt, ...]
    device: int | None = None
    candidates: tuple[int, ...] = ()


def match_records(
    records: Mapping[K, DeviceFacts],
    known: Sequence[KnownDevice],
    rules: Sequence[MatchRule],
    *,
    source: int,
    wanted: Collection[K] | None = None,
) -> dict[K, Verdict]:
    """A verdict for each record that its source's reference does not settle.

    known: at least all devices that share a value with one of the records. source: whose records they are; a device
    that it knows by another reference is another one. wanted: the records whose verdict is wanted, all where it is
    None; what the others state counts.
    """
    if wanted is not None and not wanted:
        return {}
    finders = [_Finder(rule, records.values(), known, source) for rule in rules]
    by_id = {device.id: device for device in known}
    verdicts = {key: _verdict(facts, [finder.attempt(facts) for finder in finders], by_id)
                for key, facts in records.items() if wanted is None or key in wanted}  # fmt: skip
    takers = Counter(verdict.device for verdict in verdicts.values() if verdict.device is not None)
    return {
        key: verdict
        if verdict.device is None or takers[verdict.device] == 1
        else _wanted_twice(verdict, verdict.device)
        for key, verdict in verdicts.items()
    }


def resembling(
    records: Mapping[K, DeviceFacts], known: Sequence[KnownDevice], rules: Sequence[MatchRule]
) -> frozenset[K]:
    """The records that state what a rule looks for as one of these devices has it; the others are new by every rule."""
    found: set[K] = set()
    for rule in rules if known else ():
        held = {key for device in known for key in _keys(rule, device.facts)}
        found |= {name for name, facts in records.items() if not held.isdisjoint(_keys(rule, facts))}
    return frozenset(found)


class _Finder:
    """One rule, with the known devices by what it looks for."""

    def __init__(
        self, rule: MatchRule, records: Iterable[DeviceFacts], known: Iterable[KnownDevice], source: int
    ) -> None:
        self._rule = rule
        self._source = source
        self._devices: dict[_Key, list[KnownDevice]] = defaultdict(list)
        for device in sorted(known, key=lambda device: device.id):
            for key in _keys(rule, device.facts):
                self._devices[key].append(device)
        self._said = Counter(key for facts in records for key in _keys(rule, facts)) if rule.none_of_several else {}

    def attempt(self, facts: DeviceFacts) -> Attempt:
        """What the rule finds for a record."""
        rule, keys = self._rule, _keys(self._rule, facts)
        if not keys:
            missing = [fact.value for fact in rule.equal if not facts.stated(fact)]
            return Attempt(rule.name, {}, note=f"the record states no {' and no '.join(missing)}")
        compared = {fact: tuple(sorted(facts.stated(fact), key=str)) for fact in rule.equal}
        found: dict[int, KnownDevice] = {}
        left_out: dict[int, LeftOut] = {}
        shared: list[str] = []
        for key in keys:
            devices = self._devices.get(key, [])
            if self._is_shared(key, devices):
                shared.append(" at site ".join(str(part) for part in key))
                continue
            for device in devices:
                reason = self._why_not(facts, device)
                if reason is None:
                    found[device.id] = device
                else:
                    left_out[device.id] = LeftOut(device.id, reason)
        note = f"several devices have {' and '.join(shared)}, so that identifies none of them" if shared else None
        kept = tuple(sorted(_in_use(found.values())))
        passed = {i: LeftOut(i, "it is retired, and another one that is in use fits") for i in found if i not in kept}
        others = tuple(left for i, left in sorted((left_out | passed).items()))
        return Attempt(rule.name, compared, kept, others, note)

    def _is_shared(self, key: _Key, devices: Sequence[KnownDevice]) -> bool:
        if self._rule.none_of_several is None:
            return False
        if self._said[key] > 1:
            return True
        live = [device for device in devices if not device.is_retired]
        if self._rule.none_of_several == "all":
            return len(live) > 1
        return any(count > 1 for count in Counter(source for device in live for source in device.sources).values())

    def _why_not(self, facts: DeviceFacts, device: KnownDevice) -> str | None:
        if self._source in device.sources:
            return "the source has another record of it"
        if device.is_retired and not self._rule.revives:
            return "it is retired"
        differ = [fact.value for fact in self._rule.unless if facts.compare(fact, device.facts) is Agreement.DIFFERS]
        return f"{' and '.join(differ).replace('_', ' ')} differ{'' if len(differ) > 1 else 's'}" if differ else None


def _keys(rule: MatchRule, facts: DeviceFacts) -> list[_Key]:
    """The combinations of values by which the rule looks for a device, none where one is not stated."""
    keys: list[_Key] = [()]
    for fact in rule.equal:
        keys = [(*key, value) for key in keys for value in sorted(facts.stated(fact), key=str)]
    return keys


def _in_use(devices: Iterable[KnownDevice]) -> list[int]:
    """Those in use; the retired ones where all are."""
    devices = list(devices)
    return [device.id for device in devices if not device.is_retired] or [device.id for device in devices]


def _verdict(facts: DeviceFacts, attempts: Sequence[Attempt], known: Mapping[int, KnownDevice]) -> Verdict:
    tried = tuple(attempts)
    hits = [attempt for attempt in tried if attempt.found]
    if not hits:
        return Verdict("new", "no rule finds a device that the hub knows", tried)
    first = hits[0]
    left, names = set(first.found), [first.rule]
    for hit in hits[1:]:
        both = left & set(hit.found)
        if both:
            left = both
            names.append(hit.rule)
        elif any(known[i].is_retired for i in hit.found) and not any(known[i].is_retired for i in left):
            continue  # what an earlier rule finds in use is not called into question by what is out of use
        else:
            every = tuple(dict.fromkeys(i for attempt in hits for i in attempt.found))
            told = f"{_finding(names, 'find')} {_named(sorted(left))}, {hit.rule} finds {_named(hit.found)}"
            return Verdict("review", f"the rules contradict each other: {told}", tried, candidates=every)
    one = _narrowed(facts, [known[i] for i in sorted(left)])
    if len(one) > 1:
        ids = tuple(device.id for device in one)
        return Verdict("review", f"{_finding(names, 'fit')} more than one device", tried, candidates=ids)
    return Verdict(
        "link",
        f"{_finding(names, 'find')} it and nothing contradicts",
        tried,
        device=one[0].id,
        candidates=(one[0].id,),
    )


def _narrowed(facts: DeviceFacts, devices: list[KnownDevice]) -> list[KnownDevice]:
    """Of several, those of the product that the record names, then those in use."""
    same = [device for device in devices if facts.compare(Fact.PRODUCT, device.facts) is Agreement.AGREES]
    devices = same or devices
    return [device for device in devices if not device.is_retired] or devices


def _wanted_twice(verdict: Verdict, device: int) -> Verdict:
    reason = "another record of this source fits the same device"
    return replace(verdict, outcome="review", device=None, reason=reason, candidates=(device,))


def _finding(names: Sequence[str], verb: str) -> str:
    return f"{' and '.join(names)} {verb}{'s' if len(names) == 1 else ''}"


def _named(ids: Sequence[int]) -> str:
    return " and ".join(f"asset {i}" for i in ids)
