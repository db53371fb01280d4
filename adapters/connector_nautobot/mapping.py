"""From Nautobot's objects to records. Pure: what else is needed of Nautobot is handed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

from pydantic import ValidationError

from connector.sdk import (
    Address,
    AssetRecord,
    AssetState,
    Criticality,
    EntityKind,
    HubRecord,
    HubTier,
    InvalidRecord,
    Lane,
    Point,
    ProductKey,
    ProductRecord,
    SiteRecord,
    SourceRef,
    Tombstone,
)
from connector_nautobot.cursor import read_time
from connector_nautobot.places import Location, LocationUses, Use, place_of, region_of
from connector_nautobot.rows import Row

KINDS: Mapping[str, EntityKind] = {
    "dcim.location": EntityKind.SITE,
    "dcim.devicetype": EntityKind.PRODUCT,
    "dcim.device": EntityKind.ASSET,
}
"""Our kind by Nautobot's content type; a location may be a hub as well."""

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
DEVICE_VERSION = 2
"""Of what `device` makes of a row. One more with each change of it: then every device is made anew."""
CustomField = Callable[[str], str]
"""Key in Nautobot of the custom field with the given name."""

TRUE, FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


def location(row: Row, lineage: Sequence[Location], custom: CustomField) -> SiteRecord | HubRecord | None:
    """A site or hub; None for a location that only groups or is a part of another place.

    Position and time zone that the location lacks are its nearest ancestor's.
    Raises InvalidRecord.
    """
    ref = place_of(lineage)
    if ref is None or ref.external_id != lineage[0].id:
        return None
    hours = _custom_text(row, custom("opening_hours" if ref.kind is EntityKind.HUB else "access_hours"))
    updated_at = max(read_time(place.updated_at) for place in lineage)
    name, code = text(row, "name"), optional(row, "facility")
    point, time_zone, region = _point(lineage), _time_zone(lineage), region_of(lineage)
    address = _address(row, custom)
    if ref.kind is EntityKind.HUB:
        return _valid(
            lambda: HubRecord(
                ref=ref,
                updated_at=updated_at,
                name=name,
                code=code,
                tier=_choice(row, custom("hub_tier"), HubTier),
                point=point,
                time_zone=time_zone,
                region=region,
                address=address,
                opening_hours=hours,
                courier_cut_offs=_times(row, custom("courier_cut_offs")),
                handling_minutes=_number(row, custom("handling_minutes")),
                pick_minutes=_number(row, custom("pick_minutes")),
                qa_minutes=_number(row, custom("qa_minutes")),
                pack_minutes=_number(row, custom("pack_minutes")),
                is_mobile=_truth(row, custom("is_mobile")),
            )
        )
    return _valid(
        lambda: SiteRecord(
            ref=ref,
            updated_at=updated_at,
            name=name,
            code=code,
            point=point,
            time_zone=time_zone,
            region=region,
            address=address,
            service_class=_custom_text(row, custom("service_class")),
            access_hours=hours,
        )
    )


def product(row: Row, manufacturers: Mapping[str, str], custom: CustomField) -> ProductRecord:
    """A device type. manufacturers: name by id. Raises InvalidRecord."""
    maker = reference(row, "manufacturer")
    if maker not in manufacturers:
        raise InvalidRecord(f"manufacturer {maker!r} is not in Nautobot's list", path="/manufacturer")
    ref = SourceRef(kind=EntityKind.PRODUCT, external_id=text(row, "id"))
    part_number = optional(row, "part_number")
    return _valid(
        lambda: ProductRecord(
            ref=ref,
            updated_at=read_time(text(row, "last_updated")),
            key=ProductKey(manufacturer=manufacturers[maker], model=text(row, "model"), part_number=part_number),
            sku=_custom_text(row, custom("sku")),
            asset_class=_custom_text(row, custom("asset_class")),
            criticality=_choice(row, custom("criticality"), Criticality),
            unit_cost_cents=_number(row, custom("unit_cost_cents")),
            currency=_custom_text(row, custom("currency")),
            weight_g=_number(row, custom("weight_g")),
            is_data_bearing=_truth(row, custom("is_data_bearing")),
        )
    )


