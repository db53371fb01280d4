"""From Nautobot's objects to records. Pure: what else is needed of Nautobot is handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from connector.sdk import (
    AssetRecord,
    AssetRelation,
    AssetState,
    EntityKind,
    HubRecord,
    InvalidRecord,
    Point,
    ProductKey,
    ProductRecord,
    RelationKind,
    SiteRecord,
    SourceRef,
    Tombstone,
)
from connector.sdk.cursors import read_instant
from connector.sdk.rest import (
    CustomField,
    Row,
    address_of,
    asset_facts,
    custom_text,
    hub_facts,
    last_updated,
    optional,
    product_facts,
    text,
    valid,
)
from connector_nautobot.places import Location, LocationUses, Use, place_of, region_of

T = TypeVar("T")

KINDS: Mapping[str, EntityKind] = {
    "dcim.location": EntityKind.SITE,
    "dcim.devicetype": EntityKind.PRODUCT,
    "dcim.device": EntityKind.ASSET,
}
"""Our kind by Nautobot's content type; a location may be a hub as well."""

DEVICE_VERSION = 3
"""Of what `device` makes of a row. One more with each change of it: then every device is made anew."""


@dataclass(frozen=True, slots=True)
class Relatives:
    """Devices that others refer to, by what they refer to.

    chassis: the device that has a bay, by the bay's id. masters: a virtual chassis' master by its id, None without one.
    What may not be seen, or is gone, is in neither.
    """

    chassis: Mapping[str, str]
    masters: Mapping[str, str | None]


def location(row: Row, lineage: Sequence[Location], custom: CustomField) -> SiteRecord | HubRecord | None:
    """A site or hub; None for a location that only groups or is a part of another place.

    Position and time zone that the location lacks are its nearest ancestor's.
    Raises InvalidRecord.
    """
    ref = place_of(lineage)
    if ref is None or ref.external_id != lineage[0].id:
        return None
    common: dict[str, Any] = {
        "ref": ref,
        "updated_at": max(read_instant(place.updated_at) for place in lineage),
        "name": text(row, "name"),
        "code": optional(row, "facility"),
        "point": _point(lineage),
        "time_zone": _time_zone(lineage),
        "region": region_of(lineage),
        "address": address_of(row, custom, {
            "contact": optional(row, "contact_name"), "phone": optional(row, "contact_phone"),
            "email": optional(row, "contact_email"),
        }),
    }  # fmt: skip
    if ref.kind is EntityKind.HUB:
        hub = hub_facts(row, custom)
        return valid(lambda: HubRecord(**common, **hub))
    return valid(
        lambda: SiteRecord(
            **common,
            service_class=custom_text(row, custom("service_class")),
            access_hours=custom_text(row, custom("access_hours")),
        )
    )


def product(row: Row, manufacturers: Mapping[str, str], custom: CustomField) -> ProductRecord:
    """A device type. manufacturers: name by id. Raises InvalidRecord."""
    maker = reference(row, "manufacturer")
    if maker not in manufacturers:
        raise InvalidRecord(f"manufacturer {maker!r} is not in Nautobot's list", path="/manufacturer")
    ref = SourceRef(kind=EntityKind.PRODUCT, external_id=text(row, "id"))
    part_number = optional(row, "part_number")
    return valid(
        lambda: ProductRecord(
            ref=ref,
            updated_at=read_instant(text(row, "last_updated")),
            key=ProductKey(manufacturer=manufacturers[maker], model=text(row, "model"), part_number=part_number),
            **product_facts(row, custom),
        )
    )


def device(
    row: Row,
    statuses: Mapping[str, str],
    states: Mapping[str, AssetState],
    place: SourceRef | None,
    custom: CustomField,
    base_url: str,
    *,
    relations: tuple[AssetRelation, ...],
) -> AssetRecord:
    """A device. statuses: name by id. states: ours by that name, lower case. place: where its location belongs.

    relations: to other devices, by `relations_of`.
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
    return valid(
        lambda: AssetRecord(
            ref=SourceRef(kind=EntityKind.ASSET, external_id=external_id),
            updated_at=last_updated(row),
            product=_product(reference(row, "device_type")),
            place=place,
            state=state,
            url=f"{base_url}/dcim/devices/{external_id}/",
            relations=relations,
            **asset_facts(row, custom),
        )
    )


def relations_of(row: Row, relatives: Relatives) -> tuple[AssetRelation, ...]:
    """The chassis in whose bay a device is, and the master of the stack that it is a member of.

    Raises InvalidRecord for a bay or stack that cannot be seen.
    """
    found: list[AssetRelation] = []
    bay, stack = maybe_reference(row, "parent_bay"), maybe_reference(row, "virtual_chassis")
    if bay is not None:
        found.append(AssetRelation.to(RelationKind.PART_OF, _seen(relatives.chassis, bay, "parent_bay", "device bays")))
    if stack is not None:
        master = _seen(relatives.masters, stack, "virtual_chassis", "virtual chassis")
        if master is not None and master != row.get("id"):
            found.append(AssetRelation.to(RelationKind.CONNECTED_TO, master))
    return tuple(found)


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


def reference(row: Row, name: str) -> str:
    """Identifier of what a field points to. Raises InvalidRecord."""
    found = maybe_reference(row, name)
    if found is None:
        raise InvalidRecord(f"field {name!r} is {row.get(name)!r}, expected a reference with an id", path=f"/{name}")
    return found


def maybe_reference(row: Row, name: str) -> str | None:
    """Identifier of what a field points to, None when it points to nothing. Raises InvalidRecord."""
    value = row.get(name)
    if value is None:
        return None
    external_id = value.get("id") if isinstance(value, dict) else None
    if not isinstance(external_id, str):
        raise InvalidRecord(f"field {name!r} is {value!r}, expected a reference with an id", path=f"/{name}")
    return external_id


def _seen(known: Mapping[str, T], external_id: str, name: str, what: str) -> T:
    """What is known of a bay or stack. Raises InvalidRecord."""
    if external_id not in known:
        raise InvalidRecord(
            f"{name} {external_id!r} is not among the {what} that Nautobot shows",
            path=f"/{name}",
            hint=f"Let the user view {what} in Nautobot; one that was just deleted is settled by the next full pull.",
        )
    return known[external_id]


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
