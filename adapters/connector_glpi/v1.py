"""GLPI's REST API, version 1: apirest.php."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

import httpx

from connector.sdk import AuthError, Invalid, SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.answers import json_object
from connector.sdk.rest import ListedRow, Listing, ListWalk
from connector_glpi.config import GlpiConfig
from connector_glpi.refusals import BEYOND, code_of, hidden, reason_of, refused, told
from connector_glpi.rows import Item, Link, Member
from connector_glpi.session import API, Session
from connector_glpi.values import decoded
from connector_glpi.words import ASSIGNED, CHILD_OF, DEVICE_TYPES, DUPLICATE_OF, PARENT_OF

NAMES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(DEVICE_TYPES, ("users_id",)), "Ticket": ("itilcategories_id", "locations_id"),
    "Ticket_User": ("users_id",), "Group_Ticket": ("groups_id",),
}  # fmt: skip
"""References of which the name is wanted as well."""
MOST = 1000
"""Rows that belong to one ticket."""


class V1:
    """Requests of one source."""

    def __init__(self, http: SourceClient, config: GlpiConfig) -> None:
        self._http = http
        self._size = config.page_size
        self._session = Session(http, config)

    def walk(self, kind: str, operation: str, *, deleted: bool = False) -> ListWalk:
        """A list: of what there is, or of what lies in the bin."""

        async def ask(newest: bool, offset: int, limit: int) -> Listing:
            order = {"sort": "date_mod", "order": "DESC"} if newest else {"sort": "id", "order": "ASC"}
            params: dict[str, str | int] = {**order, "range": f"{offset}-{offset + limit - 1}"}
            if deleted:
                params["is_deleted"] = 1
            return await self._listing(kind, params, operation)

        return ListWalk(ask, self._size, f"{kind} in the bin" if deleted else kind, operation)

    async def one(self, kind: str, number: int, ref: SourceRef | None, operation: str) -> ListedRow:
        """One item. Raises NotFound, also when it is hidden."""
        try:
            response = await self._get(f"{kind}/{number}", self._params(kind), operation, ref)
        except AuthError as error:
            raise hidden(error) from None
        return json_object(self._http.json(response, operation=operation), operation, ref=ref)

    async def members(self, ticket: ListedRow, operation: str) -> Sequence[Member]:
        """People, and the groups it is assigned to where no person is."""
        found = [
            Member(row.get("type", 0), who, is_group=False)
            for row in await self._of_ticket(ticket, "Ticket_User", operation)
            if (who := _name(row, "users_id") or str(row.get("alternative_email") or ""))
        ]
        if not any(member.role == ASSIGNED for member in found):
            found += [
                Member(row.get("type", 0), name, is_group=True)
                for row in await self._of_ticket(ticket, "Group_Ticket", operation)
                if (name := _name(row, "groups_id"))
            ]
        return found

    async def items(self, ticket: ListedRow, operation: str) -> Sequence[Item]:
        """What a ticket is about."""
        rows = await self._of_ticket(ticket, "Item_Ticket", operation)
        return [Item(str(row.get("itemtype")), row["items_id"]) for row in rows if isinstance(row.get("items_id"), int)]

    async def links(self, ticket: ListedRow, operation: str) -> Sequence[Link]:
        """Links from either end. As a part of a ticket they cannot be asked for: GLPI would answer those of all."""
        number, found = ticket["id"], list[Link]()
        for here, there in (("tickets_id_1", "tickets_id_2"), ("tickets_id_2", "tickets_id_1")):
            params = {f"searchText[{here}]": f"^{number}$", "range": f"0-{MOST - 1}"}
            listing = await self._listing("Ticket_Ticket", params, operation)
            for row in listing.rows:
                kind, other = row.get("link"), row.get(there)
                if row.get(here) == number and isinstance(kind, int) and isinstance(other, int):
                    found.append(Link(kind if here == "tickets_id_1" else _turned(kind), other))
        return found

    async def rows(self, kind: str, operation: str) -> Sequence[ListedRow] | None:
        """A whole list; None where this GLPI does not have it or the profile may not see it."""
        found: list[ListedRow] = []
        try:
            async with aclosing(self.walk(kind, operation).along_ids()) as pages:
                async for page in pages:
                    found += page
        except (Invalid, AuthError):
            return None
        return found

    async def assigned(self, ticket: ListedRow, operation: str) -> Sequence[tuple[str, int]]:
        """Rows of their own."""
        found: list[tuple[str, int]] = []
        for kind, path, column in (("User", "Ticket_User", "users_id"), ("Group", "Group_Ticket", "groups_id")):
            rows = await self._of_ticket(ticket, path, operation)
            found += [
                (kind, row[column]) for row in rows if row.get("type") == ASSIGNED and isinstance(row.get(column), int)
            ]
        return found

    async def actor(self, kind: str, name: str, operation: str) -> int | None:
        """In any case; the filter of GLPI finds more than that."""
        listing = await self._listing(kind, {"searchText[name]": name, "range": "0-99"}, operation)
        wanted = name.strip().casefold()
        found = (row for row in listing.rows if decoded(str(row.get("name") or "")).strip().casefold() == wanted)
        return next((row["id"] for row in found if isinstance(row.get("id"), int)), None)

    async def assign(self, ticket: SourceRef, kind: str, number: int, operation: str) -> None:
        """A row of `Ticket_User` or `Group_Ticket`."""
        path, column = ("Ticket_User", "users_id") if kind == "User" else ("Group_Ticket", "groups_id")
        values = {"tickets_id": int(ticket.external_id), column: number, "type": ASSIGNED}
        told = ("assignee",) if kind == "User" else ("assigned_group",)
        await self._write("POST", path, values, operation, ticket, told_of=told)

    async def link(self, ticket: SourceRef, kind: int, other: int, operation: str) -> None:
        """A row of `Ticket_Ticket`."""
        values = {"tickets_id_1": int(ticket.external_id), "tickets_id_2": other, "link": kind}
        told = {CHILD_OF: "parent", DUPLICATE_OF: "duplicate_of"}.get(kind, "related")
        await self._write("POST", "Ticket_Ticket", values, operation, ticket, told_of=(told,))

    async def with_serial(self, kind: str, serial: str, operation: str) -> Sequence[ListedRow]:
        """Devices that show a serial, in any case; the filter of GLPI finds more than that."""
        listing = await self._listing(kind, {"searchText[serial]": serial, "range": "0-99"}, operation)
        wanted = serial.strip().casefold()
        return [row for row in listing.rows if decoded(str(row.get("serial") or "")).strip().casefold() == wanted]

    async def followups(self, ticket: SourceRef, operation: str) -> Sequence[ListedRow]:
        """A ticket's followups, newest first. Raises NotFound."""
        params = {"sort": "id", "order": "DESC", "range": f"0-{MOST - 1}"}
        try:
            listing = await self._listing(f"Ticket/{ticket.external_id}/ITILFollowup", params, operation, ticket)
        except AuthError as error:
            raise hidden(error) from None
        return listing.rows

    async def add_followup(self, ticket: SourceRef, content: str, operation: str, *, is_private: bool) -> int:
        """Its id. Raises Invalid, OutcomeUnknown."""
        values = {
            "itemtype": "Ticket", "items_id": int(ticket.external_id), "content": content, "is_private": int(is_private)
        }  # fmt: skip
        body = await self._write("POST", "ITILFollowup", values, operation, ticket, told_of=("content",))
        made = body.get("id") if isinstance(body, dict) else None
        if not isinstance(made, int) or isinstance(made, bool):
            raise UnexpectedResponse(f"the answer to {operation} has no id", operation=operation, ref=ticket)
        return made

    async def change(
        self, kind: str, number: int, values: Mapping[str, object], ref: SourceRef, operation: str
    ) -> None:
        """Set columns. Raises Invalid, NotFound, OutcomeUnknown."""
        await self._write("PUT", f"{kind}/{number}", values, operation, ref, told_of=tuple(values))

    async def _write(
        self, method: str, path: str, values: Mapping[str, object], operation: str, ref: SourceRef,
        *, told_of: Sequence[str],
    ) -> Any:  # fmt: skip
        async def send(headers: dict[str, str]) -> httpx.Response:
            with told():
                return await self._http.request(
                    method, f"{API}/{path}", operation=operation, json={"input": dict(values)}, headers=headers, ref=ref
                )

        try:
            response = await self._session.sent(send)
        except Invalid as error:
            raise refused(error, told_of) from None
        except AuthError as error:
            raise hidden(error) from None
        return self._http.json(response, operation=operation)

    async def _of_ticket(self, ticket: ListedRow, kind: str, operation: str) -> list[ListedRow]:
        listing = await self._listing(f"Ticket/{ticket['id']}/{kind}", {"range": f"0-{MOST - 1}"}, operation)
        return listing.rows

    async def _listing(
        self, path: str, params: Mapping[str, str | int], operation: str, ref: SourceRef | None = None
    ) -> Listing:
        """A part of a list, with its total of the header Content-Range, which an empty list has not."""
        try:
            response = await self._get(path, {**self._params(path.rpartition("/")[2]), **params}, operation, ref)
        except Invalid as error:
            if code_of(error) == BEYOND:
                return Listing([], _digits(reason_of(error)))
            raise
        rows = self._http.json(response, operation=operation)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UnexpectedResponse(f"the answer to {operation} is no list of rows of {path}", operation=operation)
        total = response.headers.get("content-range", "").rpartition("/")[2]
        if not total.isdigit() and rows:
            raise UnexpectedResponse(
                f"the answer to {operation} does not say how many rows {path} has", operation=operation,
                hint="Let the proxy before GLPI pass the header Content-Range.",
            )  # fmt: skip
        return Listing(rows, int(total) if total.isdigit() else 0)

    async def _get(
        self, path: str, params: Mapping[str, str | int], operation: str, ref: SourceRef | None
    ) -> httpx.Response:
        async def send(headers: dict[str, str]) -> httpx.Response:
            with told():
                return await self._http.request(
                    "GET", f"{API}/{path}", operation=operation, params=params, headers=headers, ref=ref
                )

        return await self._session.sent(send)

    @staticmethod
    def _params(kind: str) -> dict[str, str | int]:
        names = {f"add_keys_names[{number}]": name for number, name in enumerate(NAMES.get(kind, ()))}
        return {"get_hateoas": "false", **names}


def _name(row: ListedRow, column: str) -> str | None:
    names = row.get("_keys_names")
    name = names.get(column) if isinstance(names, dict) and row.get(column) else None
    return (decoded(name).strip() or None) if isinstance(name, str) else None


def _turned(kind: int) -> int:
    """What a link says of its second ticket; that it has a duplicate says nothing of it."""
    return {CHILD_OF: PARENT_OF, PARENT_OF: CHILD_OF, DUPLICATE_OF: 1}.get(kind, kind)


def _digits(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found.group()) if found else 0
