"""Reads and writes PagerDuty's REST API. Knows no records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

import httpx

from connector.sdk import Invalid, SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.answers import json_list, json_object, path_segment
from connector_pagerduty.refusals import refused

Params: TypeAlias = tuple[tuple[str, str | int], ...]

CAP = 10_000
"""Offset and limit of a list may not exceed this together."""
WHERE = "Check that base_url is the address of PagerDuty's REST API."
DETAILS: Params = (("include[]", "body"), ("include[]", "custom_fields"))


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. has_more: rows follow. answered_at: by the server's clock, where it says so."""

    rows: tuple[Any, ...]
    has_more: bool
    answered_at: datetime | None


class PagerDutyClient:
    """Calls of PagerDuty, each named by what it asks for."""

    def __init__(self, http: SourceClient) -> None:
        self._http = http

    async def abilities(self) -> tuple[str, ...]:
        """What the account's plan allows; every key may ask for it."""
        body = await self._call("GET", "abilities", "check")
        return tuple(str(each) for each in json_list(body, "abilities", "check", hint=WHERE))

    async def service(self, service_id: str) -> None:
        """Ask for a service. Raises NotFound."""
        await self._call("GET", f"services/{path_segment(service_id)}", "check service")

    async def team(self, team_id: str) -> None:
        """Ask for a team. Raises NotFound."""
        await self._call("GET", f"teams/{path_segment(team_id)}", "check team")

    async def rows(self, kind: str, asked: Params, *, limit: int, offset: int, operation: str) -> Page:
        """A page of `incidents` or `log_entries`; times in it are UTC."""
        params = (*asked, ("limit", limit), ("offset", offset), ("time_zone", "UTC"))
        response = await self._send("GET", kind, operation, params=params)
        body = json_object(self._http.json(response, operation=operation), operation, hint=WHERE)
        rows = json_list(body, kind, operation, hint=WHERE)
        has_more = body.get("more") is True
        if has_more and not rows:
            raise UnexpectedResponse(
                f"{operation}: an empty page of {kind} says that more follow", operation=operation, hint=WHERE
            )
        return Page(tuple(rows), has_more, _date(response))

    async def incident(self, ref: SourceRef, operation: str, *, with_details: bool = False) -> dict[str, Any]:
        """An incident. with_details: with its body and custom fields. Raises NotFound."""
        path = _incident(ref)
        body = await self._call("GET", path, operation, ref=ref, params=DETAILS if with_details else ())
        return _object(body, "incident", operation)

    async def set_status(self, ref: SourceRef, status: str, sender: str) -> dict[str, Any]:
        """Change an incident's status; what it is then. Raises Invalid."""
        asked = {"incident": {"type": "incident_reference", "status": status}}
        body = await self._call(
            "PUT", _incident(ref), "set state", ref=ref, json=asked, headers={"From": sender}, field="status"
        )
        return _object(body, "incident", "set state")

    async def notes(self, ref: SourceRef) -> tuple[Any, ...]:
        """All notes of an incident; they do not come in pages."""
        body = await self._call("GET", f"{_incident(ref)}/notes", "find note", ref=ref)
        return tuple(json_list(body, "notes", "find note", hint=WHERE))

    async def add_note(self, ref: SourceRef, content: str, sender: str) -> dict[str, Any]:
        """Write a note. Raises Invalid."""
        asked = {"note": {"content": content}}
        body = await self._call(
            "POST",
            f"{_incident(ref)}/notes",
            "add note",
            ref=ref,
            json=asked,
            headers={"From": sender},
            field="content",
        )
        return _object(body, "note", "add note")

    async def field_values(self, ref: SourceRef, operation: str) -> tuple[Any, ...]:
        """The custom fields of an incident, with their values."""
        body = await self._call("GET", _fields(ref), operation, ref=ref)
        return tuple(json_list(body, "custom_fields", operation, hint=WHERE))

    async def set_field_values(self, ref: SourceRef, values: Sequence[Mapping[str, object]], sender: str) -> None:
        """Change custom fields; each value has the field's `id`. Raises Invalid."""
        headers = {"From": sender}
        await self._call(
            "PUT", _fields(ref), "set fields", ref=ref, json={"custom_fields": list(values)}, headers=headers,
            field="custom_fields",
        )  # fmt: skip

    async def _call(
        self, method: str, path: str, operation: str, *, ref: SourceRef | None = None, field: str = "", **asked: Any
    ) -> dict[str, Any]:
        response = await self._send(method, path, operation, ref=ref, field=field, **asked)
        return json_object(self._http.json(response, operation=operation), operation, hint=WHERE, ref=ref)

    async def _send(
        self, method: str, path: str, operation: str, *, ref: SourceRef | None = None, field: str = "", **asked: Any
    ) -> httpx.Response:
        try:
            return await self._http.request(method, path, operation=operation, ref=ref, **asked)
        except Invalid as error:
            raise refused(error, field) from error


def _incident(ref: SourceRef) -> str:
    return f"incidents/{path_segment(ref.external_id)}"


def _fields(ref: SourceRef) -> str:
    return f"{_incident(ref)}/custom_fields/values"


def _object(body: dict[str, Any], name: str, operation: str) -> dict[str, Any]:
    return json_object(body.get(name), operation, hint=WHERE)


def _date(response: httpx.Response) -> datetime | None:
    """When the server says that it answered (RFC 9110, section 6.6.1)."""
    try:
        at = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
