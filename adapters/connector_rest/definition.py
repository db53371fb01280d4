"""What a document says about a system: facts, no conditions, no loops, no code.

Shapes and single values are checked here, what belongs together in `consistency`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl

from connector_rest.expressions import Path
from connector_rest.templates import MOST_VALUES, body_gaps, gaps, size_of
from connector_rest.times import EPOCH, SPELLINGS, Spelling

MOST_STREAMS = 20
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


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"time zone {name!r} is not in the IANA database: write e.g. 'Europe/Berlin'") from None
    return name


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


def _path(path: str) -> str:
    if "://" in path or path.startswith("//"):
        raise ValueError(f"{path!r} names a host: write the path alone, the host is base_url's")
    if "?" in path or "#" in path:
        raise ValueError(f"{path!r} has a query: write it under `params`")
    if any(part in (".", "..") for part in path.split("/")):
        raise ValueError(f"{path!r} leads out of base_url")
    if any(sign.isspace() or not sign.isprintable() for sign in path):
        raise ValueError(f"{path!r} has blanks: write %20 where one belongs there")
    return path


def _path_template(path: str) -> str:
    list(gaps(path))
    return _path(path)


def _body(body: Any) -> Any:
    list(body_gaps(body))
    if (count := size_of(body)) > MOST_VALUES:
        raise ValueError(f"has {count} values, at most {MOST_VALUES} are allowed")
    return body


def _template(text: str) -> str:
    list(gaps(text))
    return text


def _header(name: str) -> str:
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{name!r} is no name of a header: letters, digits and hyphens")
    return name


def _header_value(value: str) -> str:
    if not value.isprintable():
        raise ValueError("has a line break or another sign that no header may have")
    return value


Name = Annotated[str, Field(min_length=1, max_length=100)]
Word = Annotated[str, BeforeValidator(_word), Field(max_length=LONGEST_TEXT)]
Words = Annotated[dict[str, str | None], BeforeValidator(_words), Field(min_length=1, max_length=MOST_WORDS)]
Zone = Annotated[str, AfterValidator(_zone)]
TimeForm = Annotated[str, Field(max_length=60), AfterValidator(_spelling)]
UrlPath = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_path)]
PathTemplate = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_path_template)]
Template = Annotated[Word, AfterValidator(_template)]
Params: TypeAlias = Annotated[dict[Name, Word], Field(max_length=40)]
TemplateParams: TypeAlias = Annotated[dict[Name, Template], Field(max_length=40)]
Body = Annotated[Any, AfterValidator(_body)]
HeaderName = Annotated[Name, AfterValidator(_header)]
Headers: TypeAlias = Annotated[dict[HeaderName, Annotated[Word, AfterValidator(_header_value)]], Field(max_length=40)]


class _Facts(BaseModel):
    """A part of a document. What it does not name is a mistake."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", arbitrary_types_allowed=True)


class Auth(_Facts):
    """How requests show who sends them. The secret itself is in the source's settings, never in a document.

    name: of the header or query parameter. prefix: in front of the key. token_url, scope, params: of OAuth2;
    client: whether client id and secret go in the Authorization header or in the form.
    """

    kind: Literal["none", "basic", "bearer", "header", "query", "oauth2"]
    name: HeaderName | None = None
    prefix: str = Field(default="", max_length=40)
    token_url: HttpUrl | None = None
    scope: Word | None = None
    params: Params = Field(default_factory=dict)
    client: Literal["basic", "form"] = "basic"


class Pages(_Facts):
    """How a list goes on. size, limit: rows of a page, and the parameter that says so.

    param: of the offset, the number or the cursor. first: number of the first page. cursor: where a page names the
    next one. total: where a page counts all rows. more: where it says whether there are more.
    steady: what comes or goes does not move other rows to another page, since the system pages by key.
    """

    kind: Literal["none", "offset", "page", "cursor", "link"]
    size: int = Field(default=100, ge=1, le=10_000)
    limit: Name | None = None
    param: Name | None = None
    first: int = Field(default=1, ge=0, le=1)
    cursor: Path | None = None
    total: Path | None = None
    more: Path | None = None
    steady: bool | None = None

    @property
    def is_steady(self) -> bool:
        """Whether a page may be followed by the next without looking at it again."""
        return self.kind in ("none", "cursor") if self.steady is None else self.steady


