"""SANDBOX: the HTTP side of the sandbox of PagerDuty, answers in the shapes of REST API 2."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector_pagerduty.sandbox.account import Account, LogEntry, Note, Refusal, SandboxIncident

PAGE, LARGEST_PAGE = 25, 100
MONTH, LONGEST_RANGE = timedelta(days=30), timedelta(days=184)
CAP_SAID = "Offset+limit exceeds maximum allowed value of {cap}"
SUBDOMAIN = "https://sandbox.pagerduty.example"

Answer = Callable[[Request], Awaitable[Response]]


class Switchboard:
    """Answers requests for an account. cap: of offset and limit. zone: the account's own, for times without one."""

    def __init__(self, account: Account, token: str, *, cap: int, zone: str, now: Callable[[], datetime]) -> None:
        self._account = account
        self._token = token
        self._cap = cap
        self._zone = ZoneInfo(zone)
        self._now = now
        self.services = {"PIJ90N7", "PSTORES"}
        self.teams = {"PQ9K7I8"}

    def app(self) -> Starlette:
        """The server."""
        routes: list[tuple[str, str, Answer]] = [
            ("GET", "/abilities", self._abilities),
            ("GET", "/services/{id}", self._service),
            ("GET", "/teams/{id}", self._team),
            ("GET", "/incidents", self._incidents),
            ("GET", "/incidents/{id}", self._incident),
            ("PUT", "/incidents/{id}", self._update),
            ("GET", "/incidents/{id}/notes", self._notes),
            ("POST", "/incidents/{id}/notes", self._write),
            ("GET", "/incidents/{id}/custom_fields/values", self._values),
            ("PUT", "/incidents/{id}/custom_fields/values", self._set_values),
            ("GET", "/log_entries", self._log),
        ]
        return Starlette(
            routes=[Route(path, self._guarded(answer), methods=[method]) for method, path, answer in routes],
            exception_handlers={404: self._missing},
        )

    async def _missing(self, _request: Request, _error: Exception) -> Response:
        return _refuse(Refusal(404, 2100, "Not Found"))

    def _guarded(self, answer: Answer) -> Answer:
        async def respond(request: Request) -> Response:
            if request.headers.get("authorization") != f"Token token={self._token}":
                return _refuse(Refusal(401, 2006, "Authentication failed"))
            try:
                return await answer(request)
            except Refusal as refusal:
                return _refuse(refusal)

        return respond

    async def _abilities(self, _request: Request) -> Response:
        return JSONResponse({"abilities": ["teams", "urgencies", "read_only_users"]})

    async def _service(self, request: Request) -> Response:
        policy = _reference("escalation_policy", "PT20YPA", "Whoever is there")
        service = {"id": _known(request, self.services), "type": "service", "escalation_policy": policy}
        return JSONResponse({"service": service})

    async def _team(self, request: Request) -> Response:
        return JSONResponse({"team": {"id": _known(request, self.teams), "type": "team", "name": "Engineering"}})

    async def _incidents(self, request: Request) -> Response:
        asked = request.query_params
        services, teams, statuses = (asked.getlist(name) for name in ("service_ids[]", "team_ids[]", "statuses[]"))
        since, until = self._range(request)
        found = [
            each
            for each in self._account.incidents.values()
            if (asked.get("date_range") == "all" or since <= each.created_at < until)
            and (not services or each.service[0] in services)
            and (not teams or (each.team is not None and each.team[0] in teams))
            and (not statuses or each.status in statuses)
        ]
        for part in reversed((asked.get("sort_by") or "incident_number:desc").split(",")):
            column, _, direction = part.partition(":")
            by = {"created_at": lambda each: each.created_at, "incident_number": lambda each: each.number}.get(column)
            if by is None:
                raise Refusal(400, 2001, "Invalid Input Provided", f"Cannot sort by {column}")
            found.sort(key=by, reverse=direction == "desc")
        return self._page(request, "incidents", found, self._shown)

    async def _incident(self, request: Request) -> Response:
        incident = self._account.find(request.path_params["id"])
        return JSONResponse({"incident": self._shown(incident, request.query_params.getlist("include[]"))})

    async def _update(self, request: Request) -> Response:
        incident = self._account.find(request.path_params["id"])
        self._account.require_user(request.headers.get("from"))
        body = (await request.json()).get("incident") or {}
        if body.get("type") not in ("incident", "incident_reference"):
            raise Refusal(400, 2001, "Invalid Input Provided", "Incident type is required")
        self._account.set_status(incident, str(body.get("status")))
        return JSONResponse({"incident": self._shown(incident)})

    async def _notes(self, request: Request) -> Response:
        incident = self._account.find(request.path_params["id"])
        notes = [_note(each) for each in self._account.notes if each.incident == incident.id]
        return JSONResponse({"notes": notes[::-1]})

    async def _write(self, request: Request) -> Response:
        incident = self._account.find(request.path_params["id"])
        self._account.require_user(request.headers.get("from"))
        content = ((await request.json()).get("note") or {}).get("content")
        if not content:
            raise Refusal(400, 2001, "Invalid Input Provided", "Content cannot be empty")
        return JSONResponse({"note": _note(self._account.write(incident, content))})

    async def _values(self, request: Request) -> Response:
        incident = self._account.find(request.path_params["id"])
        return JSONResponse({"custom_fields": self._fields(incident)})

    async def _set_values(self, request: Request) -> Response:
        incident = self._account.find(request.path_params["id"])
        self._account.set_fields(incident, (await request.json()).get("custom_fields") or [])
        return JSONResponse({"custom_fields": self._fields(incident)}, status_code=201)

    async def _log(self, request: Request) -> Response:
        since, until = self._range(request)
        found = [each for each in self._account.log if since <= each.at < until]
        found.sort(key=lambda each: (each.at, each.id), reverse=True)
        return self._page(request, "log_entries", found, self._entry)

    def _range(self, request: Request) -> tuple[datetime, datetime]:
        """Since and until, one month where one of them is missing."""
        since, until = (self._moment(request.query_params.get(name)) for name in ("since", "until"))
        if until is None:
            until = since + MONTH if since else self._now()
        since = since or until - MONTH
        if until - since > LONGEST_RANGE and request.query_params.get("date_range") != "all":
            raise Refusal(400, 2005, "Invalid Query Date Range")
        return since, until

    def _moment(self, text: str | None) -> datetime | None:
        if text is None:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise Refusal(400, 2004, "Invalid time values in 'since' and/or 'until' parameters") from None
        return at if at.tzinfo else at.replace(tzinfo=self._zone)

    def _page(self, request: Request, name: str, found: list[Any], shown: Callable[[Any], dict[str, Any]]) -> Response:
        limit = min(int(request.query_params.get("limit", PAGE)), LARGEST_PAGE)
        offset = int(request.query_params.get("offset", 0))
        if offset + limit > self._cap:
            raise Refusal(400, 2001, "Invalid Input Provided", CAP_SAID.format(cap=self._cap))
        rows = [shown(each) for each in found[offset : offset + limit]]
        more = offset + limit < len(found)
        return JSONResponse({name: rows, "limit": limit, "offset": offset, "total": None, "more": more})

    def _shown(self, incident: SandboxIncident, include: list[str] | None = None) -> dict[str, Any]:
        is_over = incident.status == "resolved"
        shown: dict[str, Any] = {
            "id": incident.id,
            "type": "incident",
            "summary": f"[#{incident.number}] {incident.title}",
            "html_url": f"{SUBDOMAIN}/incidents/{incident.id}",
            "incident_number": incident.number,
            "title": incident.title,
            "created_at": _text(incident.created_at),
            "updated_at": _text(incident.updated_at),
            "status": incident.status,
            "service": _reference("service", *incident.service),
            "assignments": _assignments(incident),
            "last_status_change_at": _text(incident.changed_status_at),
            "resolved_at": _text(incident.changed_status_at) if is_over else None,
            "incident_type": {"name": "incident_default"},
            "teams": [_reference("team", *incident.team)] if incident.team else [],
            "priority": _reference("priority", *incident.priority) if incident.priority else None,
            "resolve_reason": _merged(incident),
            "urgency": incident.urgency,
        }
        if include and "body" in include:
            shown["body"] = {"type": "incident_body", "details": incident.details}
        if include and "custom_fields" in include:
            shown["custom_fields"] = self._fields(incident)
        return shown | incident.extra

    def _fields(self, incident: SandboxIncident) -> list[dict[str, Any]]:
        return [
            {
                "id": each.id, "type": "field_value", "name": each.name, "display_name": each.display_name,
                "description": None, "data_type": each.data_type, "field_type": each.field_type,
                "value": incident.fields.get(each.id),
            }
            for each in self._account.fields.values()
        ]  # fmt: skip

    def _entry(self, entry: LogEntry) -> dict[str, Any]:
        incident = self._account.incidents[entry.incident]
        reference = _reference("incident", incident.id, f"[#{incident.number}] {incident.title}")
        return {"id": entry.id, "type": entry.type, "created_at": _text(entry.at), "incident": reference}


def _known(request: Request, known: set[str]) -> str:
    asked = str(request.path_params["id"])
    if asked not in known:
        raise Refusal(404, 2100, "Not Found")
    return asked


def _refuse(refusal: Refusal) -> Response:
    error: dict[str, Any] = {"message": refusal.message, "code": refusal.code}
    return JSONResponse({"error": error | ({"errors": list(refusal.errors)} if refusal.errors else {})}, refusal.status)


def _reference(kind: str, ref: str, summary: str) -> dict[str, str]:
    return {"id": ref, "type": f"{kind}_reference", "summary": summary}


def _assignments(incident: SandboxIncident) -> list[dict[str, Any]]:
    if incident.status == "resolved" or incident.assignee is None:
        return []
    return [{"at": _text(incident.created_at), "assignee": _reference("user", *incident.assignee)}]


def _merged(incident: SandboxIncident) -> dict[str, Any] | None:
    if incident.merged_into is None:
        return None
    return {"type": "merge_resolve_reason", "incident": _reference("incident", incident.merged_into, "The other")}


def _note(note: Note) -> dict[str, Any]:
    return {"id": note.id, "content": note.content, "created_at": _text(note.at), "channel": {"summary": "The API"}}


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
