"""Speaks Nautobot's REST API: pages, single objects and small tables, changes of an object. Knows no records."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing

import httpx
import orjson

from connector.sdk import AuthError, Invalid, SourceClient, SourceRef
from connector.sdk.answers import json_object
from connector.sdk.rest import Page, Position, Row, SentRow, answered_page, named_refusal, row_id
from connector.sdk.rest import walk as watermark_walk

IDS_PER_REQUEST = 50
"""Identifiers in one URL: 50 make 2 KB, uWSGI's default buffer takes 4."""
TABLE_PAGE = 500


class NautobotClient:
    """Asks one Nautobot, and changes single objects of it."""

    def __init__(self, http: SourceClient) -> None:
        self._http = http

    async def status(self) -> Row:
        """Versions and health, for an accepted token only."""
        return await self._get("/api/status/", {}, "check")

    async def one(self, path: str, external_id: str, ref: SourceRef) -> SentRow:
        """One object. Raises NotFound."""
        row = await self._get(f"{path}{external_id}/", {"exclude_m2m": "true"}, f"fetch {ref}", ref)
        return SentRow(orjson.dumps(row))

    async def page(self, path: str, params: Iterable[tuple[str, str | int]], operation: str) -> Page:
        """The rows of one page of a list, and whether it is the last; the server may give fewer than asked for."""
        response = await self._answer(path, [*params, ("exclude_m2m", "true")], operation)
        return answered_page(self._http, response, path=path, operation=operation, system="Nautobot")

    async def change(self, path: str, ref: SourceRef, changes: Mapping[str, object], operation: str) -> SentRow:
        """Set fields of one object; it as it is then.

        Raises Invalid with the fields that Nautobot names, NotFound, OutcomeUnknown.
        """
        where = f"{path}{ref.external_id}/"
        try:
            response = await self._http.request("PATCH", where, operation=operation, json=changes, ref=ref)
        except AuthError as error:
            raise _explained(error, operation, "Let the user change devices, with a write-enabled token.") from error
        except Invalid as error:
            raise named_refusal(error, "Nautobot") from error
        return SentRow(orjson.dumps(json_object(self._http.json(response, operation=operation), operation, ref=ref)))

    async def by_ids(self, path: str, ids: Iterable[str], operation: str) -> list[SentRow]:
        """The rows that have these ids, as far as they can be seen, in no order.

        No bound of time is asked for: device bays know none. Where a page is shorter than what was asked for, the
        others are asked for by their ids.
        """
        rows: list[SentRow] = []
        wanted = list(dict.fromkeys(ids))
        while wanted:
            asked, wanted = wanted[:IDS_PER_REQUEST], wanted[IDS_PER_REQUEST:]
            page = await self.page(path, [*(("id", key) for key in asked), ("limit", len(asked))], operation)
            rows += page.rows
            shown = {row_id(row) for row in page.rows}
            if not page.is_last and not shown.isdisjoint(asked):
                wanted = [key for key in asked if key not in shown] + wanted
        return rows

    async def children(self, path: str, parents: Sequence[str], operation: str) -> list[SentRow]:
        """All rows whose `parent` is one of these, in no order."""
        rows: list[SentRow] = []
        for start in range(0, len(parents), IDS_PER_REQUEST):
            filters = [("parent", parent) for parent in parents[start : start + IDS_PER_REQUEST]]
            async for part in self.walk(path, filters, operation, size=TABLE_PAGE):
                rows += part
        return rows

    async def table(self, path: str, operation: str, filters: Sequence[tuple[str, str]] = ()) -> list[SentRow]:
        """All rows of a small table."""
        return [row async for part in self.walk(path, filters, operation, size=TABLE_PAGE) for row in part]

    async def walk(
        self,
        path: str,
        filters: Sequence[tuple[str, str]],
        operation: str,
        *,
        size: int,
        order: str = "last_updated",
        floor: str | None = None,
        after: Position | None = None,
    ) -> AsyncGenerator[list[SentRow], None]:
        """Rows in the order (`order`, id), at most `size` at once; one page is asked for when it is wanted.

        floor: not older than this. after: behind this position. A row that changes meanwhile comes (again) at
        its new place; no row is passed over.
        """

        async def ask(since: str, limit: int, offset: int) -> Page:
            window: tuple[tuple[str, str | int], ...] = (
                ("sort", f"{order},id"), (f"{order}__gte", since), ("limit", limit), ("offset", offset),
            )  # fmt: skip
            return await self.page(path, (*filters, *window), operation)

        async with aclosing(watermark_walk(ask, operation, size=size, order=order, floor=floor, after=after)) as pages:
            async for rows in pages:
                yield rows

    async def _get(
        self,
        path: str,
        params: Mapping[str, str | int] | Sequence[tuple[str, str | int]],
        operation: str,
        ref: SourceRef | None = None,
    ) -> Row:
        response = await self._answer(path, params, operation, ref)
        try:
            answer = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            answer = self._http.json(response, operation=operation)
        return json_object(answer, operation, ref=ref)

    async def _answer(
        self,
        path: str,
        params: Mapping[str, str | int] | Sequence[tuple[str, str | int]],
        operation: str,
        ref: SourceRef | None = None,
    ) -> httpx.Response:
        try:
            return await self._http.request("GET", path, operation=operation, params=params, ref=ref)
        except AuthError as error:
            raise _explained(error, operation, f"Let the user view {_named(path)} in Nautobot.") from error


def _named(path: str) -> str:
    """What people call the objects of a list, as its address has it: `/api/dcim/device-bays/` holds device bays."""
    return path.split("/")[3].replace("-", " ") or "its status"


def _explained(error: AuthError, operation: str, permit: str) -> AuthError:
    """Nautobot answers 403 to a wrong token and to a missing permission alike; its text tells them apart.

    permit: what to do about a missing permission.
    """
    if "permission" in error.detail:
        summary = "the token's user lacks a permission in Nautobot"
        hint = permit
    else:
        summary = "Nautobot does not accept the token"
        hint = "Create a token in Nautobot (user menu, API Tokens) and set it as `token`."
    return AuthError(f"{operation}: {summary}", operation=operation, ref=error.ref, hint=hint, detail=error.detail)