class Changes(_Facts):
    """How a list is asked for what changed. value: the parameter's text around the time.

    times, time_zone: as the parameter wants them; by default as the stream's rows have them. inclusive: rows of the
    very time are sent, too. is_sorted: the list is in the order of that time, oldest first.
    """

    param: Name
    value: Template = "{time}"
    times: TimeForm | None = None
    time_zone: Zone | None = None
    inclusive: bool = True
    is_sorted: bool = Field(default=True, alias="sorted")
    overlap: timedelta = Field(default=timedelta(minutes=5), ge=timedelta(0), le=timedelta(days=7))


class Match(_Facts):
    """Rows of which a value is one of these, as text; `null` where there is none."""

    path: Path
    values: Annotated[tuple[Word, ...], Field(min_length=1, max_length=MOST_WORDS)]


def _as_field(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


class FieldFacts(_Facts):
    """Where a field's value comes from: a place in the row, or one value for all.

    values: ours by theirs, null says nothing. otherwise: ours for what `values` does not list. factor: ours is so many
    times theirs, for units.
    """

    path: Path | None = None
    value: Word | None = None
    values: Words | None = None
    otherwise: Word | None = None
    factor: Annotated[Decimal, Field(gt=0, le=1_000_000)] | None = None


class StreamFacts(_Facts):
    """One list. rows: where it stands in an answer. id: a row's own, stable identifier."""

    record: Name | None = None
    path: UrlPath
    params: Params = Field(default_factory=dict)
    rows: Path = Field(default="@", validate_default=True)
    pages: Pages
    id: Path
    updated_at: Path | None = None
    changes: Changes | None = None
    complete: bool = False
    deleted: Match | None = None
    skip: Annotated[tuple[Match, ...], Field(max_length=20)] = ()
    times: TimeForm | None = None
    time_zone: Zone | None = None
    fields: Annotated[dict[Name, Annotated[FieldFacts, BeforeValidator(_as_field)]], Field(max_length=MOST_FIELDS)]


class Find(_Facts):
    """How an earlier attempt is looked up.

    For notes: rows, key (where a row holds the operation's key, alone or within a text), id, at. For states and fields:
    value, what the ticket now has.
    """

    path: PathTemplate
    params: TemplateParams = Field(default_factory=dict)
    rows: Path | None = None
    key: Path | None = None
    id: Path | None = None
    value: Path | None = None
    pages: Pages = Field(default_factory=lambda: Pages(kind="none"))


class Write(_Facts):
    """One operation. values: theirs by ours for a gap, such as `state`. id: where the answer names what it made.

    idempotency_header: carries the key; the system does nothing twice for the same. refusal: where an answer 400 or
    422 has an object of reasons by field.
    """

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    path: PathTemplate
    params: TemplateParams = Field(default_factory=dict)
    body: Body
    values: dict[Name, Words] = Field(default_factory=dict, max_length=10)
    id: Path | None = None
    idempotency_header: HeaderName | None = None
    find: Find | None = None
    refusal: Path = Field(default="@", validate_default=True)


class Writes(_Facts):
    """What can be done to tickets."""

    add_note: Write | None = None
    set_state: Write | None = None
    set_fields: Write | None = None


class Check(_Facts):
    """The cheapest request that needs the credential. version: where its answer names the system's version."""

    path: UrlPath
    params: Params = Field(default_factory=dict)
    version: Path | None = None


class Definition(_Facts):
    """A system. times, time_zone: of all streams that say nothing else."""

    system: Name
    base_url: HttpUrl
    auth: Auth
    headers: Headers = Field(default_factory=dict)
    times: TimeForm = "iso"
    time_zone: Zone | None = None
    check: Check | None = None
    streams: Annotated[dict[Name, StreamFacts], Field(max_length=MOST_STREAMS)] = Field(default_factory=dict)
    writes: Writes = Field(default_factory=Writes)
    max_pages: int = Field(default=10_000, ge=1, le=1_000_000)
    max_bytes: int = Field(default=16 * 2**20, ge=1_024, le=256 * 2**20)

    def spelling(self, stream: StreamFacts) -> Spelling:
        """How the rows of a stream write times."""
        return Spelling(stream.times or self.times, stream.time_zone or self.time_zone)

    def asked_in(self, stream: StreamFacts, changes: Changes) -> Spelling:
        """How the list is asked by time."""
        rows = self.spelling(stream)
        return Spelling(changes.times or rows.form, changes.time_zone or rows.zone)
