"""SANDBOX: iTop's classes as far as they matter here, its objects, and the history that it keeps of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from connector_itop.words import DEVICE_CLASSES

Row: TypeAlias = dict[str, Any]

CI: Row = {
    "name": "", "description": "", "org_id": 1, "business_criticity": "low", "move2production": "",
    "contacts_list": (),
}  # fmt: skip
DEVICE: Row = {
    **CI, "serialnumber": "", "location_id": 0, "status": "production", "brand_id": 0, "model_id": 0,
    "asset_number": "", "purchase_date": "", "end_of_warranty": "",
}  # fmt: skip
CONNECTABLE: Row = {**DEVICE, "networkdevice_list": ()}
DATACENTER: Row = {
    **CONNECTABLE, "rack_id": 0, "enclosure_id": 0, "nb_u": "", "managementip": "", "powerA_id": 0, "powerB_id": 0,
    "san_list": (),
}  # fmt: skip
TICKET: Row = {
    "ref": "", "org_id": 1, "caller_id": 0, "team_id": 0, "agent_id": 0, "title": "", "description": "",
    "start_date": None, "end_date": None, "last_update": None, "close_date": None, "private_log": (),
    "functionalcis_list": (), "status": "new", "impact": "1", "priority": "4", "urgency": "4", "service_id": 0,
    "servicesubcategory_id": 0, "escalation_reason": "", "resolution_date": None, "ttr_escalation_deadline": None,
    "resolution_code": "assistance", "solution": "", "pending_reason": "", "public_log": (),
}  # fmt: skip
OP: Row = {"date": None, "userinfo": "", "objclass": "", "objkey": 0}
CLASSES: dict[str, tuple[str, Row]] = {
    "Organization": ("", {"name": ""}),
    "Location": ("", {"name": "", "status": "active", "org_id": 1, "address": "", "postal_code": "", "city": "",
                      "country": ""}),
    "Contact": ("", {"name": "", "org_id": 1}),
    "Person": ("Contact", {"name": "", "first_name": "", "org_id": 1, "location_id": 0}),
    "Team": ("Contact", {"name": "", "org_id": 1}),
    "Service": ("", {"name": ""}),
    "ServiceSubcategory": ("", {"name": ""}),
    "Typology": ("", {"name": ""}),
    "Brand": ("Typology", {"name": ""}),
    "Model": ("Typology", {"name": "", "brand_id": 0, "type": "PC"}),
    "FunctionalCI": ("", CI),
    "ApplicationSolution": ("FunctionalCI", CI),
    "PhysicalDevice": ("FunctionalCI", DEVICE),
    "ConnectableCI": ("PhysicalDevice", CONNECTABLE),
    "DatacenterDevice": ("ConnectableCI", DATACENTER),
    "PowerConnection": ("PhysicalDevice", DEVICE),
    **{name: ("PhysicalDevice", DEVICE) for name in DEVICE_CLASSES},
    **{name: ("ConnectableCI", CONNECTABLE) for name in ("PC", "Printer")},
    **{
        name: ("DatacenterDevice", DATACENTER)
        for name in ("Server", "NetworkDevice", "StorageSystem", "SANSwitch", "TapeLibrary", "NAS")
    },
    "Rack": ("PhysicalDevice", {**DEVICE, "nb_u": ""}),
    "Enclosure": ("PhysicalDevice", {**DEVICE, "rack_id": 0, "nb_u": ""}),
    "PowerSource": ("PowerConnection", DEVICE),
    "PDU": ("PowerConnection", {**DEVICE, "rack_id": 0, "powerstart_id": 0}),
    "Blade": ("Server", DATACENTER),
    "Ticket": ("", {name: TICKET[name] for name in ("ref", "org_id", "caller_id", "title", "last_update")}),
    "UserRequest": ("Ticket", {**TICKET, "request_type": "service_request", "parent_request_id": 0,
                               "parent_incident_id": 0}),
    "Incident": ("Ticket", {**TICKET, "parent_incident_id": 0}),
    "CMDBChangeOp": ("", OP),
    "CMDBChangeOpCreate": ("CMDBChangeOp", OP),
    "CMDBChangeOpDelete": ("CMDBChangeOp", {**OP, "fclass": "", "fname": ""}),
    "CMDBChangeOpSetAttribute": ("CMDBChangeOp", {**OP, "attcode": ""}),
    "CMDBChangeOpSetAttributeLinksAddRemove": (
        "CMDBChangeOpSetAttribute", {**OP, "attcode": "", "type": "added", "item_class": "", "item_id": 0}
    ),
    "CMDBChangeOpSetAttributeScalar": ("CMDBChangeOpSetAttribute", {**OP, "attcode": ""}),
    "CMDBChangeOpSetAttributeCaseLog": ("CMDBChangeOpSetAttribute", {**OP, "attcode": ""}),
}  # fmt: skip
KEYS: dict[str, str] = {
    "org_id": "Organization", "location_id": "Location", "brand_id": "Brand", "model_id": "Model",
    "caller_id": "Person", "agent_id": "Person", "team_id": "Team", "service_id": "Service",
    "servicesubcategory_id": "ServiceSubcategory", "parent_request_id": "UserRequest",
    "parent_incident_id": "Incident", "rack_id": "Rack", "enclosure_id": "Enclosure",
    "powerA_id": "PowerConnection", "powerB_id": "PowerConnection", "powerstart_id": "PowerConnection",
}  # fmt: skip
LINKS = {
    "networkdevice_list": ("networkdevice_id", "connectablecis_list"),
    "san_list": ("san_id", "datacenterdevice_list"),
}
"""Of a device's links: the key to the other end, and what that calls its own."""
LOGS = ("private_log", "public_log")
LIFE: dict[str, dict[str, str]] = {
    "new": {"ev_assign": "assigned", "ev_timeout": "escalated_tto"},
    "escalated_tto": {"ev_assign": "assigned"},
    "assigned": {"ev_pending": "pending", "ev_resolve": "resolved", "ev_reassign": "assigned"},
    "escalated_ttr": {"ev_pending": "pending", "ev_resolve": "resolved"},
    "pending": {"ev_assign": "assigned"},
    "resolved": {"ev_close": "closed", "ev_reopen": "assigned"},
    "rejected": {"ev_reopen": "new"},
    "closed": {},
}
MANDATORY: dict[str, tuple[str, ...]] = {
    "assigned": ("team_id", "agent_id"),
    "pending": ("pending_reason",),
    "resolved": ("service_id", "servicesubcategory_id", "resolution_code", "solution"),
}


