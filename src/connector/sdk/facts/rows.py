"""What a document says about rows: where their identifier, their time and the fields of a record stand. Facts alone.

Shapes and single values are checked here, what belongs together in `consistency`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from connector.sdk.config import TimeZone
from connector.sdk.facts.expressions import Path
from connector.sdk.facts.times import EPOCH, SPELLINGS, Spelling

MOST_FIELDS = 60
MOST_WORDS = 500
LONGEST_TEXT = 2_000


def _word(value: object) -> object:
    """What YAML takes for a number or a truth, as the text that it stands for in JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return str(value) if isinstance(value, int | float) else value


def _words(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {_word(theirs): None if ours is None else _word(ours) for theirs, ours in value.items()}


def _spelling(form: str) -> str:
    if form in SPELLINGS:
        return form
    if "%" not in form:
        raise ValueError(f"{form!r} is none of {', '.join(SPELLINGS)}, and no pattern such as '%d.%m.%Y %H:%M'")
    try:
        datetime.strptime(EPOCH.strftime(form), form)  # noqa: DTZ007 - whether it can be read at all
    except ValueError as error:
        raise ValueError(f"{form!r} is no pattern that can be read again: {error}") from None
    return form


def _header(name: str) -> str:
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{name!r} is no name of a header: letters, digits and hyphens")
    return name


Name = Annotated[str, Field(min_length=1, max_length=100)]
Word = Annotated[str, BeforeValidator(_word), Field(max_length=LONGEST_TEXT)]
Words = Annotated[dict[str, str | None], BeforeValidator(_words), Field(min_length=1, max_length=MOST_WORDS)]
TimeForm = Annotated[str, Field(max_length=60), AfterValidator(_spelling)]
HeaderName = Annotated[Name, AfterValidator(_header)]


class Facts(BaseModel):
    """A part of a document. What it does not name is a mistake."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", arbitrary_types_allowed=True)


class Match(Facts):
    """Rows of which a value is one of these, as text; `null` where there is none."""

    path: Path
    values: Annotated[tuple[Word, ...], Field(min_length=1, max_length=MOST_WORDS)]


def _as_field(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


class FieldFacts(Facts):
    """Where a field's value comes from: a place in the row, or one value for all.

    values: ours by theirs, null says nothing. otherwise: ours for what `values` does not list. factor: ours is so many
    times theirs, for units.
    """

    path: Path | None = None
    value: Word | None = None
    values: Words | None = None
    otherwise: Word | None = None
    factor: Annotated[Decimal, Field(gt=0, le=1_000_000)] | None = None


class RowFacts(Facts):
    """Rows of one kind. id: a row's own, stable identifier."""

    record: Name | None = None
    id: Path
    updated_at: Path | None = None
    deleted: Match | None = None
    skip: Annotated[tuple[Match, ...], Field(max_length=20)] = ()
    times: TimeForm | None = None
    time_zone: TimeZone | None = None
    fields: Annotated[dict[Name, Annotated[FieldFacts, BeforeValidator(_as_field)]], Field(max_length=MOST_FIELDS)]


class SystemFacts(Facts):
    """A system. times, time_zone: of all rows whose part of the document says nothing else."""

    system: Name
    times: TimeForm = "iso"
    time_zone: TimeZone | None = None

    def spelling(self, rows: RowFacts) -> Spelling:
        """How rows write times."""
        return Spelling(rows.times or self.times, rows.time_zone or self.time_zone)
