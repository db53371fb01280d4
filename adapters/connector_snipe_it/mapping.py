"""From Snipe-IT's models and hardware to records. Pure."""

from __future__ import annotations

from typing import Any

from connector.sdk import (
    AssetRecord,
    AssetRelation,
    AssetState,
    EntityKind,
    InvalidRecord,
    ProductKey,
    ProductRecord,
    RelationKind,
    SourceRef,
    Tombstone,
)
from connector.sdk.rest import asset_facts, valid
from connector_snipe_it.client import Row, plain
from connector_snipe_it.config import TYPES, SnipeItConfig
from connector_snipe_it.places import Places
from connector_snipe_it.times import changed_at, day

VERSION = "2"
"""Of this mapping; another one reads all hardware anew."""


def product_record(row: Row, config: SnipeItConfig) -> ProductRecord:
    """A model. Raises InvalidRecord, also for one of no manufacturer: nothing could be told apart by its name alone."""
    maker, name = _named(row, "manufacturer"), plain(row.get("name"))
    if maker is None or name is None:
        raise InvalidRecord(
            f"model {plain(row.get('name'))!r} has no {'name' if name is None else 'manufacturer'}",
            path="/manufacturer", hint="Enter it in Snipe-IT.",
        )  # fmt: skip
    key = ProductKey(manufacturer=maker, model=name, part_number=plain(row.get("model_number")))
    ref = _ref(EntityKind.PRODUCT, row)
    at = changed_at(row, config.time_zone)
    return valid(lambda: ProductRecord(ref=ref, updated_at=at, key=key, asset_class=_named(row, "category")))


def asset_record(row: Row, places: Places, config: SnipeItConfig) -> AssetRecord:
    """A piece of hardware. Raises InvalidRecord."""
    ref = _ref(EntityKind.ASSET, row)
    model = _number(row, "model")
    location = _number(row, "location") or _number(row, "rtd_location")
    assigned = assignment(row)
    view = {
        "name": plain(row.get("name")), "serial": plain(row.get("serial")), "asset_tag": plain(row.get("asset_tag")),
        "custom_fields": custom_values(row),
    }  # fmt: skip
    facts = asset_facts(view, config.custom_field)
    if (ends_on := day(row.get("warranty_expires"), "warranty_expires")) is not None:
        facts["warranty_ends_on"] = ends_on
    if assigned is not None and assigned[0] == "user":
        facts["holder"] = assigned[2]
    whole = assigned[1] if assigned is not None and assigned[0] == "asset" else None
    values: dict[str, Any] = {
        "relations": () if whole is None else (AssetRelation.to(RelationKind.PART_OF, str(whole)),),
        "product": None if model is None else SourceRef(kind=EntityKind.PRODUCT, external_id=str(model)),
        "place": None if location is None else places.of_location(location),
        "state": state_of(row, config),
        "url": f"{str(config.base_url).rstrip('/')}/hardware/{ref.external_id}",
    }
    at = changed_at(row, config.time_zone)
    return valid(lambda: AssetRecord(ref=ref, updated_at=at, **facts, **values))


def tombstone(row: Row, config: SnipeItConfig) -> Tombstone:
    """Hardware that was deleted. Raises InvalidRecord."""
    return Tombstone(ref=_ref(EntityKind.ASSET, row), updated_at=changed_at(row, config.time_zone))


def state_of(row: Row, config: SnipeItConfig) -> AssetState | None:
    """What label and assignment say: a deployable device that is checked out is in use. Raises InvalidRecord."""
    label = label_of(row)
    if label is None:
        return None
    name, kind = plain(label.get("name")) or "", label.get("status_type")
    if kind == "deployable" and assignment(row) is not None:
        return AssetState.DEPLOYED
    state = config.named_state(name) or TYPES.get(str(kind))
    if state is None:
        raise InvalidRecord(
            f"status label {name!r} is of the type {kind!r}, which is unknown", path="/status_label/status_type",
            hint="Say in `states` what the label means.",
        )  # fmt: skip
    return state


def label_of(row: Row) -> Row | None:
    """The status label; later releases show it as `status`, too, and announce that the older name goes."""
    for name in ("status_label", "status"):
        label = row.get(name)
        if isinstance(label, dict):
            return label
    return None


def assignment(row: Row) -> tuple[str, int, str | None] | None:
    """To what a device is checked out: user, location or asset, its id and name; None where it is not."""
    told = row.get("assigned_to")
    if not isinstance(told, dict):
        return None
    number = told.get("id")
    if not isinstance(number, int):
        raise InvalidRecord(f"assigned_to has the id {number!r:.60}", path="/assigned_to/id")
    return str(told.get("type")), number, plain(told.get("name"))


def custom_values(row: Row) -> dict[str, str | None]:
    """Values of custom fields by name; where there are none, Snipe-IT sends an empty list or object."""
    told = row.get("custom_fields")
    fields = told.items() if isinstance(told, dict) else ()
    return {str(name): plain(each.get("value")) for name, each in fields if isinstance(each, dict)}


def column_of(row: Row, name: str) -> str | None:
    """By what a custom field of this asset is written: its column; None where its model has no such field."""
    told = row.get("custom_fields")
    found = told.get(name) if isinstance(told, dict) else None
    column = found.get("field") if isinstance(found, dict) else None
    return column if isinstance(column, str) else None


def _ref(kind: EntityKind, row: Row) -> SourceRef:
    number = row.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidRecord(f"the id is {number!r:.60}", path="/id")
    return SourceRef(kind=kind, external_id=str(number))


def _named(row: Row, name: str) -> str | None:
    told = row.get(name)
    return plain(told.get("name")) if isinstance(told, dict) else None


def _number(row: Row, name: str) -> int | None:
    """Id of what a field refers to. Raises InvalidRecord."""
    told = row.get(name)
    if told is None:
        return None
    number = told.get("id") if isinstance(told, dict) else None
    if not isinstance(number, int):
        raise InvalidRecord(f"{name} is {told!r:.80}, expected an object with its id", path=f"/{name}")
    return number
