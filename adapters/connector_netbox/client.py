"""Speaks NetBox's REST API: pages, single objects and small tables, changes of an object. Knows no records.

Three things are not as they look. Filters and orderings that NetBox does not know it passes over without a word, so
that nothing here relies on one that some version lacks. Rows whose `last_updated` is null fit no `last_updated__gte`,
so that everything is read along the ids. And `start`, which reads along the ids without counting, is of version 4.6.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing

import httpx
import orjson

from connector.sdk import AuthError, Conflict, Invalid, SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.answers import json_object, said
from connector.sdk.rest import (
    Page,
    Position,
    Row,
    SentRow,
    answered_page,
    named_refusal,
    position_of,
    row_id,
    walk,
)
from connector.sdk.rest.watermark import EPOCH

Params = Sequence[tuple[str, str | int]]

IDS_PER_REQUEST = 100
"""Identifiers in one URL."""
TABLE_PAGE = 500
PERMISSIONS = "Let the user view sites, regions, locations, device types, manufacturers, devices and object changes."


class NetBoxClient:
    """Asks one NetBox, and changes single objects of it."""

    def __init__(self, http: SourceClient) -> None:
        self._http = http

    async def status(self) -> Row:
        """Versions, for an accepted token only."""
        return self._object(await self._answer("/api/status/", (), "check"), "check")

    async def one(self, path: str, ref: SourceRef, number: str, fields: str = "") -> tuple[SentRow, str | None]:
        """One object, and its version for `change`; None from a NetBox before 4.6. Raises NotFound."""
        response = await self._answer(f"{path}{number}/", [("fields", fields)] if fields else [], f"fetch {ref}", ref)
        return SentRow(orjson.dumps(self._object(response, f"fetch {ref}", ref))), response.headers.get("etag")

    async def change(
        self, path: str, ref: SourceRef, changes: Mapping[str, object], operation: str, version: str | None
    ) -> tuple[SentRow, str | None]:
        """Set fields of one object, if it still is of this version; it and its version as they are then.

        Raises Invalid with the fields that NetBox names, NotFound, Conflict, OutcomeUnknown.
        """
        headers = {"If-Match": version} if version else {}
        try:
            response = await self._http.request(
                "PATCH", f"{path}{ref.external_id}/", operation=operation, json=changes, ref=ref, headers=headers
            )
        except AuthError as error:
            raise _explained(error, operation, "Let the user change devices, with a write-enabled token.") from error
        except Invalid as error:
            raise named_refusal(error, "NetBox") from error
        except Conflict as error:
            raise Conflict(
                f"{operation}: {ref} was changed in NetBox after it was read, and is left as it is",
                operation=operation,
                ref=ref,
                hint="Nothing is to be done: it is read anew, and decided anew.",
                detail=error.detail,
            ) from error
        return SentRow(orjson.dumps(self._object(response, operation, ref))), response.headers.get("etag")

    async def by_ids(
        self, path: str, name: str, ids: Sequence[str], operation: str, fields: str
    ) -> AsyncGenerator[list[SentRow], None]:
        """All rows whose `name` is one of the ids, in pages, in the order of their own."""
        for start in range(0, len(ids), IDS_PER_REQUEST):
            filters = [(name, number) for number in ids[start : start + IDS_PER_REQUEST]]
            async with aclosing(self.everything(path, filters, operation, fields, size=TABLE_PAGE)) as pages:
                async for rows in pages:
                    yield rows

    async def table(self, path: str, filters: Params, operation: str, fields: str) -> list[SentRow]:
        """All rows of a small table."""
        pages = self.everything(path, filters, operation, fields, size=TABLE_PAGE)
        return [row async for rows in pages for row in rows]

    async def everything(
        self, path: str, filters: Params, operation: str, fields: str, *, size: int, after: str | None = None
    ) -> AsyncGenerator[list[SentRow], None]:
        """Rows along their ids, at most `size` at once, behind the id `after`: none is passed over or comes twice."""
        start, by_start = rank(after) + 1 if after else 0, True
        while True:
            here: Params = [("start", start)] if by_start else [("id__gte", start), ("ordering", "id")]
            rows, is_last, total = await self._page(path, [*filters, *here, ("limit", size)], operation, fields)
            if by_start and total is not None:
                by_start = False  # a NetBox before 4.6 counts, and gives its first page
                continue
            if not rows and not is_last:
                raise UnexpectedResponse(f"{operation}: there is a further page, but no rows", operation=operation)
            if rows:
                last = row_id(rows[-1])
                if last is None or rank(last) < start:
                    raise UnexpectedResponse(
                        f"{operation}: a page from id {start} on ends with id {rows[-1].get('id')!r}",
                        operation=operation,
                    )
                start = rank(last) + 1
                yield rows
            if is_last:
                return

    async def changed(
        self,
        path: str,
        filters: Params,
        operation: str,
        fields: str,
        *,
        size: int,
        order: str = "last_updated",
        bound: str = "last_updated__gte",
        floor: str | None = None,
        after: Position | None = None,
    ) -> AsyncGenerator[list[SentRow], None]:
        """Rows that are not older than `floor`, in the order of their time. bound: the filter that says so."""

        async def ask(since: str, limit: int, offset: int) -> Page:
            window: Params = [(bound, since), ("ordering", f"{order},id"), ("limit", limit), ("offset", offset)]
            return await self._page(path, [*filters, *window], operation, fields)

        pages = walk(ask, operation, size=size, order=order, floor=floor, after=after, rank=rank)
        async with aclosing(pages):
            async for rows in pages:
                yield rows

    async def latest(self, path: str, operation: str) -> str:
        """The latest time of any row; the beginning of time when there is none. Null is passed over by the bound."""
        params: Params = [("last_updated__gte", EPOCH), ("ordering", "-last_updated"), ("limit", 1)]
        rows = (await self._page(path, params, operation, "id,last_updated")).rows
        return position_of(rows[0], "last_updated", operation).at if rows else EPOCH

    async def _page(self, path: str, params: Params, operation: str, fields: str) -> Page:
        response = await self._answer(path, [*params, *([("fields", fields)] if fields else [])], operation)
        return answered_page(self._http, response, path=path, operation=operation, system="NetBox")

    def _object(self, response: httpx.Response, operation: str, ref: SourceRef | None = None) -> Row:
        return json_object(self._http.json(response, operation=operation), operation, ref=ref)

    async def _answer(
        self, path: str, params: Iterable[tuple[str, str | int]], operation: str, ref: SourceRef | None = None
    ) -> httpx.Response:
        try:
            return await self._http.request("GET", path, operation=operation, params=[*params], ref=ref)
        except AuthError as error:
            raise _explained(error, operation, PERMISSIONS) from error


def rank(number: str) -> int:
    """What NetBox sorts an id by."""
    return int(number) if number.isascii() and number.isdigit() else 0


def _explained(error: AuthError, operation: str, permit: str) -> AuthError:
    """NetBox answers 403 to a wrong token, to an expired one and to a missing permission alike; its text tells them
    apart.
    """
    if "permission" in error.detail:
        summary, hint = "the token's user lacks a permission in NetBox", permit
    else:
        told = said(error).get("detail")
        summary = f"NetBox does not accept the token{f': {told[:100]}' if isinstance(told, str) else ''}"
        hint = "Create a token in NetBox (Admin, API Tokens), valid for the hub's address, and set it as `token`."
    return AuthError(f"{operation}: {summary}", operation=operation, ref=error.ref, hint=hint, detail=error.detail)
