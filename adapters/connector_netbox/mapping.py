"""From NetBox's objects to records. Pure: what else is needed of NetBox is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from connector.sdk import (
    AssetRecord,
    AssetRelation,
    AssetState,
    EntityKind,
    HubRecord,
    InvalidRecord,
    ProductKey,
    ProductRecord,
    RelationKind,
    SiteRecord,
    SourceRef,
    Tombstone,
)
from connector.sdk.rest import (
    CustomField,
    Row,
    address_of,
    asset_facts,
    custom_text,
    hub_facts,
    last_updated,
    optional,
    point_of,
    product_facts,
    row_id,
    text,
    valid,
)
from connector_netbox.places import Hubs, maybe_reference, of_location, reference

DEVICE_VERSION = 2
"""Of what `device` makes of a row. One more with each change of it: then every device is made anew."""

KINDS: Mapping[str, EntityKind] = {
    "dcim.site": EntityKind.SITE,
    "dcim.location": EntityKind.HUB,
    "dcim.devicetype": EntityKind.PRODUCT,
    "dcim.device": EntityKind.ASSET,
}
"""Our kind by NetBox's object type; a site may be a hub as well."""

GRAMS = {"kg": 1000.0, "g": 1.0, "lb": 453.59237, "oz": 28.349523125}


def site(row: Row, hubs: Hubs, custom: CustomField) -> SiteRecord | HubRecord:
    """A site or hub. Raises InvalidRecord."""
    ref = hubs.of_site(number(row))
    common = _place(row, row, ref, custom)
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


def hub_in_site(row: Row, site_row: Row | None, custom: CustomField) -> HubRecord:
    """A location that is a hub: where it lies is what its site says, unless its own custom fields do.

    Raises InvalidRecord.
    """
    if site_row is None:
        raise InvalidRecord(f"site {row.get('site')!r} cannot be read", path="/site", hint="Let the user view it.")
    own, of_site = _custom_fields(row), _custom_fields(site_row)
    address = {key: value for key, value in of_site.items() if key in {custom(name) for name in ADDRESS}}
    merged = {**site_row, "custom_fields": address | {key: value for key, value in own.items() if value not in BLANK}}
    common = _place(row, merged, of_location(number(row)), custom)
    hub = hub_facts(row, custom)
    return valid(lambda: HubRecord(**common, **hub))


ADDRESS = ("city", "postal_code", "state", "country")
BLANK: tuple[object, ...] = (None, "")


def product(row: Row, custom: CustomField) -> ProductRecord:
    """A device type. Its weight is NetBox's own field, unless a custom field says it. Raises InvalidRecord."""
    maker = row.get("manufacturer")
    if not isinstance(maker, dict):
        raise InvalidRecord(f"field 'manufacturer' is {maker!r}, expected an object", path="/manufacturer")
    facts = product_facts(row, custom)
    if facts["weight_g"] is None:
        facts["weight_g"] = _grams(row)
    key = {"manufacturer": text(maker, "name"), "model": text(row, "model")}
    return valid(
        lambda: ProductRecord(
            ref=product_ref(number(row)),
            updated_at=last_updated(row),
            key=ProductKey(**key, part_number=optional(row, "part_number")),
            **facts,
        )
    )


def device(row: Row, states: Mapping[str, AssetState], hubs: Hubs, custom: CustomField, base_url: str) -> AssetRecord:
    """A device. states: ours by the value of the status, lower case. Raises InvalidRecord."""
    external_id, status = number(row), choice(row, "status")
    state = states.get(status.casefold())
    if state is None:
        raise InvalidRecord(
            f"status {status!r} of device {row.get('display') or external_id!r} has no meaning here; "
            f"known are {', '.join(sorted(states))}",
            path="/status",
            hint=f'Add it to the source\'s settings: states = {{ "{status}" = "deployed" }}.',
        )
    return valid(
        lambda: AssetRecord(
            ref=SourceRef(kind=EntityKind.ASSET, external_id=external_id),
            updated_at=last_updated(row),
            product=product_ref(reference(row, "device_type")),
            place=hubs.of_device(reference(row, "site"), maybe_reference(row, "location")),
            state=state,
            url=f"{base_url}/dcim/devices/{external_id}/",
            relations=relations(row),
            **asset_facts(row, custom),
        )
    )


def relations(row: Row) -> tuple[AssetRelation, ...]:
    """The device in whose bay it is, and the master of the stack that it is a member of. Raises InvalidRecord."""
    found: list[AssetRelation] = []
    if (parent := maybe_reference(row, "parent_device")) is not None:
        found.append(AssetRelation.to(RelationKind.PART_OF, parent))
    stack = row.get("virtual_chassis")
    if isinstance(stack, dict) and (master := maybe_reference(stack, "master")) not in (None, row_id(row)):
        found.append(AssetRelation.to(RelationKind.CONNECTED_TO, str(master)))
    return tuple(found)


def tombstones(object_type: str, external_id: str, at: datetime, *, has_hub_locations: bool) -> list[Tombstone]:
    """What a deletion erases; a site is erased as a hub, too, since what is left of it does not tell."""
    if object_type == "dcim.site":
        refs = [SourceRef(kind=kind, external_id=external_id) for kind in (EntityKind.SITE, EntityKind.HUB)]
    elif object_type == "dcim.location":
        refs = [of_location(external_id)] if has_hub_locations else []
    else:
        refs = [SourceRef(kind=KINDS[object_type], external_id=external_id)] if object_type in KINDS else []
    return [Tombstone(ref=ref, updated_at=at) for ref in refs]


def number(row: Row) -> str:
    """The id of an object. Raises InvalidRecord."""
    external_id = row_id(row)
    if external_id is None:
        raise InvalidRecord(f"field 'id' is {row.get('id')!r}, expected a whole number", path="/id")
    return external_id


def choice(row: Row, name: str) -> str:
    """The value of a field of choices; its label depends on language and settings. Raises InvalidRecord."""
    field = row.get(name)
    value = field.get("value") if isinstance(field, dict) else None
    if not isinstance(value, str) or not value:
        raise InvalidRecord(f"field {name!r} is {field!r}, expected a value and a label", path=f"/{name}")
    return value


@lru_cache(maxsize=4096)
def product_ref(external_id: str) -> SourceRef:
    """The same few products are named by every device: each reference is made once."""
    return SourceRef(kind=EntityKind.PRODUCT, external_id=external_id)


def _place(row: Row, site_row: Row, ref: SourceRef, custom: CustomField) -> dict[str, Any]:
    region = site_row.get("region")
    name = text(row, "name")
    return {
        "ref": ref,
        "updated_at": max(last_updated(row), last_updated(site_row)),
        "name": name,
        "code": optional(row, "facility"),
        "point": point_of(site_row, name),
        "time_zone": optional(site_row, "time_zone"),
        "region": text(region, "name") if isinstance(region, dict) else None,
        "address": address_of(site_row, custom, {}),
    }


def _custom_fields(row: Row) -> Mapping[str, object]:
    fields = row.get("custom_fields")
    return fields if isinstance(fields, dict) else {}


def _grams(row: Row) -> int | None:
    weight = row.get("weight")
    if weight is None:
        return None
    unit = choice(row, "weight_unit")
    if not isinstance(weight, int | float | str) or isinstance(weight, bool) or unit not in GRAMS:
        raise InvalidRecord(f"weight {weight!r} {unit!r} cannot be read", path="/weight")
    try:
        return round(float(weight) * GRAMS[unit])
    except (ValueError, OverflowError) as error:
        raise InvalidRecord(f"weight {weight!r} {unit!r} cannot be read: {error}", path="/weight") from error
