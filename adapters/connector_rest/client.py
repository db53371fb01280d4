"""Asks for pages and single answers as a document says. Knows no records."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from connector.sdk import InvalidRecord, SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.facts import Expression
from connector_rest.credentials import Credentials
from connector_rest.definition import Pages

MOST_ROWS = 20_000
"""Rows of one answer."""
LONGEST_TOKEN = 2_000
"""Characters of what names the next page: it must fit into a cursor."""

_TAG = re.compile(r"[\x21-\x7e]{1,500}")

Pairs = list[tuple[str, str]]
Token = dict[str, Any]
"""Where the next page is: `offset` and `anchor`, `page`, `cursor`, or `path` and `query` of a link. JSON."""


@dataclass(frozen=True, slots=True)
class ListFacts:
    """A list as it is asked for. id: where a row has its identifier, for lists that are paged by offset."""

    path: str
    params: Pairs
    rows: Expression
    pages: Pages
    id: Expression | None
    operation: str


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one answer. next: where it goes on, None at the end. has_moved: rows moved between two answers."""

    rows: list[Any]
    next: Token | None
    has_moved: bool = False


class RestClient:
    """Requests of one source."""

    def __init__(self, http: SourceClient, credentials: Credentials, *, max_bytes: int) -> None:
        self._http = http
        self._credentials = credentials
        self._max_bytes = max_bytes

    async def get(
        self, path: str, params: Sequence[tuple[str, str]], operation: str, ref: SourceRef | None = None
    ) -> Any:
        """The JSON that stands at a path."""
        return self._json(await self._send("GET", path, params, operation, ref=ref), operation)

    async def tag(
        self, path: str, params: Sequence[tuple[str, str]], value: Expression | None, operation: str, ref: SourceRef
    ) -> str:
        """What tells the state of the object at a path, for the header `If-Match`. value: where the answer has it."""
        response = await self._send("GET", path, params, operation, ref=ref)
        found = _searched(value, self._json(response, operation), operation) if value else response.headers.get("etag")
        if not isinstance(found, str) or not _TAG.fullmatch(found):
            where = f"at {str(value)!r}" if value else "in its header `ETag`"
            raise UnexpectedResponse(
                f"{operation}: the answer has no tag {where}, found {found!r:.80}", operation=operation, ref=ref,
                hint="Correct `if_match`, or leave it out where the system has no such tags.",
            )  # fmt: skip
        return found

    async def write(
        self, method: str, path: str, params: Sequence[tuple[str, str]], body: object, operation: str, *,
        ref: SourceRef, headers: Mapping[str, str],
    ) -> Any:  # fmt: skip
        """Send a change. Its answer, None where it is empty or no JSON: that it was taken says the status."""
        response = await self._send(method, path, params, operation, ref=ref, json=body, headers=headers)
        text = response.content.lstrip()[:1]
        if not text:
            return None
        if text == b"<":
            raise UnexpectedResponse(
                f"the answer to {operation} is a page for people, not the system's own", operation=operation, ref=ref,
                hint="Check that base_url is the address of the system itself, not of a login page or proxy.",
            )  # fmt: skip
        return self._json(response, operation)

    async def page(self, facts: ListFacts, token: Token | None) -> Page:
        """One page, the first without a token."""
        path, params = facts.path, [*facts.params]
        pages, token = facts.pages, token or {}
        if "path" in token:
            path, params = str(token["path"]), [(str(name), str(value)) for name, value in token["query"]]
        else:
            if pages.limit:
                params.append((pages.limit, str(pages.size)))
            params += self._place(pages, token)
        response = await self._send("GET", path, params, facts.operation)
        body = self._json(response, facts.operation)
        rows = _rows(body, facts)
        match pages.kind:
            case "offset":
                return _by_offset(rows, body, facts, token)
            case "page":
                number = int(token.get("page", pages.first))
                seen = int(token.get("seen", 0)) + len(rows)
                is_last = _is_last(body, rows, seen, facts)
                return Page(rows, None if is_last else {"page": number + 1, "seen": seen})
            case "cursor":
                following = _found(pages.cursor, body, facts)
                if following in (None, "", False) or _says_no_more(body, facts):
                    return Page(rows, None)
                return Page(rows, self._advanced({"cursor": _token_text(following, facts)}, token, facts))
            case "link":
                link = response.links.get("next", {}).get("url")
                if not link:
                    return Page(rows, None)
                return Page(rows, self._advanced(self._link(str(response.url), link, facts), token, facts))
            case _:
                return Page(rows, None)

    def redact(self, text: str) -> str:
        """The text without secrets."""
        return self._http.redact(text)

    @staticmethod
    def _place(pages: Pages, token: Token) -> Pairs:
        if pages.param is None:
            return []
        match pages.kind:
            case "offset":
                return [(pages.param, str(token.get("offset", 0)))]
            case "page":
                return [(pages.param, str(token.get("page", pages.first)))]
            case "cursor" if "cursor" in token:
                return [(pages.param, str(token["cursor"]))]
        return []

    @staticmethod
    def _advanced(following: Token, token: Token, facts: ListFacts) -> Token:
        if following == token:
            raise UnexpectedResponse(
                f"{facts.operation}: a page names itself as the next", operation=facts.operation,
                hint="Check `pages` of the stream: the parameter may have another name.",
            )  # fmt: skip
        return following

    def _link(self, here: str, link: str, facts: ListFacts) -> Token:
        """A link without the key that the system may repeat in it. Another host is refused when it is followed."""
        if len(link) > LONGEST_TOKEN:
            raise _too_long(len(link), facts)
        parts = urlsplit(urljoin(here, link))
        key = self._credentials.query_name
        query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != key]
        return {"path": f"{parts.scheme}://{parts.netloc}{parts.path}", "query": query}

    async def _send(
        self, method: str, path: str, params: Sequence[tuple[str, str]], operation: str, *,
        ref: SourceRef | None = None, json: object = None, headers: Mapping[str, str] | None = None,
    ) -> Any:  # fmt: skip
        """Send it; once more with a new token where the one that was kept is refused."""

        async def send(own: dict[str, str]) -> Any:
            return await self._http.request(
                method, path, operation=operation, params=[*params, *self._credentials.query()], json=json,
                headers={**(headers or {}), **own}, ref=ref,
            )  # fmt: skip

        return await self._credentials.sent(send)

    def _json(self, response: Any, operation: str) -> Any:
        if len(response.content) > self._max_bytes:
            raise UnexpectedResponse(
                f"the answer to {operation} has {len(response.content)} bytes, at most {self._max_bytes} are read",
                operation=operation, hint="Ask for smaller pages (`pages.size`), or raise `max_bytes`.",
            )  # fmt: skip
        return self._http.json(response, operation=operation)


