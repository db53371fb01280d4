"""SANDBOX: what an account of Freshservice holds, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from connector.sdk.markup import text_of_html

Row: TypeAlias = dict[str, Any]

PRIMARY = 2
"""Workspace that is meant where none is named."""
LONGEST_NOTE, LONGEST_FIELD = 65_000, 255
HARDWARE, COMPUTER, LAPTOP, SOFTWARE = 25, 26, 27, 40
TYPES = ((HARDWARE, "Hardware", None), (COMPUTER, "Computer", HARDWARE), (LAPTOP, "Laptop", COMPUTER),
         (SOFTWARE, "Software", None))  # fmt: skip
RELATIONSHIP_TYPES = {
    21: ("Depends On", "Used By"), 22: ("Uses", "Used By"), 23: ("In Rack", "Contains"),
    24: ("Contains", "Attached to"), 25: ("Connected to", "Connected to"),
}  # fmt: skip
"""Names downstream and upstream."""
STATUSES = {2: "Open", 3: "Pending", 4: "Resolved", 5: "Closed", 6: "Waiting for parts"}
PRIORITIES = {1: "Low", 2: "Medium", 3: "High", 4: "Urgent"}
GROUPS = {9: "Hardware Team", 10: "Service Desk"}
AGENTS = {501: ("Kim Berg (Me)", "kim@example.com"), 502: ("Lou Tal", "lou@example.com")}
DEPARTMENTS = {71: "ACME Hamburg"}
CUSTOM = (
    ("tracking_number", "Tracking number", "custom_text", ()),
    ("serial_number", "Serial number", "custom_text", ()),
    ("level_2", "Quantity", "custom_number", ()),
    ("cost_centre", "Cost centre", "custom_dropdown", ("Berlin", "Hamburg")),
    ("is_onsite", "On site", "custom_checkbox", ()),
    ("needed_on", "Needed on", "custom_date", ()),
)
REQUIRED = (f"product_{HARDWARE}", f"asset_state_{HARDWARE}")
STATES = ("In Stock", "In Transit", "In Use", "Missing", "Retired")
REQUESTER = {"id": 900, "name": "Ada Stone", "email": "ada@example.com", "mobile": None, "phone": None}


class Refusal(Exception):  # noqa: N818 - says what is so
    """An answer that is an error. errors: field, message and code of each."""

    def __init__(self, status: int, *errors: tuple[str, str, str]) -> None:
        super().__init__(str(errors))
        self.status = status
        self.body: Row = {
            "description": "Validation failed",
            "errors": [dict(zip(("field", "message", "code"), each, strict=True)) for each in errors],
        }


class Account:
    """Tables by id, and the log of what was changed by requests."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self._last = 0
        self.tables: dict[str, dict[int, Row]] = {
            name: {} for name in ("tickets", "assets", "locations", "products", "conversations", "relationships")
        }
        self.types = {
            number: {"id": number, "name": name, "parent_asset_type_id": parent, "visible": True}
            for number, name, parent in TYPES
        }
        self.log: list[tuple[str, int, Row]] = []
        self.closing_needs = ""
        """Custom field that has to be filled before a ticket is resolved."""
        self.passes_over: set[str] = set()
        """Fields that a request may name and that stay as they are, as if a rule changed them back."""

    def add(self, table: str, at: datetime | None = None, **values: Any) -> Row:
        """A new row."""
        self._last += 1
        made = at or self.now()
        row: Row = {"id": self._last, "created_at": made, "updated_at": made, **values}
        self.tables[table][self._last] = row
        return row

    def find(self, table: str, number: object) -> Row:
        """A row that is not in the trash. Raises Refusal."""
        row = self.tables[table].get(number) if isinstance(number, int) else None
        if row is None or row.get("trashed"):
            raise Refusal(404)
        return row

    def asset(self, display_id: int) -> Row:
        """An asset by its display id. Raises Refusal."""
        found = [each for each in self.tables["assets"].values() if each["display_id"] == display_id]
        return self.find("assets", found[0]["id"] if found else None)

    def relate(self, kind: int, primary: Row, secondary: Row, **values: Any) -> Row:
        """A relationship between two assets, which dates neither."""
        ends = {
            "primary_id": primary["display_id"], "primary_type": "asset",
            "secondary_id": secondary["display_id"], "secondary_type": "asset",
        }  # fmt: skip
        return self.add("relationships", relationship_type_id=kind, **(ends | values))

    # Tickets

    def update_ticket(self, ticket: Row, sent: Row) -> None:
        """PUT: columns and custom fields. Raises Refusal."""
        custom = sent.pop("custom_fields", {})
        known = {name: (kind, choices) for name, _, kind, choices in CUSTOM}
        for name, value in custom.items():
            if name not in known:
                raise Refusal(400, (name, "Unexpected/invalid field in request", "invalid_field"))
            _require_kind(name, value, *known[name])
        for name, choices in (("status", STATUSES), ("priority", PRIORITIES), ("group_id", GROUPS),
                              ("responder_id", AGENTS), ("department_id", DEPARTMENTS)):  # fmt: skip
            if sent.get(name) is not None and sent[name] not in choices:
                raise Refusal(400, (name, f"It should be one of these values: '{list(choices)}'", "invalid_value"))
        if sent.get("status") in (4, 5) and self.closing_needs and not ticket["custom_fields"].get(self.closing_needs):
            why = "It should not be blank as this is a mandatory field"
            raise Refusal(400, (f"custom_fields.{self.closing_needs}", why, "missing_field"))
        changed = {name: value for name, value in sent.items() if ticket.get(name) != value} | {
            name: value for name, value in custom.items() if ticket["custom_fields"].get(name) != value
        }
        changed = {name: value for name, value in changed.items() if name not in self.passes_over}
        ticket["custom_fields"] |= {name: value for name, value in changed.items() if name in custom}
        ticket.update({name: value for name, value in changed.items() if name in sent})
        self._save("tickets", ticket, changed)
        if ticket["status"] in (4, 5):
            ticket["resolved_at"] = ticket["updated_at"]

    def talk(self, ticket: Row, sent: Row, *, is_reply: bool) -> Row:
        """A note or a reply, which date the ticket. Raises Refusal."""
        body = str(sent.get("body") or "")
        text = text_of_html(body)
        if not text or len(text) > LONGEST_NOTE + 200:
            raise Refusal(400, ("body", "It should not be blank, or longer than that", "invalid_value"))
        ticket["updated_at"] = self.now()
        return self.add(
            "conversations", body=body, body_text=text, ticket_id=ticket["id"], user_id=501, incoming=False,
            private=False if is_reply else sent.get("private", True), source=0 if is_reply else 2,
        )  # fmt: skip

    # Assets

    def update_asset(self, asset: Row, sent: Row) -> None:
        """PUT: columns and fields of its type. Raises Refusal."""
        fields = sent.pop("type_fields", None)
        known = {"name", "description", "asset_tag", "location_id", "user_id", "department_id", "agent_id", "group_id"}
        for name in sent:
            if name not in known:
                raise Refusal(400, (name, "Unexpected/invalid field in request", "invalid_field"))
        others = [each for each in self.tables["assets"].values() if each is not asset and not each["trashed"]]
        tag = sent.get("asset_tag")
        if tag and any(each["asset_tag"] == tag for each in others):
            raise Refusal(400, ("asset_tag", "It should be a unique value", "duplicate_value"))
        if sent.get("location_id") is not None and sent["location_id"] not in self.tables["locations"]:
            raise Refusal(400, ("location_id", "There is no location matching the given location_id", "invalid_value"))
        self._require_fields(asset, fields)
        changed = {name: value for name, value in sent.items() if asset.get(name) != value}
        changed = {name: value for name, value in changed.items() if name not in self.passes_over}
        asset.update(changed)
        if fields is not None:
            of_type = {name: value for name, value in fields.items() if asset["type_fields"].get(name) != value}
            asset["type_fields"] |= of_type
            changed |= of_type
        self._save("assets", asset, changed)

    def _require_fields(self, asset: Row, fields: Mapping[str, Any] | None) -> None:
        if fields is None:
            return
        for name in REQUIRED:
            if not fields.get(name):
                raise Refusal(400, (name, "This field cannot be empty", "missing_field"))
        for name, value in fields.items():
            if name not in asset["type_fields"]:
                raise Refusal(400, (name, "Unexpected/invalid field in request", "invalid_field"))
            if name.startswith("asset_state_") and value not in STATES:
                raise Refusal(400, (name, f"It should be one of these values: '{','.join(STATES)}'", "invalid_value"))
            if name.startswith("product_") and value not in self.tables["products"]:
                raise Refusal(400, (name, "There is no product with this id", "invalid_value"))

    def _save(self, table: str, row: Row, changed: Row) -> None:
        if changed:
            row["updated_at"] = self.now()
            self.log.append((table, row["id"], changed))

    def form(self) -> list[Row]:
        """The fields of tickets."""
        named: list[tuple[str, str, Mapping[int, str]]] = [
            ("status", "Status", STATUSES), ("priority", "Priority", PRIORITIES), ("group", "Group", GROUPS),
            ("agent", "Assigned to", {number: name for number, (name, _) in AGENTS.items()}),
            ("department", "Department", DEPARTMENTS),
        ]  # fmt: skip
        fields = [
            {"name": name, "label": label, "field_type": f"default_{name}", "default_field": True,
             "choices": [{"id": number, "value": value} for number, value in choices.items()]}
            for name, label, choices in named
        ]  # fmt: skip
        fields += [
            {"name": name, "label": label, "field_type": kind, "default_field": False,
             "choices": [{"id": 100 + each, "value": value} for each, value in enumerate(values)]}
            for name, label, kind, values in CUSTOM
        ]  # fmt: skip
        return fields


def _require_kind(name: str, value: Any, kind: str, choices: tuple[str, ...]) -> None:
    is_right = {
        "custom_text": isinstance(value, str) and len(value) <= LONGEST_FIELD,
        "custom_number": isinstance(value, int) and not isinstance(value, bool),
        "custom_checkbox": isinstance(value, bool), "custom_dropdown": value in choices,
        "custom_date": isinstance(value, str) and len(value) == 10,
    }[kind]  # fmt: skip
    if value is not None and not is_right:
        raise Refusal(400, (name, f"Value set is of type {type(value).__name__}", "datatype_mismatch"))
