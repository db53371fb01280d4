"""GLPI's high-level API, version 2: api.php/v2.x of GLPI 11."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from connector.sdk import (
    AuthError,
    ClientCredentials,
    Clock,
    Invalid,
    NotFound,
    OutcomeUnknown,
    SourceClient,
    SourceRef,
    UnexpectedResponse,
)
from connector.sdk.answers import json_object
from connector.sdk.rest import ListedRow, Listing, ListWalk
from connector_glpi.config import GlpiConfig
from connector_glpi.refusals import did_nothing, hidden, refused
from connector_glpi.rows import Item, Link, Member
from connector_glpi.words import ASSIGNED, DEVICE_TYPES, MODEL_COLUMNS, REQUESTER

PATHS: dict[str, str] = {
    **{kind: f"Assets/{kind}" for kind in DEVICE_TYPES},
    **{f"{kind}Model": f"Dropdowns/{kind}Model" for kind in DEVICE_TYPES},
    "Location": "Dropdowns/Location", "State": "Dropdowns/State", "Manufacturer": "Dropdowns/Manufacturer",
    "Ticket": "Assistance/Ticket",
}  # fmt: skip
WITH_BIN = frozenset({*DEVICE_TYPES, "Ticket"})
PROPERTIES: dict[str, str] = {
    **dict.fromkeys(MODEL_COLUMNS.values(), "model"), "manufacturers_id": "manufacturer", "states_id": "status",
    "locations_id": "location",
}  # fmt: skip
"""What v2 calls columns of v1."""
REFERENCES = frozenset({*PROPERTIES.values(), "category", "request_type"})
"""Properties that are objects with an id."""
ROLES = {"requester": REQUESTER, "assigned": ASSIGNED}
HINT = (
    "Check client_id, client_secret, username and password, and that the OAuth client has the grant Password and the "
)
HINT += "scope api."


class V2:
    """Requests of one source."""

    def __init__(self, http: SourceClient, config: GlpiConfig, clock: Clock) -> None:
        self._http = http
        self._size = config.page_size
        self._api = f"api.php/v{config.api_version}"
        base = str(config.base_url).rstrip("/")
        self._tokens = ClientCredentials(
            http, clock, url=f"{base}/api.php/token", form=config.token_form(), hint=HINT
        )  # fmt: skip

    def walk(self, kind: str, operation: str, *, deleted: bool = False) -> ListWalk:
        """A list: of what there is, or of what lies in the bin."""

        async def ask(newest: bool, offset: int, limit: int) -> Listing:
            order = "date_mod:desc" if newest else "id:asc"
            params: dict[str, str | int] = {"start": offset, "limit": limit, "sort": order}
            if kind in WITH_BIN:
                params["filter"] = f"is_deleted=={str(deleted).lower()}"
            return await self._listing(PATHS[kind], params, operation)

        return ListWalk(ask, self._size, f"{kind} in the bin" if deleted else kind, operation)

    async def one(self, kind: str, number: int, ref: SourceRef | None, operation: str) -> ListedRow:
        """One item. Raises NotFound, also when it is hidden."""
        if kind not in PATHS:
            raise NotFound(f"{operation}: {kind} is read over v1 alone", operation=operation, ref=ref)
        try:
            response = await self._send("GET", f"{PATHS[kind]}/{number}", operation, ref=ref)
        except AuthError as error:
            raise hidden(error) from None
        return json_object(self._http.json(response, operation=operation), operation, ref=ref)

    async def members(self, ticket: ListedRow, operation: str) -> Sequence[Member]:  # noqa: ARG002 - a ticket has them
        """The team of a ticket, which is part of it."""
        team = ticket.get("team")
        return [
            Member(ROLES[each["role"]], str(name), is_group=each.get("type") != "User")
            for each in (team if isinstance(team, list) else ())
            if isinstance(each, dict) and each.get("role") in ROLES
            if (name := each.get("display_name") or each.get("name"))
        ]

    async def items(self, ticket: ListedRow, operation: str) -> Sequence[Item]:  # noqa: ARG002 - see below
        """v2 does not tell what a ticket is about."""
        return ()

    async def links(self, ticket: ListedRow, operation: str) -> Sequence[Link]:  # noqa: ARG002 - see below
        """v2 does not tell of links between tickets."""
        return ()

    async def rows(self, kind: str, operation: str) -> Sequence[ListedRow] | None:  # noqa: ARG002 - see below
        """v2 does not tell what devices have to do with each other."""
        return None

    async def assigned(self, ticket: ListedRow, operation: str) -> Sequence[tuple[str, int]]:  # noqa: ARG002
        """Those of the team."""
        team = ticket.get("team")
        return [
            (str(each.get("type")), each["id"])
            for each in (team if isinstance(team, list) else ())
            if isinstance(each, dict) and each.get("role") == "assigned" and isinstance(each.get("id"), int)
        ]

    async def actor(self, kind: str, name: str, operation: str) -> int | None:  # noqa: ARG002 - ids are wanted
        """Names are not looked up."""
        return None

    async def assign(self, ticket: SourceRef, kind: str, number: int, operation: str) -> None:
        """A member of the team."""
        body = {"type": kind, "id": number, "role": "assigned"}
        path = f"{PATHS['Ticket']}/{ticket.external_id}/TeamMember"
        told = ("assignee",) if kind == "User" else ("assigned_group",)
        await self._write("POST", path, body, operation, ticket, told_of=told)

    async def link(self, ticket: SourceRef, kind: int, other: int, operation: str) -> None:  # noqa: ARG002
        """v2 has no links between tickets. Raises Invalid."""
        raise Invalid(
            f"{operation}: the high-level API of GLPI links no tickets", operation=operation, ref=ticket,
            fields=dict.fromkeys(("parent", "duplicate_of", "related"), "over v1 alone"),
            hint='Use api = "v1" for tickets that are linked.',
        )  # fmt: skip

    async def with_serial(self, kind: str, serial: str, operation: str) -> Sequence[ListedRow]:
        """Devices that show a serial, in any case."""
        quote = "'" if '"' in serial else '"'
        params: dict[str, str | int] = {
            "filter": f"serial=={quote}{serial}{quote};is_deleted==false", "start": 0, "limit": 100,
        }  # fmt: skip
        listing = await self._listing(PATHS[kind], params, operation)
        wanted = serial.strip().casefold()
        return [row for row in listing.rows if str(row.get("serial") or "").strip().casefold() == wanted]

    async def followups(self, ticket: SourceRef, operation: str) -> Sequence[ListedRow]:
        """A ticket's followups, each of which comes within an entry of the timeline. Raises NotFound."""
        path = f"{PATHS['Ticket']}/{ticket.external_id}/Timeline/Followup"
        try:
            response = await self._send("GET", path, operation, ref=ticket)
        except AuthError as error:
            raise hidden(error) from None
        entries = self._http.json(response, operation=operation)
        if not isinstance(entries, list):
            raise UnexpectedResponse(f"the answer to {operation} is no timeline", operation=operation, ref=ticket)
        found = [entry.get("item", entry) for entry in entries if isinstance(entry, dict)]
        return [row for row in found if isinstance(row, dict)]

    async def add_followup(self, ticket: SourceRef, content: str, operation: str, *, is_private: bool) -> int:
        """Its id. Raises Invalid, NotFound, OutcomeUnknown.

        GLPI 11.0.7 adds it and answers that it is not found: what was added is then looked for.
        """
        path = f"{PATHS['Ticket']}/{ticket.external_id}/Timeline/Followup"
        body = {"content": content, "is_private": is_private}
        try:
            response = await self._write("POST", path, body, operation, ticket, told_of=("content",))
        except NotFound:
            for row in await self.followups(ticket, operation):
                if row.get("content") == content and isinstance(row.get("id"), int):
                    return int(row["id"])
            raise
        made = json_object(self._http.json(response, operation=operation), operation, ref=ticket).get("id")
        if not isinstance(made, int) or isinstance(made, bool):
            raise UnexpectedResponse(f"the answer to {operation} has no id", operation=operation, ref=ticket)
        return made

    async def change(
        self, kind: str, number: int, values: Mapping[str, object], ref: SourceRef, operation: str
    ) -> None:
        """Set columns. Raises Invalid, NotFound, OutcomeUnknown."""
        named = {PROPERTIES.get(name, name): value for name, value in values.items()}
        body = {name: {"id": _id(value)} if name in REFERENCES else value for name, value in named.items()}
        await self._write("PATCH", f"{PATHS[kind]}/{number}", body, operation, ref, told_of=tuple(values))

    async def _write(
        self, method: str, path: str, body: Mapping[str, object], operation: str, ref: SourceRef,
        *, told_of: Sequence[str],
    ) -> httpx.Response:  # fmt: skip
        """A refusal comes with 400, with 403, or with 500 when GLPI's own code refuses, and then nothing was done."""
        try:
            return await self._send(method, path, operation, body=dict(body), ref=ref)
        except Invalid as error:
            raise refused(error, told_of) from None
        except OutcomeUnknown as error:
            if did_nothing(error):
                raise refused(error, told_of) from None
            raise
        except AuthError as error:
            raise hidden(error) from None

    async def _listing(self, path: str, params: Mapping[str, str | int], operation: str) -> Listing:
        """A part of a list, with its total of the header Content-Range."""
        response = await self._send("GET", path, operation, params=params)
        rows = self._http.json(response, operation=operation)
        total = response.headers.get("content-range", "").rpartition("/")[2]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or not total.isdigit():
            raise UnexpectedResponse(
                f"the answer to {operation} is no list of {path} with its total", operation=operation,
                hint="Let the proxy before GLPI pass the header Content-Range.",
            )  # fmt: skip
        return Listing(rows, int(total))

    async def _send(
        self, method: str, path: str, operation: str, *, params: Mapping[str, str | int] | None = None,
        body: Any = None, ref: SourceRef | None = None,
    ) -> httpx.Response:  # fmt: skip
        async def send(headers: dict[str, str]) -> httpx.Response:
            return await self._http.request(
                method, f"{self._api}/{path}", operation=operation, params=params, json=body, headers=headers, ref=ref
            )

        return await self._tokens.sent(send)


def _id(value: object) -> object:
    """An id that was given as digits, since what refers to nothing does not show that it takes a number."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value
