"""From a row to a record by the facts of its document. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, TypeAlias

from connector.model.errors import InvalidRecord
from connector.model.geo import Point
from connector.model.records import AssetRecord, Record, TicketRecord, Tombstone
from connector.model.refs import SourceRef
from connector.sdk.adapter import Rejected
from connector.sdk.facts.consistency import record_of
from connector.sdk.facts.kinds import KINDS, Form, RecordKind, Target
from connector.sdk.facts.rows import FieldFacts, Match, RowFacts
from connector.sdk.facts.times import Spelling
from connector.sdk.rest.fields import valid

LARGEST_NUMBER = 10**15
LONGEST_ID = 255
AHEAD = timedelta(days=1)
"""A row that is stamped further ahead than this would hide the changes until then."""
TRUE, FALSE = frozenset({"true", "yes", "y", "1", "on"}), frozenset({"false", "no", "n", "0", "off"})

Values: TypeAlias = str | bool | int | float | date | datetime | tuple[str, ...] | SourceRef | tuple[SourceRef, ...]


@dataclass(frozen=True, slots=True)
class RowReader:
    """Makes the records of one kind of row. needs_time: a row that does not say when it changed is rejected."""

    kind: RecordKind
    facts: RowFacts
    spelling: Spelling
    needs_time: bool = False

    @classmethod
    def of(cls, name: str, facts: RowFacts, spelling: Spelling, *, needs_time: bool = False) -> RowReader:
        """The reader of rows, by the name of their part of a document that was found consistent."""
        record = record_of(name, {"record": facts.record} if facts.record else {})
        return cls(KINDS[str(record)], facts, spelling, needs_time)

    def read(self, row: object, now: datetime) -> Record | Rejected | None:
        """What a row says: a record, that it is gone, or why it cannot be used; None where it is to be passed over."""
        ref: SourceRef | None = None
        try:
            if any(matches(row, match) for match in self.facts.skip):
                return None
            ref = self._ref(row)
            updated_at = self.updated_at(row, now)
            if self.facts.deleted and matches(row, self.facts.deleted):
                return Tombstone(ref=ref, updated_at=updated_at)
            return self._record(row, ref, updated_at)
        except InvalidRecord as error:
            return Rejected(ref=ref, raw=raw_row(row), reason=str(error), path=error.path)

    def updated_at(self, row: object, now: datetime) -> datetime | None:
        """When the row changed. Raises InvalidRecord."""
        if self.facts.updated_at is None:
            return None
        found = self.facts.updated_at.search(row)
        if found is None or found == "":
            if not self.needs_time:
                return None
            raise InvalidRecord(f"updated_at: there is no time at {str(self.facts.updated_at)!r}")
        try:
            at = self.spelling.read_change(found)
        except InvalidRecord as error:
            raise InvalidRecord(f"updated_at at {str(self.facts.updated_at)!r}: {error}") from None
        if at > now + AHEAD:
            raise InvalidRecord(
                f"updated_at {at.isoformat()} lies in the future",
                hint="Correct the row over there, or `times` and `time_zone` of the stream.",
            )
        return at

    def _ref(self, row: object) -> SourceRef:
        found = self.facts.id.search(row)
        text = str(found).strip() if isinstance(found, str | int) and not isinstance(found, bool) else ""
        if not 0 < len(text) <= LONGEST_ID:
            raise InvalidRecord(
                f"id: {found!r:.60} at {str(self.facts.id)!r} is no identifier of 1 to {LONGEST_ID} characters"
            )
        return valid(lambda: SourceRef(kind=self.kind.entity, external_id=text))

    def _record(self, row: object, ref: SourceRef, updated_at: datetime | None) -> Record:
        tree: dict[str, Any] = {"ref": ref, "updated_at": updated_at}
        for name, target in self.kind.targets.items():
            facts = self.facts.fields.get(name)
            value = None if facts is None else self._value(row, name, facts, target)
            if value is not None:
                _put(tree, target.path, value)
        _complete(tree, self.kind)
        return valid(lambda: self.kind.record(**tree))

    def _value(self, row: object, name: str, facts: FieldFacts, target: Target) -> Values | None:
        found = facts.value if facts.path is None else facts.path.search(row)
        where = f"{name} at {str(facts.path)!r}" if facts.path else name
        try:
            if facts.values is not None:
                found = _translated(found, facts)
            if found is None or found == "":
                return None
            return self._formed(found, facts, target)
        except InvalidRecord as error:
            raise InvalidRecord(f"{where}: {error}", path=error.path) from None

    def _formed(self, found: object, facts: FieldFacts, target: Target) -> Values | None:
        match target.form:
            case Form.TEXT:
                return _text(found) or None
            case Form.TEXTS:
                return tuple(text for item in _list(found) if (text := _text(item)))
            case Form.WHOLE:
                return _whole(found, facts.factor)
            case Form.DECIMAL:
                return float(_number(found) * (facts.factor or 1))
            case Form.TRUTH:
                return _truth(found)
            case Form.TIME:
                return self.spelling.read(found)
            case Form.DAY:
                return self.spelling.read_day(found)
            case Form.WORD:
                return _word(found, target)
            case Form.REF:
                return _reference(found, target)
            case Form.REFS:
                return tuple(_reference(item, target) for item in _list(found))


def raw_row(row: object) -> bytes:
    """A row as JSON, for people."""
    return json.dumps(row, ensure_ascii=False, default=str).encode(errors="replace")


def matches(row: object, match: Match) -> bool:
    """Whether what stands there is one of the values. Raises InvalidRecord."""
    found = match.path.search(row)
    return any(_plain(item) in match.values for item in (found if isinstance(found, list) else [found]))


def _plain(value: object) -> str | None:
    """A single value as the text that it is compared by."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() if isinstance(value, str | int | float) else None


