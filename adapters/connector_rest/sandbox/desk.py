"""What Depot Desk keeps: rows by list, notes, and a log of changes of tickets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

LISTS = {
    "sites": "sites", "hubs": "hubs", "products": "products", "substitutes": "compatibilities", "devices": "assets",
    "stock": "stock", "tickets": "tickets", "parcels": "shipments", "orders": "orders",
}  # fmt: skip
"""Stream by the list's name in an address."""
STATES = ("Open", "Working", "Waiting", "Done", "Closed")
FIELDS = ("rack", "mood")
LONGEST_NOTE = 4_000
LONGEST_FIELD = 255
DESK_TIME = ZoneInfo("Europe/Berlin")


class Refusal(Exception):  # noqa: N818 - says what is so
    """An answer 422 with the reason for each field."""

    def __init__(self, **fields: str) -> None:
        super().__init__(str(fields))
        self.fields = fields


class Desk:
    """The rows, in the order in which they were made."""

    def __init__(self) -> None:
        self.lists: dict[str, dict[str, dict[str, Any]]] = {stream: {} for stream in LISTS.values()}
        self.stamps: dict[str, datetime] = {}
        self.notes: dict[str, list[dict[str, Any]]] = {}
        self.changes: list[tuple[str, str, str]] = []
        self._made = 0

    def add(self, stream: str, at: datetime, more: Mapping[str, Any] | None = None) -> str:
        """A new row that changed at this time; its identifier."""
        self._made += 1
        number = self._made
        key = f"{stream[:2].upper()}-{number:06}"
        self.lists[stream][key] = {"id": key, **_row(stream, number), **(more or {})}
        self.stamp(stream, key, at)
        return key

    def stamp(self, stream: str, key: str, at: datetime) -> None:
        """The row changed now. Tickets are stamped by the clock on the desk's wall."""
        self.stamps[key] = at
        self.lists[stream][key]["changed"] = written(stream, at)

    def rows(self, stream: str, *, by_time: bool, since: datetime | None) -> list[dict[str, Any]]:
        """The rows of a list, by identifier or by the time of their change."""
        rows = [row for row in self.lists[stream].values() if since is None or self.stamps[row["id"]] >= since]
        return sorted(rows, key=lambda row: (self.stamps[row["id"]].timestamp() if by_time else 0, row["id"]))

    def add_note(self, ticket: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A note. Raises Refusal when it is empty or too long."""
        text = body.get("text")
        if not isinstance(text, str) or not text:
            raise Refusal(text="must not be empty")
        if len(text) > LONGEST_NOTE:
            raise Refusal(text=f"must have at most {LONGEST_NOTE} characters")
        if body.get("visibility") not in ("everybody", "staff"):
            raise Refusal(visibility="must be everybody or staff")
        self._made += 1
        note = {"id": f"N-{self._made}", "text": text, "external_key": body.get("external_key")}
        self.notes.setdefault(ticket, []).append(note)
        return note

    def change(self, ticket: str, body: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        """Change a ticket. Raises Refusal naming what is wrong."""
        row = self.lists["tickets"][ticket]
        status, fields = body.get("status"), body.get("fields") or {}
        if status is not None and status not in STATES:
            raise Refusal(status=f"must be one of {', '.join(STATES)}")
        if status == "Closed" and row["status"] == "Open":
            raise Refusal(status="a ticket that was never worked on cannot be closed")
        for name, text in fields.items():
            if name not in FIELDS:
                raise Refusal(**{name: "there is no such field"})
            if len(text) > LONGEST_FIELD:
                raise Refusal(**{name: f"must have at most {LONGEST_FIELD} characters"})
        if status is not None:
            row["status"] = status
            self.changes.append((ticket, "status", status))
        for name, text in fields.items():
            row["fields"][name] = text
            self.changes.append((ticket, name, text))
        self.stamp("tickets", ticket, at)
        return row


def written(stream: str, at: datetime) -> str:
    """A time as the list writes it."""
    if stream == "tickets":
        return at.astimezone(DESK_TIME).strftime("%Y-%m-%d %H:%M:%S")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _row(stream: str, number: int) -> dict[str, Any]:
    match stream:
        case "sites":
            place = {"street": f"{number} Harbour Road", "town": "Hamburg", "country": "DE"}
            return {"name": f"Site {number}", "code": f"SITE{number}", "class": "gold", "zone": "Europe/Berlin",
                    "position": {"lat": 53.5, "lon": 9.9}, "address": place}  # fmt: skip
        case "hubs":
            return {"name": f"Depot {number}", "code": f"DEPOT{number}", "level": "B", "handling_hours": 0.5}
        case "products":
            return {"maker": {"name": "Cisco"}, "model": f"C9300-{number}", "class": "switch", "weight_kg": 7.4,
                    "price": {"amount": "1250.50", "currency": "EUR"}}  # fmt: skip
        case "compatibilities":
            return {"product_id": f"PR-{number}", "substitute_id": f"PR-{number}-B", "rank": 1}
        case "assets":
            return {"serial": f"SN{number:08}", "tag": f"T{number}", "hostname": f"sw-{number}", "product_id": "PR-1",
                    "site_id": "SI-1", "hub_id": None, "status": "Live", "warranty_until": "2027-06-30"}  # fmt: skip
        case "stock":
            return {"depot": "DEPOT1", "product_id": f"PR-{number}", "on_hand": 4, "wanted": 6}
        case "tickets":
            return {"number": f"T{number}", "subject": f"Switch {number} is down", "text": "no power", "kind": "fault",
                    "urgency": 2, "status": "Open", "device": {"serial": f"SN{number:08}"}, "site_id": "SI-1",
                    "contact": "Zoë", "opened": "2026-03-01 08:00:00", "fields": {"rack": "", "mood": ""}}  # fmt: skip
        case "shipments":
            return {"number": f"1Z{number:012}", "carrier": "ups", "status": "moving"}
        case _:
            return {"number": f"PO-{number}", "status": "accepted", "expected": "2026-03-05T12:00:00+01:00"}