def row_key(row: object, at: Expression | None) -> str:
    """What tells a row from others, for comparing pages; its whole content where it has no identifier."""
    try:
        found = at.search(row) if at else None
    except InvalidRecord:
        found = None
    return json.dumps(row if found is None else found, sort_keys=True)


def _by_offset(rows: list[Any], body: Any, facts: ListFacts, token: Token) -> Page:
    """Every page begins with the last row of the one before, so that a row which moved is seen."""
    anchor, offset = token.get("anchor"), int(token.get("offset", 0))
    if anchor is not None and (not rows or row_key(rows[0], facts.id)[:LONGEST_TOKEN] != anchor):
        return Page([], None, has_moved=True)
    end = offset + len(rows)
    fresh = rows if anchor is None else rows[1:]
    if not rows or _is_last(body, fresh, end, facts):
        return Page(fresh, None)
    return Page(fresh, {"offset": end - 1, "anchor": row_key(rows[-1], facts.id)[:LONGEST_TOKEN]})


def _is_last(body: Any, fresh: list[Any], seen: int, facts: ListFacts) -> bool:
    """Whether there is no further page. A page that is not full proves nothing: systems cap pages silently."""
    if not fresh and facts.pages.more is not None and not _says_no_more(body, facts):
        raise UnexpectedResponse(
            f"{facts.operation}: an empty page says that more follow", operation=facts.operation,
            hint="Correct `pages.more`, or ask whoever runs the system.",
        )  # fmt: skip
    if not fresh:
        return True
    if _says_no_more(body, facts):
        return True
    total = _found(facts.pages.total, body, facts)
    if total is None:
        return False
    if isinstance(total, bool) or not str(total).isdigit():
        raise UnexpectedResponse(
            f"{facts.operation}: {facts.pages.total} is a {type(total).__name__}, no count of rows",
            operation=facts.operation, hint="Correct `pages.total`.",
        )  # fmt: skip
    return seen >= int(str(total))


def _says_no_more(body: Any, facts: ListFacts) -> bool:
    return facts.pages.more is not None and not _found(facts.pages.more, body, facts)


def _found(at: Expression | None, body: Any, facts: ListFacts) -> Any:
    return None if at is None else _searched(at, body, facts.operation)


def _searched(at: Expression, body: Any, operation: str) -> Any:
    try:
        return at.search(body)
    except InvalidRecord as error:
        raise UnexpectedResponse(f"{operation}: {error}", operation=operation) from None


def _rows(body: Any, facts: ListFacts) -> list[Any]:
    rows = _found(facts.rows, body, facts)
    if not isinstance(rows, list):
        said = f"keys {', '.join(map(str, body))[:200]}" if isinstance(body, dict) else f"a {type(body).__name__}"
        raise UnexpectedResponse(
            f"{facts.operation}: there is no list at {str(facts.rows)!r}, the answer has {said}",
            operation=facts.operation, hint="Correct `rows`, or check that base_url is the address of the API.",
        )  # fmt: skip
    if len(rows) > MOST_ROWS:
        raise UnexpectedResponse(
            f"{facts.operation}: {len(rows)} rows in one answer, at most {MOST_ROWS} are read",
            operation=facts.operation, hint="Describe how the list is paged (`pages`).",
        )  # fmt: skip
    return rows


def _token_text(token: object, facts: ListFacts) -> str:
    if isinstance(token, bool) or not isinstance(token, str | int):
        raise UnexpectedResponse(
            f"{facts.operation}: {facts.pages.cursor} is a {type(token).__name__}, no cursor", operation=facts.operation
        )
    text = str(token)
    if len(text) > LONGEST_TOKEN:
        raise _too_long(len(text), facts)
    return text


def _too_long(length: int, facts: ListFacts) -> UnexpectedResponse:
    return UnexpectedResponse(
        f"{facts.operation}: what names the next page has {length} characters, at most {LONGEST_TOKEN} are kept",
        operation=facts.operation,
    )
