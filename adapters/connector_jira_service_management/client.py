"""Reads and writes version 3 of Jira's REST interface. Knows no records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector.sdk import ConfigError, Invalid, NotFound, SourceClient, SourceRef, UnexpectedResponse
from connector_jira_service_management.refusals import reasons

API = "rest/api/3"
COMMENTS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a search. token: of the next one, None behind the last."""

    items: tuple[Any, ...]
    token: str | None


class JiraClient:
    """Calls of the interface, each named by what it asks for."""

    def __init__(self, http: SourceClient) -> None:
        self._http = http

    async def version(self) -> str | None:
        """The site's version. Told to everybody, so that it proves nothing of the credentials."""
        body = _object(await self._get("serverInfo", "check"), "check")
        return str(body["version"]) if "version" in body else None

    async def time_zone(self, operation: str) -> ZoneInfo:
        """The zone of the account's profile, in which JQL is read. Raises ConfigError when nobody knows it."""
        name = _object(await self._get("myself", operation), operation).get("timeZone")
        try:
            return ZoneInfo(name if isinstance(name, str) else "")
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigError(
                f"the account's profile has the time zone {name!r}, which is none that is known here",
                operation=operation,
                hint="Choose another one in the profile of the token's account; times in queries are read in it.",
            ) from error

    async def project(self, key: str) -> None:
        """Ask for a project. Raises NotFound, the answer also where the account may not see it."""
        await self._get(f"project/{_segment(key)}", "check project")

    async def field_ids(self) -> frozenset[str]:
        """The identifiers of all fields that the account sees."""
        found = await self._get("field", "check fields")
        if not isinstance(found, list):
            raise UnexpectedResponse("the answer to check fields is no list", operation="check fields")
        return frozenset(str(each["id"]) for each in found if isinstance(each, dict) and "id" in each)

    async def search(self, jql: str, *, fields: Sequence[str], size: int, token: str | None) -> Page:
        """A page of the issues that a query finds. Raises ConfigError when it names what the account does not see."""
        asked: dict[str, object] = {"jql": jql, "fields": list(fields), "maxResults": size}
        if token is not None:
            asked["nextPageToken"] = token
        operation = "pull tickets"
        try:
            response = await self._http.request(
                "POST", f"{API}/search/jql", operation=operation, json=asked, reads=True
            )  # fmt: skip
        except Invalid as error:
            said = "; ".join(reasons(error.detail, {}).values()) or "no reason given"
            raise ConfigError(
                f"Jira refuses the search for issues: {said}",
                operation=operation,
                hint="Correct `projects` and `issue_types`, or grant the account the permission Browse Projects.",
                detail=error.detail,
            ) from error
        body = _object(self._http.json(response, operation=operation), operation)
        items, following = body.get("issues"), body.get("nextPageToken")
        if not isinstance(items, list):
            raise UnexpectedResponse(
                f"the answer to {operation} has no list `issues`",
                operation=operation,
                hint="Check that base_url is the address of a Jira site in the cloud.",
            )
        is_last = body.get("isLast") is True or not isinstance(following, str) or not following
        return Page(tuple(items), None if is_last else following)

    async def issue(
        self, ref: SourceRef, operation: str, *, fields: Sequence[str], marks: Sequence[str] = ()
    ) -> dict[str, Any]:
        """An issue as it is now, with those of its properties that are named. Raises NotFound."""
        params = {"fields": ",".join(fields)} | ({"properties": ",".join(marks)} if marks else {})
        response = await self._http.request("GET", _issue(ref), operation=operation, params=params, ref=ref)
        return _object(self._http.json(response, operation=operation), operation)

    async def comments(self, ref: SourceRef, start: int) -> tuple[list[dict[str, Any]], bool]:
        """Some comments with their properties, newest first, and whether there are older ones."""
        operation = "find note"
        response = await self._http.request(
            "GET",
            f"{_issue(ref)}/comment",
            operation=operation,
            params={"startAt": start, "maxResults": COMMENTS_AT_ONCE, "orderBy": "-created", "expand": "properties"},
            ref=ref,
        )
        body = _object(self._http.json(response, operation=operation), operation)
        found = [each for each in _list(body, "comments", operation) if isinstance(each, dict)]
        total = body.get("total")
        return found, bool(found) and isinstance(total, int) and start + len(found) < total

    async def add_comment(self, ref: SourceRef, comment: Mapping[str, object]) -> dict[str, Any]:
        """Write a comment; the comment as Jira keeps it."""
        operation = "add note"
        response = await self._http.request(
            "POST", f"{_issue(ref)}/comment", operation=operation, json=comment, ref=ref
        )  # fmt: skip
        return _object(self._http.json(response, operation=operation), operation)

    async def transitions(self, ref: SourceRef) -> list[Any]:
        """Where the issue can go from where it is, with the fields that each way asks for."""
        operation = "set state"
        response = await self._http.request(
            "GET",
            f"{_issue(ref)}/transitions",
            operation=operation,
            params={"expand": "transitions.fields"},
            ref=ref,
        )
        return _list(_object(self._http.json(response, operation=operation), operation), "transitions", operation)

    async def transition(self, ref: SourceRef, change: Mapping[str, object]) -> None:
        """Move an issue. Raises Invalid, Conflict."""
        await self._http.request(
            "POST", f"{_issue(ref)}/transitions", operation="set state", json=change, ref=ref
        )  # fmt: skip

    async def editable(self, ref: SourceRef, operation: str) -> dict[str, Any]:
        """The fields of an issue that can be edited, by their identifier."""
        response = await self._http.request("GET", f"{_issue(ref)}/editmeta", operation=operation, ref=ref)
        body = _object(self._http.json(response, operation=operation), operation)
        return _object(body.get("fields"), operation)

    async def edit(self, ref: SourceRef, change: Mapping[str, object]) -> None:
        """Change fields and properties of an issue, all or none. Raises Invalid."""
        await self._http.request("PUT", _issue(ref), operation="set fields", json=change, ref=ref)

    async def assignable(self, ref: SourceRef, query: str) -> list[str]:
        """The ids of the accounts that may have the issue and that the query finds, for example by e-mail address."""
        operation = "find assignee"
        response = await self._http.request(
            "GET",
            f"{API}/user/assignable/search",
            operation=operation,
            params={"query": query, "issueKey": _number(ref), "maxResults": 2},
            ref=ref,
        )
        found = self._http.json(response, operation=operation)
        return [str(each["accountId"]) for each in found if isinstance(each, dict) and "accountId" in each] \
            if isinstance(found, list) else []  # fmt: skip

    async def _get(self, path: str, operation: str) -> object:
        response = await self._http.request("GET", f"{API}/{path}", operation=operation)
        return self._http.json(response, operation=operation)


def _issue(ref: SourceRef) -> str:
    return f"{API}/issue/{_number(ref)}"


def _number(ref: SourceRef) -> str:
    if not (ref.external_id.isascii() and ref.external_id.isdigit()):
        raise NotFound(f"{ref} is no issue of Jira: their identifiers are numbers", operation="find issue", ref=ref)
    return ref.external_id


def _segment(text: str) -> str:
    return quote(text, safe="")


def _object(body: object, operation: str) -> dict[str, Any]:
    if isinstance(body, dict):
        return body
    raise UnexpectedResponse(
        f"the answer to {operation} has no JSON object where one belongs, but {type(body).__name__}",
        operation=operation,
        hint="Check that base_url is the address of a Jira site in the cloud.",
    )


def _list(body: Mapping[str, Any], name: str, operation: str) -> list[Any]:
    found = body.get(name)
    if isinstance(found, list):
        return found
    raise UnexpectedResponse(f"the answer to {operation} has no list `{name}`", operation=operation)