class Refused(Exception):  # noqa: N818 - says what is so
    """iTop does nothing, and answers a code with a message."""

    def __init__(self, message: str, code: int = 100) -> None:
        super().__init__(message)
        self.code = code


def parents_of(kind: str) -> list[str]:
    """A class and those above it."""
    found = [kind]
    while parent := CLASSES[found[-1]][0]:
        found.append(parent)
    return found


class Inventory:
    """Objects by class and id. Ids are given out by the class at the top. Times are kept as instants.

    frozen: tickets that a check of the data model's lets nobody change. unique: attributes that two devices may not
    have the same value of. lacking: attributes that this data model does not have. absent: classes likewise.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.objects: dict[str, dict[int, Row]] = {kind: {} for kind in CLASSES}
        self.frozen: set[int] = set()
        self.unique: set[str] = set()
        self.lacking: set[str] = set()
        self.absent: set[str] = set()
        self.log: list[tuple[str, int, Row]] = []
        self._given: dict[str, int] = {}

    def add(self, kind: str, at: datetime | None = None, **values: Any) -> Row:
        """A new object, with an entry in the history."""
        top = parents_of(kind)[-1]
        self._given[top] = self._given.get(top, 0) + 1
        row = {"id": self._given[top], "finalclass": kind, **CLASSES[kind][1], **values}
        if top == "Ticket":
            row |= {"ref": f"{kind[0]}-{row['id']:06}", "last_update": at or self.now()}
        self.objects[kind][row["id"]] = row
        if top != "CMDBChangeOp":
            self.record("CMDBChangeOpCreate", kind, row["id"], at)
        return row

    def record(self, entry: str, kind: str, number: int, at: datetime | None = None, **more: Any) -> None:
        """An entry of the history."""
        told = {"userinfo": "My first name My last name", **more}
        self.add(entry, date=at or self.now(), objclass=kind, objkey=number, **told)

    def find(self, kind: str, number: int) -> Row | None:
        """An object of a class, or of one below it."""
        found = (self.objects[each].get(number) for each in CLASSES if kind in parents_of(each))
        return next((row for row in found if row is not None), None)

    def named(self, kind: str, number: int) -> str:
        """The friendly name of an object; "" without one."""
        row = self.find(kind, number)
        if row is None:
            return ""
        return f"{row['first_name']} {row['name']}" if row["finalclass"] == "Person" else str(row["name"])

    def change(self, row: Row, values: Mapping[str, Any], comment: str, at: datetime | None = None) -> None:
        """As `DBUpdate` does it: all or nothing, and an entry for each attribute that differs."""
        kind, number = row["finalclass"], row["id"]
        if number in self.frozen and "Ticket" in parents_of(kind):
            raise Refused(f"Error: {kind}::{number} cannot be saved: closed tickets are left as they are")
        for name in self.unique & set(values):
            others = (other for other in self._devices() if other is not row)
            if values[name] and any(other[name] == values[name] for other in others):
                raise Refused(f"Error: {kind}::{number} cannot be saved: uniqueness rule '{name}' in error")
        changed = {name: value for name, value in values.items() if row[name] != value}
        if not changed:
            return
        row.update(changed)
        if "last_update" in row:
            row["last_update"] = at or self.now()
        for name in changed:
            entry = "CMDBChangeOpSetAttributeCaseLog" if name in LOGS else "CMDBChangeOpSetAttributeScalar"
            self.record(entry, kind, number, at, attcode=name, userinfo=comment)
        self.log.append((kind, number, changed))

    def link(self, row: Row, name: str, other: Row, **values: Any) -> None:
        """A link from a device to another. The history has it at either end."""
        key, theirs = LINKS[name]
        told = {key: str(other["id"]), key.replace("_id", "_name"): other["name"], "friendlyname": "", **values}
        row[name] = (*row[name], told)
        for one, attribute, end in ((row, name, other), (other, theirs, row)):
            self._linked("added", one, attribute, end)

    def unlink(self, row: Row, name: str, other: Row) -> None:
        """The link goes."""
        key, theirs = LINKS[name]
        row[name] = tuple(each for each in row[name] if each[key] != str(other["id"]))
        for one, attribute, end in ((row, name, other), (other, theirs, row)):
            self._linked("removed", one, attribute, end)

    def _linked(self, what: str, row: Row, name: str, end: Row) -> None:
        self.record(
            "CMDBChangeOpSetAttributeLinksAddRemove", row["finalclass"], row["id"],
            attcode=name, type=what, item_class=end["finalclass"], item_id=end["id"],
        )  # fmt: skip

    def apply(self, row: Row, stimulus: str, values: Mapping[str, Any], comment: str) -> None:
        """A transition, where the life cycle has it and nothing is missing."""
        status = LIFE[row["status"]].get(stimulus)
        if status is None:
            raise Refused(f"Invalid stimulus: '{stimulus}' on the object {row['ref']} in state '{row['status']}'")
        told = {**row, **values}
        missing = [name for name in MANDATORY.get(status, ()) if str(told[name] or "0") == "0"]
        if missing:
            names = ", ".join(missing)
            raise Refused(f"Missing mandatory attribute(s) for applying the stimulus: {names}.")
        ends = {"resolution_date": self.now()} if status == "resolved" else {}
        ends = {"close_date": self.now()} if status == "closed" else ends
        self.change(row, {**values, **ends, "status": status}, comment)

    def delete(self, row: Row, at: datetime) -> None:
        """An object goes, and its own history with it; one entry says that it went."""
        kind, number = row["finalclass"], row["id"]
        del self.objects[kind][number]
        for entries in (self.objects[each] for each in CLASSES if "CMDBChangeOp" in parents_of(each)):
            for entry in [each for each in entries.values() if (each["objclass"], each["objkey"]) == (kind, number)]:
                del entries[entry["id"]]
        top = parents_of(kind)[-1]
        name = str(row.get("name") or row.get("ref") or "")
        self.record("CMDBChangeOpDelete", top, number, at, fclass=kind, fname=name)

    def _devices(self) -> list[Row]:
        return [row for kind in DEVICE_CLASSES for row in self.objects[kind].values()]
