"""What a document says about a system: facts, no conditions, no loops, no code.

Shapes and single values are checked here, what belongs together in `consistency`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, HttpUrl

from connector.sdk import TimeZone
from connector.sdk.facts import (
    Facts,
    HeaderName,
    Name,
    Path,
    RowFacts,
    Spelling,
    SystemFacts,
    TimeForm,
    Word,
    Words,
)
from connector.sdk.facts.rows import LONGEST_TEXT
from connector_rest.templates import MOST_VALUES, body_gaps, gaps, size_of

MOST_STREAMS = 20


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


def _header_value(value: str) -> str:
    if not value.isprintable():
        raise ValueError("has a line break or another sign that no header may have")
    return value


UrlPath = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_path)]
PathTemplate = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_path_template)]
Template = Annotated[Word, AfterValidator(_template)]
Params: TypeAlias = Annotated[dict[Name, Word], Field(max_length=40)]
TemplateParams: TypeAlias = Annotated[dict[Name, Template], Field(max_length=40)]
Body = Annotated[Any, AfterValidator(_body)]
Headers: TypeAlias = Annotated[dict[HeaderName, Annotated[Word, AfterValidator(_header_value)]], Field(max_length=40)]


class Auth(Facts):
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


class Pages(Facts):
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


class Changes(Facts):
    """How a list is asked for what changed. value: the parameter's text around the time.

    times, time_zone: as the parameter wants them; by default as the stream's rows have them. inclusive: rows of the
    very time are sent, too. is_sorted: the list is in the order of that time, oldest first.
    """

    param: Name
    value: Template = "{time}"
    times: TimeForm | None = None
    time_zone: TimeZone | None = None
    inclusive: bool = True
    is_sorted: bool = Field(default=True, alias="sorted")
    overlap: timedelta = Field(default=timedelta(minutes=5), ge=timedelta(0), le=timedelta(days=7))


class StreamFacts(RowFacts):
    """One list. rows: where it stands in an answer."""

    path: UrlPath
    params: Params = Field(default_factory=dict)
    rows: Path = Field(default="@", validate_default=True)
    pages: Pages
    changes: Changes | None = None
    complete: bool = False


class Find(Facts):
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


class IfMatch(Facts):
    """What is read before a write that is refused where the ticket has changed since.

    value: where the answer has the tag that the header `If-Match` then carries; without it, its header `ETag`.
    """

    path: PathTemplate
    params: TemplateParams = Field(default_factory=dict)
    value: Path | None = None


class Write(Facts):
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
    if_match: IfMatch | None = None
    find: Find | None = None
    refusal: Path = Field(default="@", validate_default=True)


class Writes(Facts):
    """What can be done to tickets."""

    add_note: Write | None = None
    set_state: Write | None = None
    set_fields: Write | None = None


class Check(Facts):
    """The cheapest request that needs the credential. version: where its answer names the system's version."""

    path: UrlPath
    params: Params = Field(default_factory=dict)
    version: Path | None = None


class Definition(SystemFacts):
    """A system, and how it is asked."""

    base_url: HttpUrl
    auth: Auth
    headers: Headers = Field(default_factory=dict)
    check: Check | None = None
    streams: Annotated[dict[Name, StreamFacts], Field(max_length=MOST_STREAMS)] = Field(default_factory=dict)
    writes: Writes = Field(default_factory=Writes)
    max_pages: int = Field(default=10_000, ge=1, le=1_000_000)
    max_bytes: int = Field(default=16 * 2**20, ge=1_024, le=256 * 2**20)

    def asked_in(self, stream: StreamFacts, changes: Changes) -> Spelling:
        """How the list is asked by time."""
        rows = self.spelling(stream)
        return Spelling(changes.times or rows.form, changes.time_zone or rows.zone)
