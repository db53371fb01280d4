"""SANDBOX: what a Snipe-IT holds, and what its models do when it is changed."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

LABELS = (
    (1, "Pending", "pending"), (2, "Ready to Deploy", "deployable"), (3, "Archived", "archived"),
    (4, "Out for Diagnostics", "undeployable"), (5, "Out for Repair", "undeployable"),
    (6, "Broken - Not Fixable", "undeployable"), (7, "Lost/Stolen", "undeployable"),
)  # fmt: skip
LONGEST = 255


@dataclass
class Thing:
    """A row of a table. values: columns. more: fields of a later release, shown as they are."""

    id: int
    updated_at: datetime
    values: dict[str, Any]
    deleted_at: datetime | None = None
    more: dict[str, Any] = field(default_factory=dict)


class Refused(Exception):  # noqa: N818 - says what is so
    """An answer with status 200 that is an error. messages: a text, or reasons by field."""

    def __init__(self, messages: object, payload: object = None) -> None:
        super().__init__(str(messages))
        self.messages = messages
        self.payload = payload


class Inventory:
    """Tables, and the log of what was done to assets. zone: of the server, whose times state none."""

    def __init__(self, now: Callable[[], datetime], zone: str) -> None:
        self._now = now
        self._zone = ZoneInfo(zone)
        self._last = 0
        self.tables: dict[str, dict[int, Thing]] = {
            name: {} for name in ("locations", "models", "manufacturers", "categories", "hardware", "users")
        }
        start = now().replace(year=2020)
        self.tables["statuslabels"] = {
            number: Thing(number, start, {"name": name, "type": kind}) for number, name, kind in LABELS
        }
        self.log: list[tuple[str, int, dict[str, Any]]] = []
        self.unique_serials = True

    def add(self, table: str, at: datetime | None = None, **values: Any) -> Thing:
        """A new row."""
        self._last += 1
        thing = Thing(self._last, at or self._now(), values)
        self.tables[table][thing.id] = thing
        return thing

    def find(self, table: str, number: object) -> Thing | None:
        """A row that was not deleted."""
        thing = self.tables[table].get(number) if isinstance(number, int) else None
        return thing if thing and thing.deleted_at is None else None

    def delete(self, table: str, number: int, at: datetime) -> None:
        """Soft, as a person does it; an asset is checked in before."""
        thing = self.tables[table][number]
        thing.deleted_at = thing.updated_at = at
        if table == "hardware":
            thing.values.update(assigned_to=None)

    # What is done to assets

    def update(self, asset: Thing, sent: dict[str, Any]) -> None:
        """PATCH: known columns are set, others are passed over. Raises Refused with reasons by field."""
        columns = {"name", "serial", "asset_tag", "model_id", "status_id", "location_id", "rtd_location_id"}
        columns |= {column for _, column in self._fields_of(asset)}
        changes = {name: value for name, value in sent.items() if name in columns}
        problems = self._problems(asset, changes)
        if problems:
            raise Refused(problems)
        if "rtd_location_id" in sent and "location_id" not in sent:
            changes["location_id"] = sent["rtd_location_id"]
        self._save(asset, "update", changes)

    def check_out(self, asset: Thing, sent: dict[str, Any]) -> None:
        """POST checkout, to a location. Raises Refused."""
        label = self.find("statuslabels", sent.get("status_id", asset.values["status_id"]))
        if label is None or label.values["type"] != "deployable":
            raise Refused({"status_id": ["The selected status id is invalid."]})
        if asset.values.get("assigned_to") or self.label_of(asset).values["type"] != "deployable":
            raise Refused("That asset is not available for checkout!", {"asset": asset.values["asset_tag"]})
        target = self.find("locations", sent.get("assigned_location"))
        if sent.get("checkout_to_type") != "location" or target is None:
            raise Refused("Checkout target for asset is invalid - location does not exist.")
        values = {"assigned_to": ("location", target.id), "location_id": target.id, "status_id": label.id}
        self._save(asset, "checkout", values)

    def check_in(self, asset: Thing, sent: dict[str, Any]) -> None:
        """POST checkin: back to its default location, unless another is named. Raises Refused."""
        if not asset.values.get("assigned_to"):
            raise Refused("That asset is already checked in.", {"asset_tag": asset.values["asset_tag"]})
        values: dict[str, Any] = {"assigned_to": None, "location_id": asset.values.get("rtd_location_id")}
        values |= {name: sent[name] for name in ("location_id", "status_id") if sent.get(name)}
        self._save(asset, "checkin", values)

    def label_of(self, asset: Thing) -> Thing:
        """An asset's status label."""
        return self.tables["statuslabels"][asset.values["status_id"]]

    def _save(self, asset: Thing, action: str, values: dict[str, Any]) -> None:
        changed = {name: value for name, value in values.items() if asset.values.get(name) != value}
        if not changed:
            return  # Eloquent writes nothing, and logs nothing
        asset.values.update(changed)
        asset.updated_at = self._now()
        self.log.append((action, asset.id, changed))

    def _problems(self, asset: Thing, changes: dict[str, Any]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        others = [each for each in self.tables["hardware"].values() if each.deleted_at is None and each is not asset]
        for name in ("asset_tag", "serial") if self.unique_serials else ("asset_tag",):
            if name in changes and any(_same(other.values.get(name), changes[name]) for other in others):
                found[name] = [f"The {name.replace('_', ' ')} must be unique."]
        if "asset_tag" in changes and not 0 < len(str(changes["asset_tag"] or "")) <= LONGEST:
            found["asset_tag"] = ["The asset tag field is required."]
        for name, table in (("model_id", "models"), ("status_id", "statuslabels"), ("location_id", "locations")):
            if changes.get(name) is not None and self.find(table, changes[name]) is None:
                found[name] = [f"The selected {name.replace('_', ' ')} is invalid."]
        return found

    def _fields_of(self, asset: Thing) -> list[tuple[str, str]]:
        model = self.tables["models"].get(asset.values["model_id"])
        return list(model.values.get("fields", ())) if model else []

    # As its transformers show it

    def shown(self, table: str, thing: Thing) -> dict[str, Any]:
        """A row as the API shows it."""
        show = {"hardware": self._asset, "locations": self._location, "models": self._model}.get(table, self._named)
        times = {"created_at": self._time(thing.updated_at), "updated_at": self._time(thing.updated_at)}
        if table in ("hardware", "models"):
            times["deleted_at"] = self._time(thing.deleted_at)
        return {"id": thing.id, **show(thing), **times, **thing.more}

    def _named(self, thing: Thing) -> dict[str, Any]:
        return {name: _escaped(value) for name, value in thing.values.items()}

    def _location(self, thing: Thing) -> dict[str, Any]:
        texts = ("name", "address", "address2", "city", "state", "country", "zip", "phone")
        return {
            **{name: _escaped(thing.values.get(name)) for name in texts},
            "parent": self._reference("locations", thing.values.get("parent_id")), "manager": None, "children": [],
        }  # fmt: skip

    def _model(self, thing: Thing) -> dict[str, Any]:
        return {
            "name": _escaped(thing.values["name"]), "model_number": _escaped(thing.values.get("model_number")),
            "manufacturer": self._reference("manufacturers", thing.values.get("manufacturer_id")),
            "category": self._reference("categories", thing.values.get("category_id")),
        }  # fmt: skip

    def _asset(self, thing: Thing) -> dict[str, Any]:
        label, assigned = self.label_of(thing), thing.values.get("assigned_to")
        model = self.tables["models"].get(thing.values["model_id"])
        target = None
        if assigned:
            kind, number = assigned
            named = self.tables["users" if kind == "user" else "locations" if kind == "location" else "hardware"]
            target = {"id": number, "name": _escaped(named[number].values["name"]), "type": kind}
        fields = {
            name: {"field": column, "value": _escaped(thing.values.get(column)), "field_format": "ANY",
                   "element": "text"}
            for name, column in self._fields_of(thing)
        }  # fmt: skip
        return {
            "name": _escaped(thing.values.get("name")), "asset_tag": _escaped(thing.values["asset_tag"]),
            "serial": _escaped(thing.values.get("serial")),
            "model": self._reference("models", thing.values["model_id"]),
            "model_number": _escaped(model.values.get("model_number")) if model else None,
            "status_label": {
                "id": label.id, "name": _escaped(label.values["name"]), "status_type": label.values["type"],
                "status_meta": "deployed" if assigned else label.values["type"],
            },
            "location": self._reference("locations", thing.values.get("location_id")),
            "rtd_location": self._reference("locations", thing.values.get("rtd_location_id")),
            "assigned_to": target, "warranty_expires": thing.values.get("warranty_expires"),
            "custom_fields": fields or [],
        }  # fmt: skip

    def _reference(self, table: str, number: object) -> dict[str, Any] | None:
        thing = self.tables[table].get(number) if isinstance(number, int) else None
        return {"id": thing.id, "name": _escaped(thing.values["name"])} if thing else None

    def _time(self, at: datetime | None) -> dict[str, str] | None:
        if at is None:
            return None
        local = at.astimezone(self._zone)
        return {"datetime": local.strftime("%Y-%m-%d %H:%M:%S"), "formatted": local.strftime("%a %b %d, %Y %I:%M%p")}


def _same(one: object, other: object) -> bool:
    return str(one or "").casefold() == str(other or "").casefold() and bool(one)


def _escaped(value: object) -> object:
    """As Laravel's e() writes a text into a page."""
    return html.escape(value).replace("&#x27;", "&#039;") if isinstance(value, str) else value