def device(
    row: Row,
    statuses: Mapping[str, str],
    states: Mapping[str, AssetState],
    place: SourceRef | None,
    custom: CustomField,
    base_url: str,
) -> AssetRecord:
    """A device. statuses: name by id. states: ours by that name, lower case. place: where its location belongs.

    Raises InvalidRecord.
    """
    external_id = text(row, "id")
    status_id = reference(row, "status")
    status = statuses.get(status_id)
    state = states.get(status.casefold()) if status is not None else None
    if state is None:
        raise InvalidRecord(
            f"status {status or status_id!r} of device {optional(row, 'name') or external_id!r} has no meaning here; "
            f"known are {', '.join(sorted(states))}",
            path="/status",
            hint=f'Add it to the source\'s settings: states = {{ "{status or status_id}" = "deployed" }}.',
        )
    try:
        return AssetRecord(
            ref=SourceRef(kind=EntityKind.ASSET, external_id=external_id),
            updated_at=last_updated(row),
            name=optional(row, "name"),
            serial=optional(row, "serial"),
            asset_tag=optional(row, "asset_tag"),
            product=_product(reference(row, "device_type")),
            revision=_custom_text(row, custom("revision")),
            warranty_ends_on=_day(row, custom("warranty_ends_on")),
            place=place,
            state=state,
            lane=_choice(row, custom("lane"), Lane),
            holder=_custom_text(row, custom("holder")),
            url=f"{base_url}/dcim/devices/{external_id}/",
        )
    except (ValidationError, ValueError) as error:
        raise _invalid(error) from error


def tombstones(content_type: str, external_id: str, data: object, at: datetime, uses: LocationUses) -> list[Tombstone]:
    """What a deletion erases. data: the object's last state; when it does not tell what kind of place a location
    was, it is erased as either.
    """
    kinds = [KINDS[content_type]] if content_type in KINDS else []
    if content_type == "dcim.location":
        use = _use_of(data, uses)
        kinds = {
            Use.HUB: [EntityKind.HUB],
            Use.REGION: [],
            None: [EntityKind.SITE, EntityKind.HUB],
        }.get(use, [EntityKind.SITE])
    return [Tombstone(ref=SourceRef(kind=kind, external_id=external_id), updated_at=at) for kind in kinds]


def place_kind(data: object, uses: LocationUses) -> EntityKind | None:
    """What a location's nested form says that it is; a site when it does not tell, None for a region."""
    use = _use_of(data, uses)
    return None if use is Use.REGION else EntityKind.HUB if use is Use.HUB else EntityKind.SITE


def facts_of_location(row: Row, uses: LocationUses, types: Mapping[str, str]) -> Location:
    """What a location's row tells about itself and what is below it. types: name of each location type by id."""
    type_id = reference(row, "location_type")
    if type_id not in types:
        raise InvalidRecord(f"location type {type_id!r} is not in Nautobot's list", path="/location_type")
    return Location(
        id=text(row, "id"),
        name=text(row, "name"),
        use=uses.of(types[type_id]),
        parent=reference(row, "parent") if row.get("parent") else None,
        latitude=row.get("latitude"),
        longitude=row.get("longitude"),
        time_zone=row.get("time_zone"),
        updated_at=text(row, "last_updated"),
    )


def last_updated(row: Row) -> datetime:
    """When the object changed last. Raises InvalidRecord."""
    value = text(row, "last_updated")
    try:
        return read_time(value)
    except (ValueError, OverflowError) as error:
        raise InvalidRecord(f"field 'last_updated' is {value!r}: {error}", path="/last_updated") from error


def text(row: Row, name: str) -> str:
    """A field that is always there. Raises InvalidRecord."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidRecord(f"field {name!r} is {value!r}, expected a text", path=f"/{name}")
    return value


def optional(row: Row, name: str) -> str | None:
    """A field that may be empty; Nautobot writes that as null or "". Raises InvalidRecord."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidRecord(f"field {name!r} is {value!r}, expected a text or nothing", path=f"/{name}")
    return value


def reference(row: Row, name: str) -> str:
    """Identifier of what a field points to. Raises InvalidRecord."""
    value = row.get(name)
    external_id = value.get("id") if isinstance(value, dict) else None
    if not isinstance(external_id, str):
        raise InvalidRecord(f"field {name!r} is {value!r}, expected a reference with an id", path=f"/{name}")
    return external_id


