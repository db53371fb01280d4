"""SANDBOX: the tickets of a Zendesk account, its people, fields and statuses, and the audits of what happened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connector.sdk import Clock

LONGEST_COMMENT = 65_535
LONGEST_FIELD = 255
STATUSES = ("new", "open", "pending", "hold", "solved", "closed")
USERS: dict[int, dict[str, Any]] = {
    3: {"id": 3, "name": "Connector", "email": "connector@example.com", "role": "admin"},
    5: {"id": 5, "name": "Emma", "email": "emma@example.com", "role": "agent"},
    8: {"id": 8, "name": "Emily", "email": "emily@example.net", "role": "end-user"},
}
GROUPS: dict[int, dict[str, Any]] = {
    20: {"id": 20, "name": "Service Desk"}, 21: {"id": 21, "name": "2nd Level"},
}  # fmt: skip
AGENTS = {3: (20, 21), 5: (20,)}
"""Agent -> their groups."""
ORGANIZATIONS: dict[int, dict[str, Any]] = {40: {"id": 40, "name": "ACME Hamburg"}}
OPTIONS = [{"name": "Core switch", "value": "core_switch"}, {"name": "Access switch", "value": "access_switch"}]
FIELDS: tuple[dict[str, Any], ...] = (
    {"id": 1, "type": "subject", "title": "Subject", "active": True},
    {"id": 100, "type": "text", "title": "Tracking number", "active": True},
    {"id": 101, "type": "text", "title": "Asset tag", "active": True},
    {"id": 102, "type": "text", "title": "Serial number", "active": True},
    {"id": 103, "type": "integer", "title": "Quantity", "active": True},
    {"id": 104, "type": "tagger", "title": "Device class", "active": True, "custom_field_options": OPTIONS},
    {"id": 105, "type": "checkbox", "title": "Remote", "active": True},
    {"id": 106, "type": "date", "title": "Needed on", "active": True},
    {"id": 107, "type": "multiselect", "title": "Racks", "active": True, "custom_field_options": OPTIONS},
    {"id": 108, "type": "regexp", "title": "Cost centre", "active": True},
    {"id": 109, "type": "text", "title": "Site", "active": True},
    {"id": 110, "type": "text", "title": "Double", "active": True},
    {"id": 111, "type": "text", "title": "Double", "active": True},
)
EMPTY: dict[str, Any] = {"checkbox": False, "multiselect": []}
DEFAULT_STATUSES = [
    {"id": 60 + number, "status_category": name, "agent_label": name.title(), "active": True, "default": True}
    for number, name in enumerate(STATUSES[:-1])
]
PARTS = {"id": 70, "status_category": "hold", "agent_label": "Waiting for parts", "active": True, "default": False}


class Refusal(Exception):  # noqa: N818 - an answer of the sandbox, not a failure
    """The sandbox refuses a request."""

    def __init__(self, status: int, error: str, description: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "description": description} | ({"details": details} if details else {})


def invalid(field: str, description: str, **more: Any) -> Refusal:
    """A refusal of a value."""
    details = {field: [{"description": description, "error": "InvalidValue", **more}]}
    return Refusal(422, "RecordInvalid", "Record validation errors", details)


class Account:
    """Tickets and what happened to them. me: whose credentials the hub has."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.me = USERS[3]
        self.tickets: dict[int, dict[str, Any]] = {}
        self.audits: list[dict[str, Any]] = []
        self.statuses = [*DEFAULT_STATUSES, PARTS]
        self.needs: set[str] = set()
        """Tickets that cannot be solved, since a field that this needs is empty."""

    def open(
        self, at: datetime | None = None, *, fields: Mapping[int, Any] | None = None, **columns: Any
    ) -> dict[str, Any]:
        """A ticket that a customer has written."""
        when = self.when(at)
        number = max(self.tickets, default=0) + 1
        ticket: dict[str, Any] = {
            "id": number, "subject": "Switch is dead", "description": "It is dead.", "status": "new",
            "priority": "normal", "type": "incident", "group_id": 20, "assignee_id": None, "requester_id": 8,
            "organization_id": 40, "problem_id": None, "followup_ids": [], "external_id": None, "due_at": None,
            "via": {"channel": "web", "source": {"from": {}, "to": {}, "rel": None}},
            "created_at": when, "updated_at": when, "generated_at": when,
            "custom": {each["id"]: EMPTY.get(each["type"]) for each in FIELDS[1:]} | dict(fields or {}),
        }  # fmt: skip
        ticket |= {"custom_status_id": _status_id(str(columns.get("status", "new")))} | columns
        self.tickets[number] = ticket
        self._audit(ticket, when, [self._comment("It is dead.", public=True)], {})
        return ticket

    def find(self, ticket_id: Any) -> dict[str, Any]:
        """The ticket of an id. Raises Refusal for one that is not there, or was deleted."""
        found = self.tickets.get(int(ticket_id)) if str(ticket_id).isdigit() else None
        if found is None or found["status"] == "deleted":
            raise Refusal(404, "RecordNotFound", "Not found")
        return found

    def change(self, ticket: dict[str, Any], at: datetime | None = None, **columns: Any) -> None:
        """Change columns, as a person does."""
        self._apply(ticket, columns, {}, [], {}, self.when(at))

    def system_change(self, ticket: dict[str, Any], at: datetime) -> None:
        """Zendesk itself changes something: no event, and no other `updated_at`."""
        ticket["generated_at"] = at

    def delete(self, ticket: dict[str, Any], at: datetime) -> None:
        """A person deletes the ticket; the export goes on to show it."""
        ticket |= {"status": "deleted", "generated_at": at, "updated_at": at}

    def update(self, ticket: dict[str, Any], asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """Change a ticket as the interface does; the audit, None when nothing changed. Raises Refusal."""
        if ticket["status"] == "closed":
            raise invalid("status", "Status: closed prevents ticket update", error="ClosedTicket")
        if "safe_update" in asked and asked.get("updated_stamp") != text(ticket["updated_at"]):
            told = "Safe Update prevented the update due to outdated ticket data."
            raise Refusal(409, "UpdateConflict", f"{told} Please fetch the latest ticket data and try again.")
        columns = {name: asked[name] for name in asked if name in ticket and name not in ("id", "via", "custom")}
        if email := asked.get("assignee_email"):
            columns["assignee_id"] = next((each["id"] for each in USERS.values() if each["email"] == email), None)
        self._require(ticket, columns)
        if "custom_status_id" in columns:
            [own] = [each for each in self.statuses if each["id"] == columns["custom_status_id"]]
            columns["status"] = own["status_category"]
        elif "status" in columns:
            columns["custom_status_id"] = _status_id(columns["status"])
        known = {each["id"]: each for each in FIELDS[1:]}
        custom = {each["id"]: each["value"] for each in asked.get("custom_fields", ()) if each["id"] in known}
        for field_id, value in custom.items():
            _require_value(known[field_id], value)
        comments = []
        if comment := asked.get("comment"):
            if len(comment["body"]) > LONGEST_COMMENT:
                raise invalid("comment", "Comment: is too long")
            comments = [self._comment(comment["body"], public=comment.get("public", True))]
        return self._apply(ticket, columns, custom, comments, asked.get("metadata") or {}, self.when(None))

    def _require(self, ticket: Mapping[str, Any], columns: dict[str, Any]) -> None:
        for name, words in (("status", STATUSES), ("priority", ("low", "normal", "high", "urgent"))):
            if name in columns and columns[name] not in words:
                raise invalid(name, f"{name.title()}: {columns[name]} is not a valid value")
        if columns.get("status") == "solved" and str(ticket["id"]) in self.needs:
            raise invalid("base", "Cost centre: needed when solving", ticket_field_id=108)
        owner, group = columns.get("assignee_id"), columns.get("group_id", ticket["group_id"])
        if owner is not None and group not in AGENTS.get(owner, ()):
            del columns["assignee_id"]  # silently, as for an agent who is not of the group
        if columns.get("custom_status_id", 60) not in {each["id"] for each in self.statuses if each["active"]}:
            raise invalid("custom_status_id", "Custom status: is not active")

    def _apply(
        self, ticket: dict[str, Any], columns: Mapping[str, Any], custom: Mapping[int, Any],
        comments: list[dict[str, Any]], metadata: Mapping[str, Any], when: datetime,
    ) -> dict[str, Any] | None:  # fmt: skip
        events = list(comments)
        stores: tuple[tuple[dict[Any, Any], Mapping[Any, Any]], ...] = ((ticket, columns), (ticket["custom"], custom))
        for store, values in stores:
            for name, value in values.items():
                if store[name] != value:
                    store[name] = value
                    events.append({"type": "Change", "field_name": str(name), "value": value})
        if not events:
            return None
        ticket |= {"updated_at": when, "generated_at": when}
        return self._audit(ticket, when, events, metadata)

    def _audit(
        self, ticket: Mapping[str, Any], when: datetime, events: list[dict[str, Any]], metadata: Mapping[str, Any]
    ) -> dict[str, Any]:
        number = 900 + len(self.audits)
        told = [{"id": number * 100 + place, **event} for place, event in enumerate(events)]
        audit = {
            "id": number, "ticket_id": ticket["id"], "created_at": text(when), "author_id": self.me["id"],
            "metadata": {"system": {"client": "python"}, "custom": dict(metadata)}, "events": told,
        }  # fmt: skip
        self.audits.append(audit)
        return audit

    def _comment(self, body: str, *, public: bool) -> dict[str, Any]:
        return {"type": "Comment", "body": body, "public": public}

    def when(self, at: datetime | None) -> datetime:
        """To the second, as Zendesk keeps it."""
        return (at or self._clock.now()).astimezone(UTC).replace(microsecond=0)

    def is_settled(self, ticket: Mapping[str, Any]) -> bool:
        """Whether the export shows it yet: the last minute is held back."""
        return bool((self._clock.now() - ticket["generated_at"]).total_seconds() >= 60)


def _status_id(category: str) -> int | None:
    return next((int(str(each["id"])) for each in DEFAULT_STATUSES if each["status_category"] == category), None)


def _require_value(field: Mapping[str, Any], value: Any) -> None:
    title, kind = field["title"], field["type"]
    if kind == "regexp" and value is not None and not re.fullmatch(r"[0-9]{4}", str(value)):
        raise invalid("base", f"{title}: is invalid", ticket_field_id=field["id"], ticket_field_type="FieldRegexp")
    if isinstance(value, str) and len(value) > LONGEST_FIELD:
        raise invalid("base", f"{title}: is too long", ticket_field_id=field["id"], ticket_field_type="FieldText")


def text(at: datetime) -> str:
    """As Zendesk writes it: UTC, seconds."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
