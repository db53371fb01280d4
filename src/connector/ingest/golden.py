"""Golden values: what holds of what sources state, put into drafts when that changes, and only then.

A draft's column is written when a statement makes another value hold than before, so that what the hub or a person did
since is not undone by a record that is merely said again. Fields that are events are written by those who know what
else they mean; here is only kept who said what of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connector.ingest.arrivals import Arrival
from connector.model.refs import EntityKind
from connector.rules.golden.choosing import Choice, Precedence, Said, Statement, Teller, choose
from connector.rules.golden.fields import FIELDS, UNIQUE, Field
from connector.rules.golden.stating import restated
from connector.storage.database.drafts import TABLES, Draft, Values, find_rows
from connector.storage.golden.conflicts import note_conflicts
from connector.storage.golden.evidence import Evidence, Told, gather, microseconds
from connector.storage.golden.values import column_value, statement_value, statement_values
from connector.storage.sources.refs import RefKey
from connector.storage.stock.book import SHELF_COLUMNS, claimed_assets, shelf_of

if TYPE_CHECKING:
    from connector.ingest.work import Work


class Golden:
    """What is said of the things of a batch, as the batch changes it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._evidence: dict[EntityKind, Evidence] = {}
        self._new: dict[Draft, Told] = {}
        self.said: dict[RefKey, Said] = {}
        """What references of this source say, where that has changed."""
        self.weighed: dict[Draft, Told] = {}
        """Things of which something else is said now."""

    async def load(self, kind: EntityKind, ids: Collection[int]) -> None:
        """Read what is said of these things, unless that has been done."""
        known = self._evidence.get(kind)
        missing = {row_id for row_id in ids if row_id and (known is None or row_id not in known.things)}
        if known is None or missing:
            found = await gather(self._work.tx, kind, missing, source_id=self._work.source_id)
            if known is not None:
                found.things |= known.things
            self._evidence[kind] = found

    def yields(self, draft: Draft, name: str) -> bool:
        """Whether what this source says of an event does not count for the thing, which has been loaded."""
        evidence, told = self._evidence[draft.kind], self._told(draft)
        others = {source for source, _ in told.of(name)} if told.by_ref else ()
        return evidence.precedence.yields(draft.kind, name, evidence.source, others)

    async def take(self, changes: Sequence[tuple[Arrival, Draft, Values]]) -> None:
        """Keep what the records state, and put into their drafts what holds because of it.

        values: columns that a record states or leaves open with None. A field of which no column is there is left as it
        was said before.
        """
        kind = changes[0][1].kind
        await self.load(kind, {draft.id for _, draft, _ in changes})
        heard, at = self._evidence[kind].source, microseconds(self._work.at)
        clashing: list[tuple[Draft, Field, Choice]] = []
        for arrival, draft, values in changes:
            told, teller, version = self._told(draft), (heard, arrival.key[1]), arrival.said.updated_at
            before = told.by_ref.get(teller, {})
            after = restated(
                kind, told.by_ref, teller, statement_values(values),
                at=at, version=None if version is None else microseconds(version),
            )  # fmt: skip
            told.by_ref[teller] = after
            if before == after:
                continue
            self.said[kind, arrival.key[1]] = after
            self.weighed[draft] = told
            changed = {name: before.get(name) for name in before | after if before.get(name) != after.get(name)}
            if speaks_alone(told):
                for name, was in changed.items():
                    self._follow(draft, told, name, was, after.get(name))
            else:
                for name, was in changed.items():
                    clashing += self._shift(draft, name, teller, was, heard=heard)
        await self._write_unique(kind, clashing)

    async def withdraw(self, kind: EntityKind, leaving: Mapping[str, Draft]) -> list[Draft]:
        """Things that stay without some references of this source: what others say holds then.

        leaving: what the source calls them. What nobody else states stays as the last that is known. Returns the drafts
        that may have changed.
        """
        await self.load(kind, {draft.id for draft in leaving.values()})
        clashing: list[tuple[Draft, Field, Choice]] = []
        for external_id, draft in leaving.items():
            teller, told = (self._evidence[kind].source, external_id), self._told(draft)
            gone = told.by_ref.pop(teller, {})
            self.weighed[draft] = told
            for name, statement in gone.items():
                if told.of(name):
                    clashing += self._shift(draft, name, teller, statement, heard=None)
        await self._write_unique(kind, clashing)
        return list(dict.fromkeys(leaving.values()))

    async def reconsider(self, drafts: Mapping[int, Draft], kind: EntityKind, before: Precedence) -> None:
        """Let things follow where another precedence makes something else hold; `before` is the one until now.

        A unit that is promised to a ticket stays the product that it was promised as.
        """
        await self.load(kind, drafts.keys())
        now = self._evidence[kind].precedence
        held = await claimed_assets(self._work.tx, drafts.keys()) if kind is EntityKind.ASSET else frozenset()
        clashing: list[tuple[Draft, Field, Choice]] = []
        for draft in drafts.values():
            told = self._told(draft)
            self.weighed[draft] = told
            for name, field in FIELDS[kind].items():
                said = told.of(name)
                was, holds = (choose(kind, name, said, rules) for rules in (before, now))
                if was is None or holds is None or was.statement.values == holds.statement.values:
                    continue
                if field.is_event or name in told.overrides or (name == "product" and draft.id in held):
                    continue
                if (kind, name) in UNIQUE:
                    clashing.append((draft, field, holds))
                else:
                    put(self._work, draft, field, holds.statement.values)
        await self._write_unique(kind, clashing)

    async def holding(self, draft: Draft, name: str) -> tuple[Any, ...] | None:
        """What holds of what sources state of a field; None where none states anything."""
        await self.load(draft.kind, {draft.id})
        said = self._told(draft).of(name)
        choice = choose(draft.kind, name, said, self._evidence[draft.kind].precedence)
        return None if choice is None else choice.statement.values

    def mark_overridden(
        self, draft: Draft, name: str, values: tuple[Any, ...] | None
    ) -> tuple[list[str] | None, list[str] | None]:
        """Note that a field is overridden with these values, or no longer; the overridden fields before and after."""
        told = self._told(draft)
        self.weighed[draft] = told
        before = sorted(told.overrides)
        told.overrides = {each: given for each, given in told.overrides.items() if each != name}
        if values is not None:
            told.overrides[name] = values
        return before or None, sorted(told.overrides) or None

    async def note(self) -> None:
        """Note where sources contradict each other now, of the things of which something else is said than before."""
        kinds = dict.fromkeys(draft.kind for draft in self.weighed)
        for kind in kinds:
            things = [(draft.id, told) for draft, told in self.weighed.items() if draft.kind is kind]
            await note_conflicts(self._work.tx, kind, things, self._evidence[kind].precedence, at=self._work.at)

    def _told(self, draft: Draft) -> Told:
        if draft.before is None:
            told = self._new.get(draft)
            if told is None:
                told = self._new[draft] = Told()
            return told
        return self._evidence[draft.kind].things[draft.id]

    def _shift(
        self, draft: Draft, name: str, teller: Teller, was: Statement | None, *, heard: str | None
    ) -> Iterable[tuple[Draft, Field, Choice]]:
        """Let a field follow where a reference said something else of it before; returns what has to be looked up.

        was: what that was, None for nothing. The reference's own word is free to be taken, its record having been
        matched by it.
        """
        field, told = FIELDS[draft.kind][name], self._told(draft)
        if field.is_event or name in told.overrides:
            return
        said, precedence = told.of(name), self._evidence[draft.kind].precedence
        others = {each: one for each, one in said.items() if each != teller}
        before = choose(draft.kind, name, others if was is None else {**others, teller: was}, precedence, heard=heard)
        after = choose(draft.kind, name, said, precedence, heard=heard)
        held = None if before is None else before.statement
        if after is None:
            self._follow(draft, told, name, held, None)
        elif (draft.kind, name) not in UNIQUE or after.teller == teller:
            self._follow(draft, told, name, held, after.statement)
        elif held is None or held.values != after.statement.values:
            yield draft, field, after

    def _follow(self, draft: Draft, told: Told, name: str, was: Statement | None, now: Statement | None) -> None:
        """Let a field follow from the statement that held to the one that holds."""
        field = FIELDS[draft.kind][name]
        if field.is_event or name in told.overrides:
            return
        if now is None:
            if was is not None and not field.is_kept and _holds(draft, field, was.values):
                set_field(draft, field, (None,) * len(field.columns))
        elif was is None or was.values != now.values:
            put(self._work, draft, field, now.values)

    async def _write_unique(self, kind: EntityKind, clashing: Sequence[tuple[Draft, Field, Choice]]) -> None:
        """Fall back to what another source states, unless another thing has it meanwhile."""
        for draft, field, choice in clashing:
            (column,), (value,) = field.columns, choice.statement.values
            owners = await find_rows(self._work.tx, kind, column, [value], columns=())
            if all(row["id"] == draft.id for row in owners):
                put(self._work, draft, field, choice.statement.values)


def speaks_alone(told: Told) -> bool:
    """Whether no other reference leads to the thing, so that whatever this one says holds."""
    return len(told.by_ref) == 1


def put(work: Work, draft: Draft, field: Field, values: Sequence[Any]) -> None:
    """Give a field a value; the shelves that a unit leaves and comes to by it are counted anew."""
    if draft.kind is not EntityKind.ASSET or SHELF_COLUMNS.isdisjoint(field.columns):
        set_field(draft, field, values)
        return
    left = shelf_of(draft.after)
    set_field(draft, field, values)
    work.shelves |= {shelf for shelf in (left, shelf_of(draft.after)) if shelf is not None}


def set_field(draft: Draft, field: Field, values: Sequence[Any]) -> None:
    """Set the columns of a field to values as JSON has them; a column that may not be missing is left as it is."""
    for column, value in zip(field.columns, values, strict=True):
        if value is not None or TABLES[draft.kind].c[column].nullable:
            draft.after[column] = column_value(draft.kind, column, value)


def _holds(draft: Draft, field: Field, values: Sequence[Any]) -> bool:
    return tuple(statement_value(draft.after.get(column)) for column in field.columns) == tuple(values)
