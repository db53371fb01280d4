"""SANDBOX: the HTTP side of the sandbox of Jira, answers in the shape of version 3 of the interface."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_jira_service_management.sandbox.search import parse
from connector_jira_service_management.sandbox.site import (
    ACCOUNTS,
    CUSTOM_FIELDS,
    EDITABLE,
    LINK_TYPES,
    ME,
    RESOLUTIONS,
    STATUSES,
    TRANSITIONS,
    Comment,
    FieldDefinition,
    Refusal,
    SandboxIssue,
    Site,
)

SITE = "http://jira.test"
ROOT = "/rest/api/3"
VERSION = "1001.0.0-SNAPSHOT"
CATEGORY_IDS = {"undefined": 1, "new": 2, "done": 3, "indeterminate": 4}


class Server:
    """Answers requests for a site. zone: of the account's profile. fold: which reading of an hour that comes twice."""

    def __init__(self, site: Site, email: str, token: str, zone: str, fold: int = 1) -> None:
        self._site = site
        self._expected = f"Basic {base64.b64encode(f'{email}:{token}'.encode()).decode()}"
        self.zone = ZoneInfo(zone)
        self._fold = fold

    def token_expired(self) -> None:
        """From now on the account's token is that of nobody."""
        self._expected = ""

    def app(self) -> Starlette:
        """The server."""
        routes: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/serverInfo", self._server_info),
            ("GET", "/myself", self._myself),
            ("GET", "/field", self._fields),
            ("GET", "/project/{key}", self._project),
            ("POST", "/search/jql", self._search),
            ("GET", "/issue/{issue}", self._issue),
            ("PUT", "/issue/{issue}", self._edit),
            ("GET", "/issue/{issue}/comment", self._comments),
            ("POST", "/issue/{issue}/comment", self._add_comment),
            ("GET", "/issue/{issue}/transitions", self._transitions),
            ("POST", "/issue/{issue}/transitions", self._transition),
            ("GET", "/issue/{issue}/editmeta", self._editmeta),
            ("GET", "/user/assignable/search", self._assignable),
            ("GET", "/issueLinkType", self._link_types),
        ]
        return Starlette(
            routes=[Route(ROOT + path, self._guarded(answer), methods=[method]) for method, path, answer in routes]
        )

    def _guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            path = request.url.path.removeprefix(ROOT)
            if request.headers.get("authorization") != self._expected and path != "/serverInfo":
                return _to_nobody(path)
            try:
                return await answer(request)
            except Refusal as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)

        return respond

    async def _server_info(self, _request: Request) -> Response:
        return JSONResponse({"version": VERSION, "deploymentType": "Cloud"})

    async def _myself(self, _request: Request) -> Response:
        return JSONResponse({**_user(ME), "timeZone": self.zone.key})

    async def _fields(self, _request: Request) -> Response:
        system = [
            {"id": name, "name": name.capitalize(), "custom": False} for name in ("summary", "status", "assignee")
        ]
        custom = [{"id": key, "name": field.name, "custom": True} for key, field in CUSTOM_FIELDS.items()]
        return JSONResponse(system + custom)

    async def _project(self, request: Request) -> Response:
        key = request.path_params["key"]
        if key not in self._site.projects:
            raise Refusal(404, f"No project could be found with key '{key}'.")
        return JSONResponse({"key": key, "name": self._site.projects[key]})

    async def _search(self, request: Request) -> Response:
        """A page. Its token counts issues off, and those of a minute come by key: the worst that is not ruled out."""
        asked = await _body(request)
        query = parse(str(asked.get("jql", "")), self.zone, self._fold)
        for key in query.projects - self._site.projects.keys():
            raise Refusal(400, f"The value '{key}' does not exist for the field 'project'.")
        found = sorted(
            filter(query.wanted, self._site.issues.values()),
            key=lambda i: (i.updated.replace(second=0, microsecond=0), int(i.id)),
        )
        size = min(int(asked.get("maxResults") or 50), 100)
        start = _offset(asked.get("nextPageToken"))
        fields = asked.get("fields") or ["id"]
        shown = [self._shown(issue, fields) for issue in found[start : start + size]]
        body: dict[str, Any] = {"issues": shown, "isLast": start + size >= len(found)}
        if not body["isLast"]:
            body["nextPageToken"] = base64.b64encode(f"offset:{start + size}".encode()).decode()
        return JSONResponse(body)

    async def _issue(self, request: Request) -> Response:
        issue = self._known(request)
        fields = [name for name in request.query_params.get("fields", "").split(",") if name]
        body = self._shown(issue, fields)
        names = [name for name in request.query_params.get("properties", "").split(",") if name]
        if names:
            body["properties"] = {name: issue.properties[name] for name in names if name in issue.properties}
        return JSONResponse(body)

    async def _edit(self, request: Request) -> Response:
        asked = await _body(request)
        issue, links = self._known(request), (asked.get("update") or {}).get("issuelinks") or []
        others = [self._end_of(each["add"]) for each in links]
        self._site.edit(issue, asked.get("fields") or {}, asked.get("properties") or [])
        for kind, way, other in others:
            ends = (issue, other) if way == "outwardIssue" else (other, issue)
            self._site.link(kind, *ends)
        return Response(status_code=204)

    def _end_of(self, added: dict[str, Any]) -> tuple[str, str, SandboxIssue]:
        """Type, way and other issue of a link that is to be added. Raises Refusal."""
        way = "outwardIssue" if "outwardIssue" in added else "inwardIssue"
        told = str(added[way].get("id") or added[way].get("key"))
        for each in self._site.issues.values():
            if told in (each.id, each.key):
                return added["type"]["name"], way, each
        raise Refusal(400, issuelinks=f"No issue could be found with key or id {told}")

    async def _link_types(self, _request: Request) -> Response:
        types = [{"id": str(number), **_link_type(name)} for number, name in enumerate(LINK_TYPES, 10000)]
        return JSONResponse({"issueLinkTypes": types})

    async def _comments(self, request: Request) -> Response:
        issue, asked = self._known(request), request.query_params
        found = [each for each in self._site.comments if each.issue == issue.id]
        if asked.get("orderBy") == "-created":
            found.reverse()
        start, size = int(asked.get("startAt", 0)), min(int(asked.get("maxResults", 50)), 100)
        with_properties = "properties" in asked.get("expand", "")
        shown = [self._comment(each, with_properties=with_properties) for each in found[start : start + size]]
        return JSONResponse({"startAt": start, "maxResults": size, "total": len(found), "comments": shown})

    async def _add_comment(self, request: Request) -> Response:
        asked = await _body(request)
        made = self._site.comment(self._known(request), asked.get("body"), asked.get("properties"))
        return JSONResponse(self._comment(made, with_properties=False), status_code=201)

    async def _transitions(self, request: Request) -> Response:
        issue = self._known(request)
        with_fields = "transitions.fields" in request.query_params.get("expand", "")
        return JSONResponse({"transitions": [
            {"id": STATUSES[name].id, "name": f"To {name}", "to": _status(name), "isAvailable": True}
            | ({"fields": _screen(name)} if with_fields else {})
            for name in TRANSITIONS[issue.status]
        ]})  # fmt: skip

    async def _transition(self, request: Request) -> Response:
        asked = await _body(request)
        number = str((asked.get("transition") or {}).get("id"))
        self._site.transition(
            self._known(request), number, asked.get("fields") or {}, asked.get("properties") or []
        )  # fmt: skip
        return Response(status_code=204)

    async def _editmeta(self, request: Request) -> Response:
        self._known(request)
        links = {"key": "issuelinks", "name": "Linked Issues", "required": False, "operations": ["add", "copy"],
                 "schema": {"type": "array", "items": "issuelinks", "system": "issuelinks"}}  # fmt: skip
        fields = {key: _described(key, field) for key, field in EDITABLE.items()}
        return JSONResponse({"fields": {**fields, "issuelinks": links}})

    async def _assignable(self, request: Request) -> Response:
        query = request.query_params.get("query", "")
        return JSONResponse([_user(account) for account, email in ACCOUNTS.items() if email.startswith(query)])

    def _known(self, request: Request) -> SandboxIssue:
        return self._site.find(request.path_params["issue"])

    def _shown(self, issue: SandboxIssue, names: list[str]) -> dict[str, Any]:
        body: dict[str, Any] = {"id": issue.id, "key": issue.key, "self": f"{SITE}{ROOT}/issue/{issue.id}"}
        if names != ["id"]:
            whole = self.whole(issue)
            body["fields"] = {name: whole[name] for name in names if name in whole}
        return body

    def whole(self, issue: SandboxIssue) -> dict[str, Any]:
        """All fields of an issue."""
        site = self._site
        return {
            "summary": issue.summary, "description": issue.description, "status": _status(issue.status),
            "priority": {"name": issue.priority, "id": "3"} if issue.priority else None,
            "issuetype": {"name": issue.issue_type, "id": "10001", "subtask": False},
            "project": {"key": issue.project, "name": site.projects[issue.project], "id": "10000"},
            "created": self._time(issue.created), "updated": self._time(issue.updated),
            "resolutiondate": self._time(issue.resolved) if issue.resolved else None,
            "reporter": _user(issue.reporter) if issue.reporter else None,
            "assignee": _user(issue.assignee) if issue.assignee else None,
            **({"parent": self._other(issue.parent)} if issue.parent else {}),
            "issuelinks": [
                {"id": str(number), "type": _link_type(kind), way: self._other(other)}
                for number, (kind, way, other) in enumerate(issue.links, 1)
            ],
            **dict.fromkeys(CUSTOM_FIELDS), **issue.fields,
        }  # fmt: skip

    def _other(self, number: str) -> dict[str, Any]:
        other = self._site.issues.get(number)
        return {"id": number, "key": other.key if other else "GONE-1", "self": f"{SITE}{ROOT}/issue/{number}"}

    def _comment(self, each: Comment, *, with_properties: bool) -> dict[str, Any]:
        return {
            "id": each.id, "body": each.body, "author": _user(each.author), "created": self._time(each.created),
            "jsdPublic": each.is_public, **({"properties": each.properties} if with_properties else {}),
        }  # fmt: skip

    def _time(self, at: datetime) -> str:
        """As Jira writes it: in the zone of whoever asks, milliseconds, no colon in the offset."""
        local = at.astimezone(self.zone)
        return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}{local:%z}"


