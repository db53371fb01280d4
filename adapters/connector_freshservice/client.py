"""Speaks version 2 of Freshservice's API: numbered pages, single objects, and refusals by field. Knows no records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from connector.sdk import ConfigError, Invalid, NotFound, SourceClient, SourceRef
from connector.sdk.answers import json_list, json_object, refusal, said
from connector.sdk.rest import ListedRow, Listing, ListWalk, NumberedPage, PageWalk, cut_at

SYSTEM = "Freshservice"
API = "api/v2"
WHERE = "Check that base_url is the address of Freshservice, `https://NAME.freshservice.com`, without `/api/v2`."
NEXT = re.compile(r';\s*rel="?next"?')
Params: TypeAlias = Mapping[str, str | int]
ALONG_IDS = {"order_by": "id", "order_type": "asc"}
WITH_FIELDS = {"include": "type_fields"}
NEWEST_FIRST = {"order_by": "updated_at", "order_type": "desc"}
MOST_RELATIONSHIPS = 50_000
"""Five hundred requests, which is what the largest plan allows in a minute."""


class FreshserviceClient:
    """Requests of one source."""

    def __init__(self, http: SourceClient) -> None:
        self._http = http

    async def page(
        self, path: str, name: str, params: Params, operation: str, *, number: int, size: int
    ) -> NumberedPage:
        """A page of a list. name: of the list in the answer. Raises ConfigError beyond the last page that is shown."""
        asked = {**params, "page": number, "per_page": size}
        try:
            response = await self._http.request("GET", f"{API}/{path}", operation=operation, params=asked)
        except Invalid as error:
            if "page" in _told(error):
                raise ConfigError(
                    f"{operation}: {SYSTEM} shows no page {number} of {path}: {_told(error)['page']}",
                    operation=operation, detail=error.detail,
                    hint="Set `start` to a later time, so that the first pull reads fewer tickets.",
                ) from error  # fmt: skip
            raise
        rows = json_list(self._http.json(response, operation=operation), name, operation, hint=WHERE)
        found = [json_object(row, f"{operation} (`{name}`)", hint=WHERE) for row in rows]
        return NumberedPage(found, NEXT.search(response.headers.get("link", "")) is None)

    def pages(self, path: str, name: str, size: int, operation: str, params: Params | None = None) -> PageWalk:
        """A list in whatever order it comes in, as long as that stays."""

        async def ask(number: int, size: int) -> NumberedPage:
            return await self.page(path, name, params or {}, operation, number=number, size=size)

        return PageWalk(ask, size, operation)

    async def all(
        self, path: str, name: str, operation: str, *, size: int = 100, params: Params | None = None
    ) -> list[ListedRow]:
        """A short list, whole."""
        return [row async for rows in self.pages(path, name, size, operation, params).rows() for row in rows]

    def assets(self, size: int, operation: str, params: Params) -> ListWalk:
        """Assets, along their ids or the newest page. Freshservice counts none: only that more follows is told."""

        async def ask(newest: bool, offset: int, limit: int) -> Listing:
            cut = cut_at(offset, min(limit, size))
            order = NEWEST_FIRST if newest else ALONG_IDS
            asked = {**params, **WITH_FIELDS, **order}
            page = await self.page("assets", "assets", asked, operation, number=cut.number, size=cut.size)
            rows = page.rows[cut.skip :]
            return Listing(rows, offset + len(rows) + (not page.is_last))

        return ListWalk(ask, size, "the list of assets", operation)

    async def search_assets(self, name: str, text: str, operation: str, params: Params) -> list[ListedRow]:
        """Assets with a text in a field, 30 at most: searches know no pages of another size. The index lags minutes."""
        quoted = text.replace("\\", "\\\\").replace("'", "\\'")
        asked = {**params, "search": f"\"{name}:'{quoted}'\"", **WITH_FIELDS}
        response = await self._http.request("GET", f"{API}/assets", operation=operation, params=asked)
        rows = json_list(self._http.json(response, operation=operation), "assets", operation, hint=WHERE)
        return [json_object(row, f"{operation} (`assets`)", hint=WHERE) for row in rows]

    async def relationships_of(self, display_id: int, operation: str) -> list[ListedRow]:
        """Those of one asset, at whichever end it is; none where it is gone."""
        try:
            return await self.all(f"assets/{display_id}/relationships", "relationships", operation)
        except NotFound:
            return []

    async def relationships(self, operation: str) -> list[ListedRow]:
        """All of the account. Raises ConfigError where there are more than anybody wants to read again and again."""
        found: list[ListedRow] = []
        async for rows in self.pages("relationships", "relationships", 100, operation).rows():
            found += rows
            if len(found) > MOST_RELATIONSHIPS:
                raise ConfigError(
                    f"{operation}: {SYSTEM} has more than {MOST_RELATIONSHIPS} relationships", operation=operation,
                    hint="Set read_relations = false: what devices have to do with each other is then not read.",
                )  # fmt: skip
        return found

    async def one(
        self, path: str, name: str, ref: SourceRef, operation: str, params: Params | None = None
    ) -> dict[str, Any]:
        """One object. Raises NotFound, also for an id that is none of Freshservice's."""
        address = f"{API}/{path}/{number_of(ref, operation)}"
        response = await self._http.request("GET", address, operation=operation, params=params, ref=ref)
        return self._inner(self._http.json(response, operation=operation), name, operation, ref)

    async def send(
        self, method: str, path: str, body: Mapping[str, object], name: str, operation: str, ref: SourceRef
    ) -> dict[str, Any]:
        """Write; what is there then. Raises Invalid with the fields that Freshservice names, Conflict, NotFound."""
        try:
            response = await self._http.request(method, f"{API}/{path}", operation=operation, json=dict(body), ref=ref)
        except Invalid as error:
            told = _told(error)
            fields = {plain_name(field): why for field, why in told.items()} if name == "asset" else told
            raise refusal(error, SYSTEM, fields) from None
        return self._inner(self._http.json(response, operation=operation), name, operation, ref)

    async def conversations(self, ref: SourceRef, operation: str) -> list[ListedRow]:
        """Replies and notes of a ticket."""
        path = f"tickets/{number_of(ref, operation)}/conversations"
        return await self.all(path, "conversations", operation)

    async def form_fields(self, workspace: int | None, operation: str) -> list[Any]:
        """Fields of tickets, with what can be chosen."""
        params = {} if workspace is None else {"workspace_id": workspace}
        response = await self._http.request("GET", f"{API}/ticket_form_fields", operation=operation, params=params)
        return json_list(self._http.json(response, operation=operation), "ticket_fields", operation, hint=WHERE)

    @staticmethod
    def _inner(body: object, name: str, operation: str, ref: SourceRef) -> dict[str, Any]:
        inner = json_object(body, operation, hint=WHERE, ref=ref).get(name)
        return json_object(inner, f"{operation} (`{name}`)", hint=WHERE, ref=ref)


def number_of(ref: SourceRef, operation: str) -> int:
    """The id in a reference. Raises NotFound for one that is none of Freshservice's."""
    if ref.external_id.isascii() and ref.external_id.isdecimal() and len(ref.external_id) < 19:
        return int(ref.external_id)
    raise NotFound(f"{ref} is no id of {SYSTEM}", operation=operation, ref=ref)


def _told(error: Invalid) -> dict[str, str]:
    """Reasons by field, as `{"errors": [{"field", "message", "code"}]}` has them, without the object that one is in."""
    errors = said(error).get("errors")
    found = [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    return {
        str(each["field"]).rpartition(".")[2][:100]: str(each.get("message") or each.get("code"))[:300]
        for each in found
        if each.get("field")
    }


def plain_name(field: str) -> str:
    """A field of assets without the number of the type that has it."""
    return re.sub(r"_\d+$", "", field)