def _translated(found: object, facts: FieldFacts) -> object:
    table = facts.values or {}
    key = _plain(found)
    if key is not None:
        folded = {theirs.casefold(): ours for theirs, ours in table.items()}
        if key in table:
            return table[key]
        if key.casefold() in folded:
            return folded[key.casefold()]
    if found is None or found == "":
        return None
    if facts.otherwise is not None:
        return facts.otherwise
    raise InvalidRecord(
        f"{found!r:.80} is none of {', '.join(table)}"[:600],
        hint="Add it to `values`, or say what others mean: `otherwise`.",
    )


def _text(found: object) -> str:
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, str | int | float):
        return str(found).strip()
    raise InvalidRecord(f"is a {_named(found)}, expected text", hint="Name the place of one value within it.")


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _named(found: object) -> str:
    return "list" if isinstance(found, list) else "object" if isinstance(found, Mapping) else type(found).__name__


def _number(found: object) -> Decimal:
    if isinstance(found, str | int | float) and not isinstance(found, bool):
        try:
            number = Decimal(str(found).strip())
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite() and abs(number) <= LARGEST_NUMBER:
            return number
    raise InvalidRecord(f"{found!r:.60} is no number")


def _whole(found: object, factor: Decimal | None) -> int:
    number = _number(found)
    if factor is not None:
        return int((number * factor).to_integral_value(ROUND_HALF_UP))
    if number != number.to_integral_value():
        raise InvalidRecord(f"{found!r:.60} is no whole number", hint="For another unit say `factor`.")
    return int(number)


def _truth(found: object) -> bool:
    text = (_plain(found) or "").casefold()
    if text in TRUE | FALSE:
        return text in TRUE
    raise InvalidRecord(
        f"{found!r:.60} is neither true nor false", hint="Say by `values` which of their words is which."
    )


def _word(found: object, target: Target) -> str:
    text = _text(found)
    if text in target.words:
        return text
    word = text.casefold().replace("-", "_").replace(" ", "_")
    by_folded = {each.casefold(): each for each in target.words}
    if word in by_folded:
        return by_folded[word]
    raise InvalidRecord(f"{text!r:.80} is none of {', '.join(target.words)}", hint="Translate it by `values`.")


def _reference(found: object, target: Target) -> SourceRef:
    text = _text(found)
    if target.kind is None or not 0 < len(text) <= LONGEST_ID:
        raise InvalidRecord(f"{text!r:.60} is no identifier")
    kind = target.kind
    return valid(lambda: SourceRef(kind=kind, external_id=text))


def _put(tree: dict[str, Any], path: tuple[str, ...], value: Values) -> None:
    """Put a value where it belongs; an identifier stands before names, and a hub before a site."""
    first, *more = path
    if not more:
        tree.setdefault(first, value)
    elif isinstance(branch := tree.setdefault(first, {}), dict):
        branch[more[0]] = value


def _complete(tree: dict[str, Any], kind: RecordKind) -> None:
    """Leave out what is only half known and may be unknown: a product without its model, a point without latitude."""
    point = tree.pop("point", None)
    if isinstance(point, dict) and len(point) == 2:
        tree["point"] = valid(lambda: Point(point["latitude"], point["longitude"]))
    product = tree.get("product")
    if (
        kind.record in (AssetRecord, TicketRecord)
        and isinstance(product, dict)
        and not {"manufacturer", "model"} <= set(product)
    ):
        del tree["product"]
