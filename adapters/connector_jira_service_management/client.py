"""Reads and writes version 3 of Jira's REST interface. Knows no records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector.sdk import ConfigError, Invalid, NotFound, SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.answers import json_list, json_object, path_segment
from connector_jira_service_management.refusals import reasons

API = "rest/api/3"
COMMENTS_AT_ONCE = 100
WHERE = "Check that base_url is the address of a Jira site in the cloud."


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
        body = await self._object("GET", f"{API}/serverInfo", "check")
        return str(body["version"]) if "version" in body else None

    async def time_zone(self, operation: str) -> ZoneInfo:
        """The zone of the account's profile, in which JQL is read. Raises ConfigError when nobody knows it."""
        name = (await self._object("GET", f"{API}/myself", operation)).get("timeZone")
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
        await self._get(f"project/{path_segment(key)}", "check project")

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
            said = "; ".join(reasons(error, {}).values()) or "no reason given"
            raise ConfigError(
                f"Jira refuses the search for issues: {said}",
                operation=operation,
                hint="Correct `projects` and `issue_types`, or grant the account the permission Browse Projects.",
                detail=error.detail,
            ) from error
        body = json_object(self._http.json(response, operation=operation), operation, hint=WHERE)
        items, following = json_list(body, "issues", operation, hint=WHERE), body.get("nextPageToken")
        is_last = body.get("isLast") is True or not isinstance(following, str) or not following
        if not is_last and following == token:
            raise UnexpectedResponse(
                f"{operation}: a page leads to itself, the list does not go on", operation=operation, hint=WHERE
            )
        return Page(tuple(items), None if is_last else following)

    async def issue(
        self, ref: SourceRef, operation: str, *, fields: Sequence[str], marks: Sequence[str] = ()
    ) -> dict[str, Any]:
        """An issue as it is now, with those of its properties that are named. Raises NotFound."""
        params = {"fields": ",".join(fields)} | ({"properties": ",".join(marks)} if marks else {})
        return await self._object("GET", _issue(ref), operation, params=params, ref=ref)

    async def comments(self, ref: SourceRef, start: int) -> tuple[list[dict[str, Any]], bool]:
        """Some comments with their properties, newest first, and whether there are older ones."""
        operation = "find note"
        params = {"startAt": start, "maxResults": COMMENTS_AT_ONCE, "orderBy": "-created", "expand": "properties"}
        body = await self._object("GET", f"{_issue(ref)}/comment", operation, params=params, ref=ref)
        found = [each for each in json_list(body, "comments", operation) if isinstance(each, dict)]
        total = body.get("total")
        return found, bool(found) and isinstance(total, int) and start + len(found) < total

    async def add_comment(self, ref: SourceRef, comment: Mapping[str, object]) -> dict[str, Any]:
        """Write a comment; the comment as Jira keeps it."""
        return await self._object("POST", f"{_issue(ref)}/comment", "add note", json=comment, ref=ref)

    async def transitions(self, ref: SourceRef) -> list[Any]:
        """Where the issue can go from where it is, with the fields that each way asks for."""
        operation = "set state"
        params = {"expand": "transitions.fields"}
        body = await self._object("GET", f"{_issue(ref)}/transitions", operation, params=params, ref=ref)
        return json_list(body, "transitions", operation)

    async def transition(self, ref: SourceRef, change: Mapping[str, object]) -> None:
        """Move an issue. Raises Invalid, Conflict."""
        await self._http.request(
            "POST", f"{_issue(ref)}/transitions", operation="set state", json=change, ref=ref
        )  # fmt: skip

    async def editable(self, ref: SourceRef, operation: str) -> dict[str, Any]:
        """The fields of an issue that can be edited, by their identifier."""
        body = await self._object("GET", f"{_issue(ref)}/editmeta", operation, ref=ref)
        return json_object(body.get("fields"), operation)

    async def edit(self, ref: SourceRef, change: Mapping[str, object]) -> None:
        """Change fields and properties of an issue, all or none. Raises Invalid."""
        await self._http.request("PUT", _issue(ref), operation="set fields", json=change, ref=ref)

    async def link_types(self, operation: str) -> list[Any]:
        """The types of links between issues."""
        body = await self._object("GET", f"{API}/issueLinkType", operation)
        return json_list(body, "issueLinkTypes", operation)

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

    async def _object(self, method: str, path: str, operation: str, **asked: Any) -> dict[str, Any]:
        response = await self._http.request(method, path, operation=operation, **asked)
        return json_object(self._http.json(response, operation=operation), operation, hint=WHERE)

    async def _get(self, path: str, operation: str) -> object:
        response = await self._http.request("GET", f"{API}/{path}", operation=operation)
        return self._http.json(response, operation=operation)


def _issue(ref: SourceRef) -> str:
    return f"{API}/issue/{_number(ref)}"


def _number(ref: SourceRef) -> str:
    if not (ref.external_id.isascii() and ref.external_id.isdigit()):
        raise NotFound(f"{ref} is no issue of Jira: their identifiers are numbers", operation="find issue", ref=ref)
    return ref.external_id