def _to_nobody(path: str) -> Response:
    """What whoever is not known gets: of issues and projects the same as when they are not there."""
    if path.startswith(("/issue/", "/project/")):
        return JSONResponse({"errorMessages": ["Issue does not exist or you do not have permission to see it."]}, 404)
    return Response("Client must be authenticated to access this resource.", status_code=401)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise Refusal(400, "There was an error parsing JSON. Check that your request body is valid.") from None
    if not isinstance(body, dict):
        raise Refusal(400, "There was an error parsing JSON. Check that your request body is valid.")
    return body


def _offset(token: Any) -> int:
    if token is None:
        return 0
    try:
        return int(base64.b64decode(str(token), validate=True).decode().removeprefix("offset:"))
    except ValueError:
        raise Refusal(400, "The provided next page token is invalid or expired.") from None


def _link_type(name: str) -> dict[str, str]:
    inward, outward = LINK_TYPES[name]
    return {"name": name, "inward": inward, "outward": outward}


def _status(name: str) -> dict[str, Any]:
    status = STATUSES[name]
    category = {"id": CATEGORY_IDS[status.category], "key": status.category}
    return {"id": status.id, "name": status.name, "statusCategory": category}


def _screen(name: str) -> dict[str, Any]:
    if STATUSES[name].category != "done":
        return {}
    allowed = [{"name": each} for each in RESOLUTIONS]
    return {"resolution": {"required": True, "key": "resolution", "name": "Resolution", "operations": ["set"],
                           "allowedValues": allowed,
                           "schema": {"type": "resolution", "system": "resolution"}}}  # fmt: skip


def _described(key: str, field: FieldDefinition) -> dict[str, Any]:
    schema = {"type": field.kind, "items": field.items, "custom": field.custom}
    if field.custom is None:
        schema["system"] = key
    described: dict[str, Any] = {
        "key": key, "name": field.name, "required": False, "operations": ["set"],
        "schema": {name: value for name, value in schema.items() if value is not None},
    }  # fmt: skip
    if field.choices is not None:
        described["allowedValues"] = [{"value": each} for each in field.choices]
    return described


def _user(account: str) -> dict[str, Any]:
    return {"accountId": account, "emailAddress": ACCOUNTS[account], "displayName": ACCOUNTS[account].split("@")[0],
            "active": True}  # fmt: skip
