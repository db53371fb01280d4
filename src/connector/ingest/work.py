"""What one batch does: where its records land, what they refer to, and which of them cannot be used yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.ingest.applied import Left
from connector.ingest.arrivals import Arrival
from connector.ingest.golden import Golden
from connector.model.refs import EntityKind, SourceRef
from connector.rules.golden.fields import FIELDS
from connector.rules.identity.facts import DeviceFacts, KnownDevice
from connector.rules.identity.matching import Verdict
from connector.storage.database.drafts import Draft, Values, write_drafts
from connector.storage.database.engine import Transaction
from connector.storage.sources.refs import RefKey, RefState, entity_ids, known_refs, live_refs
from connector.storage.stock.book import Shelf


@dataclass(frozen=True, slots=True)
class Landing:
    """A record that found its row. kind: of the row, which a place may turn out to be only here.

    complete: all of it could be used; otherwise it is looked at again whenever it comes.
    """

    arrival: Arrival
    draft: Draft
    kind: EntityKind
    complete: bool
    placement: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """Which device is a record about? candidates: those between which a person is asked to choose."""

    name: str | None
    facts: DeviceFacts
    verdict: Verdict
    candidates: Sequence[KnownDevice]


@dataclass(frozen=True, slots=True)
class Problem:
    """A record that cannot be used. waits_for: the reference whose arrival would change that. question: for people."""

    arrival: Arrival
    reason: str
    waits_for: str | None
    path: str | None
    question: Question | None = None


@dataclass(slots=True)
class Work:
    """One batch of one source inside the caller's transaction.

    separated: records that are devices of their own because a person has said so.
    """

    tx: Transaction
    source_id: int
    actor: str
    cause: str
    at: datetime
    landings: dict[RefKey, Landing] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    ref_states: list[RefState] = field(default_factory=list)
    shelves: set[Shelf] = field(default_factory=set)
    separated: set[str] = field(default_factory=set)
    created: int = 0
    updated: int = 0
    deleted: int = 0
    left: list[Left] = field(default_factory=list)
    golden: Golden = field(init=False)

    def __post_init__(self) -> None:
        """Begin without evidence."""
        self.golden = Golden(self)

    def land(
        self,
        arrival: Arrival,
        draft: Draft,
        *,
        kind: EntityKind | None = None,
        complete: bool = True,
        placement: str | None = None,
    ) -> None:
        """The record belongs to this row."""
        kind = kind or arrival.key[0]
        self.landings[kind, arrival.key[1]] = Landing(arrival, draft, kind, complete, placement)

    def refuse(
        self,
        arrival: Arrival,
        reason: str,
        *,
        waits_for: str | None = None,
        path: str | None = None,
        question: Question | None = None,
    ) -> None:
        """The record cannot be used; it is kept whole with the reason."""
        self.problems.append(Problem(arrival, reason, waits_for, path, question))

    def refuse_unknown(self, arrival: Arrival, what: str, waits_for: str, *, path: str) -> None:
        """The record refers to something that has not arrived yet."""
        self.refuse(
            arrival,
            f"{arrival.record.ref} refers to {what}, which is not known yet. "
            "It is applied by itself when that arrives.",
            waits_for=waits_for,
            path=path,
        )

    async def write(self, kind: EntityKind, drafts: Iterable[Draft]) -> None:
        """Write the drafts of one kind; new ones get their id."""
        written = await write_drafts(self.tx, kind, drafts, actor=self.actor, cause=self.cause, at=self.at)
        self.created += written.created
        self.updated += written.updated

    async def resolve(self, refs: Iterable[SourceRef]) -> dict[RefKey, int]:
        """The things behind references of this source: those of this batch, and all that were known before."""
        keys = {(ref.kind, ref.external_id) for ref in refs}
        found = {key: self.landings[key].draft.id for key in keys if key in self.landings}
        known = await known_refs(self.tx, self.source_id, keys - found.keys())
        return found | entity_ids(known)

    async def merge(self, changes: Sequence[tuple[Arrival, Draft, Values]]) -> None:
        """Put what records state into their drafts; of things that several sources know, what holds of it.

        Otherwise a value of None is taken over only where nobody else can have said otherwise: when this reference is
        the only one to the thing. A thing that was retired is back.
        """
        if not changes:
            return
        kind = changes[0][1].kind
        if kind in FIELDS:
            await self.golden.take(changes)
        else:
            await self._overlay(kind, changes)
        for _, draft, _ in changes:
            if draft.after.get("retired_at") is not None:
                draft.after["retired_at"] = None

    async def _overlay(self, kind: EntityKind, changes: Sequence[tuple[Arrival, Draft, Values]]) -> None:
        silent = {
            draft.id
            for _, draft, values in changes
            if draft.before and any(value is None and draft.after[name] is not None for name, value in values.items())
        }
        live = await live_refs(self.tx, kind, silent)
        for arrival, draft, values in changes:
            own = {(self.source_id, arrival.known.id)} if arrival.known else set()
            may_erase = draft.before is None or (bool(own) and live.get(draft.id, own) <= own)
            draft.after |= values if may_erase else stated(values)


def stated(values: Values) -> dict[str, Any]:
    """Only the values that are there."""
    return {name: value for name, value in values.items() if value is not None}


def by_key(ids: Mapping[RefKey, int], ref: SourceRef) -> int | None:
    """The thing behind a reference, None when it is not known."""
    return ids.get((ref.kind, ref.external_id))
