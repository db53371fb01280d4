"""Speaks the Table API and the Identification and Reconciliation API of one instance. Knows no records.

Rows that the user may not see are taken out of a page after it was cut: a page that is short, or empty, is not the last
one. So the count of the answer tells where a list ends, and an empty page is stepped over by offset.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import httpx
import orjson

from connector.sdk import (
    AuthError,
    ClientCredentials,
    Invalid,
    NotFound,
    SourceClient,
    SourceRef,
    UnexpectedResponse,
)
from connector.sdk.answers import json_object
from connector.sdk.cursors import read_instant
from connector.sdk.rest import Page, Position, SentRow, position_of, row_id
from connector_servicenow.answers import read_refused, result_of, write_refused
from connector_servicenow.query import among, behind, equal, iso, joined, not_before

TABLES = "api/now/v2/table"
"""Version 1 answers 404 where nothing is found."""
RECONCILE = "api/now/identifyreconcile"
IDS_PER_REQUEST = 100
"""Identifiers in one address."""
UPDATED = "sys_updated_on"


class ServiceNowClient:
    """Calls of one instance. tokens: None where each request carries its proof anyway."""

    def __init__(self, http: SourceClient, tokens: ClientCredentials | None, *, page_size: int) -> None:
        self._http = http
        self._tokens = tokens
        self.page_size = page_size

    async def page(
        self, table: str, query: str, fields: Sequence[str], operation: str, *, limit: int, offset: int = 0,
        stamp: str = UPDATED, display: bool = False,
    ) -> Page:  # fmt: skip
        """Rows of a table. stamp: the column that tells their version. display: with what people see beside values."""
        params: dict[str, str | int] = {
            "sysparm_query": query,
            "sysparm_fields": ",".join(dict.fromkeys(fields)),
            "sysparm_limit": limit,
            "sysparm_offset": offset,
            "sysparm_display_value": "all" if display else "false",
            "sysparm_exclude_reference_link": "true",
        }
        try:
            response = await self._send("GET", f"{TABLES}/{table}", operation, params=params)
        except (Invalid, NotFound) as error:
            raise read_refused(error, table) from error
        found = result_of(self._http, response, operation=operation, reads=True)
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise UnexpectedResponse(f"the answer to {operation} is no list of objects", operation=operation)
        total = response.headers.get("x-total-count", "")
        count = int(total) if total.isascii() and total.isdigit() else None
        is_last = offset + limit >= count if count is not None else len(found) < limit
        return Page([sent_row(row, stamp) for row in found], is_last, count)

    async def everything(
        self, table: str, where: str | None, fields: Sequence[str], operation: str, *, after: str | None = None,
        size: int | None = None,
    ) -> AsyncGenerator[list[SentRow], None]:  # fmt: skip
        """All rows along their identifiers, in pages; behind `after`. What changes meanwhile stays where it is."""
        limit, offset = size or self.page_size, 0
        while True:
            bound = f"sys_id>{after}" if after else None
            query = joined(where, bound, "ORDERBYsys_id")
            page = await self.page(table, query, fields, operation, limit=limit, offset=offset)
            if not page.rows:
                offset += limit
            else:
                last = row_id(page.rows[-1])
                if last is None or last == after:
                    raise _astray(operation, table)
                after, offset = last, 0
                yield page.rows
            if page.is_last:
                return

    async def changes(
        self, table: str, where: str | None, fields: Sequence[str], operation: str, *, floor: str | None,
        after: Position | None, stamp: str = UPDATED, size: int | None = None,
    ) -> AsyncGenerator[list[SentRow], None]:  # fmt: skip
        """Rows that are not older than `floor`, in the order (stamp, sys_id), behind the position `after`."""
        limit, offset = size or self.page_size, 0
        while True:
            bound = behind(stamp, after) if after else floor and not_before(stamp, floor)
            query = joined(where, bound, f"ORDERBY{stamp}", "ORDERBYsys_id")
            page = await self.page(table, query, fields, operation, limit=limit, offset=offset, stamp=stamp)
            if not page.rows:
                offset += limit
            else:
                first, last = (position_of(row, "last_updated", operation) for row in (page.rows[0], page.rows[-1]))
                if last == after or not _is_behind(first.at, floor, after):
                    raise _astray(operation, table)
                after, offset = last, 0
                yield page.rows
            if page.is_last:
                return

    async def by_values(
        self, table: str, column: str, values: Iterable[str], fields: Sequence[str], operation: str,
        where: str | None = None,
    ) -> AsyncGenerator[list[SentRow], None]:  # fmt: skip
        """All rows whose column has one of the values, in pages."""
        wanted = sorted(set(values))
        for start in range(0, len(wanted), IDS_PER_REQUEST):
            condition = joined(where, among(column, wanted[start : start + IDS_PER_REQUEST]))
            async with aclosing(self.everything(table, condition, fields, operation)) as pages:
                async for rows in pages:
                    yield rows

    async def find(
        self, table: str, column: str, value: str, fields: Sequence[str], operation: str, *, where: str | None = None,
        display: bool = False,
    ) -> list[SentRow]:  # fmt: skip
        """The first rows whose column has this value."""
        query = joined(where, equal(column, value))
        page = await self.page(table, query, fields, operation, limit=10, display=display)
        return page.rows

    async def write(
        self, table: str, ref: SourceRef, values: Mapping[str, str], fields: Sequence[str], operation: str, *,
        display: bool = False,
    ) -> SentRow:  # fmt: skip
        """Set columns of a row; the row as it is then. display: values are what people see, and so is the answer.

        Columns that do not exist are passed over without a word. Raises Invalid, NotFound, OutcomeUnknown.
        """
        params = {
            "sysparm_fields": ",".join(dict.fromkeys([*fields, *values])),
            "sysparm_display_value": "all" if display else "false",
            "sysparm_input_display_value": "true" if display else "false",
            "sysparm_exclude_reference_link": "true",
        }
        path = f"{TABLES}/{table}/{ref.external_id}"
        try:
            response = await self._send("PATCH", path, operation, params=params, json=dict(values), ref=ref)
        except (Invalid, AuthError) as error:
            raise write_refused(error, values) from error
        row = result_of(self._http, response, operation=operation, reads=False, ref=ref)
        return sent_row(json_object(row, operation, ref=ref))

    async def reconcile(
        self, item: Mapping[str, object], columns: Iterable[str], operation: str, ref: SourceRef, *, source: str,
        simulate: bool,
    ) -> dict[str, Any]:  # fmt: skip
        """Have the engine take one configuration item, or say what it would do; what it says of it."""
        path = f"{RECONCILE}/query" if simulate else RECONCILE
        body = {"items": [item], "relations": []}
        try:
            response = await self._send(
                "POST", path, operation, params={"sysparm_data_source": source}, json=body, ref=ref, reads=simulate
            )  # fmt: skip
        except (Invalid, AuthError) as error:
            raise write_refused(error, columns) from error
        result = result_of(self._http, response, operation=operation, reads=simulate, ref=ref)
        items = result.get("items") if isinstance(result, dict) else None
        if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
            raise UnexpectedResponse(
                f"the answer to {operation} does not tell of one item", operation=operation, ref=ref
            )  # fmt: skip
        return items[0]

    async def _send(self, method: str, path: str, operation: str, **asked: Any) -> httpx.Response:
        async def send(proof: dict[str, str]) -> httpx.Response:
            return await self._http.request(method, path, operation=operation, headers=proof, **asked)

        return await self._tokens.sent(send) if self._tokens else await send({})


def sent_row(row: Mapping[str, object], stamp: str = UPDATED) -> SentRow:
    """A row with its identifier and version under the names that the SDK has for them."""
    return SentRow(orjson.dumps(row), {"id": _value(row.get("sys_id")), "last_updated": iso(_value(row.get(stamp)))})


def _value(column: object) -> object:
    """A column's value, where what people see is beside it."""
    return column.get("value") if isinstance(column, dict) else column


def _is_behind(at: str, floor: str | None, after: Position | None) -> bool:
    try:
        return all(read_instant(at) >= read_instant(bound) for bound in (floor, after and after.at) if bound)
    except ValueError:
        return False


def _astray(operation: str, table: str) -> UnexpectedResponse:
    return UnexpectedResponse(
        f"{operation}: rows of {table!r} do not come as they were asked for: a condition or an order was passed over",
        operation=operation,
        hint="Let the user read sys_id and sys_updated_on of that table, and check the conditions in the settings.",
    )
