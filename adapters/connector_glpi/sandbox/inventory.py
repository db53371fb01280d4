"""SANDBOX: GLPI's tables, and what its classes do when a row is added or changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from connector_glpi.words import DEVICE_TYPES, MODEL_COLUMNS

Row: TypeAlias = dict[str, Any]

DEVICE: Row = {
    "entities_id": 0, "name": None, "serial": None, "otherserial": None, "comment": None, "locations_id": 0,
    "manufacturers_id": 0, "states_id": 0, "users_id": 0, "groups_id": 0, "users_id_tech": 0, "is_template": 0,
    "is_deleted": 0, "is_dynamic": 0, "uuid": None,
}  # fmt: skip
NAMED: Row = {"name": None, "comment": None}
COLUMNS: dict[str, Row] = {
    **{kind: {**DEVICE, MODEL_COLUMNS[kind]: 0} for kind in DEVICE_TYPES},
    **{f"{kind}Model": {**NAMED, "product_number": None} for kind in DEVICE_TYPES},
    "Manufacturer": NAMED,
    "State": {**NAMED, "completename": None, "states_id": 0},
    "Location": {
        **NAMED, "entities_id": 0, "completename": None, "locations_id": 0, "code": None, "address": None,
        "postcode": None, "town": None, "state": None, "country": None, "latitude": None, "longitude": None,
        "building": None, "room": None,
    },
    "User": {"name": None, "realname": None, "firstname": None},
    "Group": NAMED,
    "ITILCategory": NAMED,
    "Ticket": {
        "entities_id": 0, "name": None, "date": None, "closedate": None, "solvedate": None, "status": 1,
        "users_id_recipient": 0, "requesttypes_id": 1, "content": None, "urgency": 3, "impact": 3, "priority": 3,
        "itilcategories_id": 0, "type": 1, "locations_id": 0, "time_to_resolve": None, "externalid": None,
        "is_deleted": 0,
    },
    "Ticket_User": {"tickets_id": 0, "users_id": 0, "type": 1, "alternative_email": ""},
    "Group_Ticket": {"tickets_id": 0, "groups_id": 0, "type": 1},
    "Item_Ticket": {"itemtype": None, "items_id": 0, "tickets_id": 0},
    "Ticket_Ticket": {"tickets_id_1": 0, "tickets_id_2": 0, "link": 1},
    "Computer_Item": {"computers_id": 0, "itemtype": None, "items_id": 0, "is_deleted": 0},
    "ImpactRelation": {
        "itemtype_source": None, "items_id_source": 0, "itemtype_impacted": None, "items_id_impacted": 0,
    },
    "ITILFollowup": {"itemtype": None, "items_id": 0, "users_id": 0, "content": None, "is_private": 0},
}  # fmt: skip
JOINS = ("Ticket_User", "Group_Ticket", "Ticket_Ticket")
"""What may be added to a ticket beside followups."""
UNDATED = frozenset({*JOINS, "Item_Ticket", "Computer_Item", "ImpactRelation"})
NAMES_BY: dict[str, str] = {
    "users_id": "User", "groups_id": "Group", "locations_id": "Location", "itilcategories_id": "ITILCategory",
    "states_id": "State", "manufacturers_id": "Manufacturer",
}  # fmt: skip
CLOSED, SOLVED = 6, 5


class Refused(Exception):  # noqa: N818 - says what is so
    """GLPI adds or changes nothing, and has a message for people."""


class Inventory:
    """Tables by class. Times are kept as instants; who shows them says in which zone.

    life_cycles: statuses of tickets that the user's profile may not go to, whatever they are at. unique: columns that
    two devices may not have the same value of. encodes: whether texts are kept as before GLPI 11.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.tables: dict[str, dict[int, Row]] = {kind: {} for kind in COLUMNS}
        self.life_cycles: set[int] = set()
        self.unique: set[str] = set()
        self.encodes = False
        self.log: list[tuple[str, int, Row]] = []
        self._long_ago = now() - timedelta(days=400)

    def add(self, kind: str, at: datetime | None = None, **values: Any) -> Row:
        """A new row."""
        table = self.tables[kind]
        row = {"id": max(table, default=0) + 1, **COLUMNS[kind], **values}
        if kind not in UNDATED:
            row |= {"date_creation": at or self._long_ago, "date_mod": at or self._long_ago}
        table[row["id"]] = row
        return row

    def change(self, kind: str, row: Row, values: Row) -> None:
        """As a class does it: what it does not know is passed over, and so is a status that the profile forbids."""
        known = {name: self.kept(value) for name, value in values.items() if name in COLUMNS[kind]}
        if kind == "Ticket" and known.get("status") in self.life_cycles:
            del known["status"]
        for name in self.unique & set(known):
            others = (other for other in self.tables[kind].values() if other is not row)
            if known[name] and any(other.get(name) == known[name] for other in others):
                raise Refused(f"Record not updated: {name} {known[name]} exists already")
        changed = {name: value for name, value in known.items() if row.get(name) != value}
        if not changed:
            return
        row.update(changed)
        row["date_mod"] = self.now()
        if kind == "Ticket" and "status" in changed:
            ends = changed["status"] in (SOLVED, CLOSED)
            row["solvedate"] = row["date_mod"] if ends else None
            row["closedate"] = row["date_mod"] if changed["status"] == CLOSED else None
        self.log.append((kind, row["id"], changed))

    def add_followup(self, values: Row) -> Row:
        """A followup, which dates its ticket anew."""
        ticket = self.tables["Ticket"].get(values.get("items_id", 0))
        if ticket is None or values.get("itemtype") != "Ticket" or ticket["status"] == CLOSED or ticket["is_deleted"]:
            raise Refused("You don't have permission to perform this action.")
        known = {name: self.kept(value) for name, value in values.items() if name in COLUMNS["ITILFollowup"]}
        ticket["date_mod"] = self.now()
        return self.add("ITILFollowup", self.now(), **known)

    def join(self, kind: str, values: Row) -> Row:
        """Somebody or another ticket, added to a ticket, which dates it anew."""
        first = "tickets_id_1" if kind == "Ticket_Ticket" else "tickets_id"
        others = {"Ticket_Ticket": ("tickets_id_2", "Ticket"), "Ticket_User": ("users_id", "User")}
        column, table = others.get(kind, ("groups_id", "Group"))
        ticket = self.tables["Ticket"].get(values.get(first, 0))
        if ticket is None or values.get(column) not in self.tables[table]:
            raise Refused("You don't have permission to perform this action.")
        ticket["date_mod"] = self.now()
        return self.add(kind, **{name: value for name, value in values.items() if name in COLUMNS[kind]})

    def bin(self, kind: str, number: int, at: datetime) -> None:
        """As a person deletes it; what has no bin is gone."""
        row = self.tables[kind][number]
        if "is_deleted" in row:
            row["is_deleted"], row["date_mod"] = 1, at
        else:
            del self.tables[kind][number]

    def name_of(self, column: str, number: int) -> str:
        """What a person calls the row that a column refers to."""
        row = self.tables[NAMES_BY[column]].get(number)
        if row is None:
            return ""
        if NAMES_BY[column] == "User" and row["realname"]:
            return f"{row['realname']} {row['firstname'] or ''}".strip()
        return str(row.get("completename") or row["name"])

    def kept(self, value: Any) -> Any:
        """A text as this version keeps it."""
        if not self.encodes or not isinstance(value, str):
            return value
        return value.replace("&", "&#38;").replace("<", "&#60;").replace(">", "&#62;")