@lru_cache(maxsize=4096)
def _product(external_id: str) -> SourceRef:
    """The same few products are named by every device: each reference is made once."""
    return SourceRef(kind=EntityKind.PRODUCT, external_id=external_id)


def _use_of(data: object, uses: LocationUses) -> Use | None:
    location_type = data.get("location_type") if isinstance(data, dict) else None
    name = location_type.get("name") if isinstance(location_type, dict) else None
    return uses.of(name) if isinstance(name, str) else None


def _point(lineage: Sequence[Location]) -> Point | None:
    for place in lineage:
        if place.latitude is None or place.longitude is None:
            continue
        try:
            return Point(float(str(place.latitude)), float(str(place.longitude)))
        except ValueError as error:
            raise InvalidRecord(
                f"position ({place.latitude!r}, {place.longitude!r}) of location {place.name!r} is none: {error}",
                path="/latitude",
            ) from error
    return None


def _time_zone(lineage: Sequence[Location]) -> str | None:
    return next((str(place.time_zone) for place in lineage if place.time_zone), None)


def _address(row: Row, custom: CustomField) -> Address | None:
    """The address to ship to: Nautobot has it as free text only, so that town and country come from custom fields."""
    lines = [line.strip() for line in (optional(row, "shipping_address") or optional(row, "physical_address") or "")
             .splitlines() if line.strip()]  # fmt: skip
    parts = {
        "line1": lines[0] if lines else None,
        "line2": ", ".join(lines[1:]) or None,
        "contact": optional(row, "contact_name"),
        "phone": optional(row, "contact_phone"),
        "email": optional(row, "contact_email"),
    }
    for name in ("city", "postal_code", "state", "country"):
        parts[name] = _custom_text(row, custom(name))
    return _valid(lambda: Address(**parts)) if any(parts.values()) else None


def _custom(row: Row, key: str) -> object:
    fields = row.get("custom_fields")
    value = fields.get(key) if isinstance(fields, dict) else None
    return None if value == "" else value


def _custom_text(row: Row, key: str) -> str | None:
    value = _custom(row, key)
    if isinstance(value, dict | list):
        raise InvalidRecord(f"custom field {key!r} is {value!r}, expected a text", path=f"/custom_fields/{key}")
    return None if value is None else str(value)


def _choice(row: Row, key: str, kind: type[E]) -> E | None:
    value = _custom_text(row, key)
    if value is None:
        return None
    try:
        return kind(value.strip().lower().replace("-", "_").replace(" ", "_"))
    except ValueError as error:
        known = ", ".join(member.value for member in kind)
        raise InvalidRecord(
            f"custom field {key!r} is {value!r}, expected one of {known}", path=f"/custom_fields/{key}"
        ) from error


def _number(row: Row, key: str) -> int | None:
    value = _custom_text(row, key)
    if value is None:
        return None
    if not value.strip().isdigit():
        raise InvalidRecord(f"custom field {key!r} is {value!r}, expected a whole number", path=f"/custom_fields/{key}")
    return int(value)


def _day(row: Row, key: str) -> date | None:
    value = _custom_text(row, key)
    try:
        return None if value is None else date.fromisoformat(value.strip())
    except ValueError as error:
        raise InvalidRecord(
            f"custom field {key!r} is {value!r}, expected a date such as 2026-01-31", path=f"/custom_fields/{key}"
        ) from error


def _truth(row: Row, key: str) -> bool | None:
    value = _custom_text(row, key)
    if value is None:
        return None
    if value.strip().lower() in TRUE | FALSE:
        return value.strip().lower() in TRUE
    raise InvalidRecord(f"custom field {key!r} is {value!r}, expected true or false", path=f"/custom_fields/{key}")


def _times(row: Row, key: str) -> tuple[str, ...] | None:
    value = _custom(row, key)
    if value is None:
        return None
    texts = value if isinstance(value, list) else [value]
    return tuple(part for text in texts for part in re.split(r"[\s,;]+", str(text)) if part)


def _valid(build: Callable[[], T]) -> T:
    try:
        return build()
    except (ValidationError, ValueError) as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError | ValueError) -> InvalidRecord:
    if not isinstance(error, ValidationError):
        return InvalidRecord(str(error))
    first = error.errors(include_url=False)[0]
    field = "/".join(str(part) for part in first["loc"])
    return InvalidRecord(f"{field} {first['input']!r}: {first['msg']}", path=f"/{field}")
