"""From locations, models and devices to records. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from connector.sdk import (
    Address,
    AssetRecord,
    AssetState,
    EntityKind,
    HubRecord,
    InvalidRecord,
    ProductKey,
    ProductRecord,
    SiteRecord,
    SourceRef,
)
from connector.sdk.rest import ListedRow, LocationNode, LocationTree, point_of, valid
from connector_itop.config import ItopConfig
from connector_itop.relations import relations_of
from connector_itop.rows import Device, Location, Model, read_row
from connector_itop.words import SYSTEM

VERSION = "2"
"""Of this mapping; another one reads all anew."""


def ref_of(kind: EntityKind, number: int) -> SourceRef:
    """An object by its id: devices share theirs, tickets share theirs, whatever their class."""
    return SourceRef(kind=kind, external_id=str(number))


def number_of(ref: SourceRef) -> int | None:
    """The id in a reference; None for what is none of iTop's."""
    told = ref.external_id
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 19 else None


def places_of(rows: Iterable[ListedRow], config: ItopConfig) -> LocationTree:
    """All locations. Raises ConfigError for a hub that is not there."""
    nodes = [LocationNode(row["id"], None, (str(row.get("name") or ""),)) for row in rows]
    return LocationTree.of(nodes, config.hub_locations, "every", SYSTEM)


def place_record(row: ListedRow, places: LocationTree, config: ItopConfig) -> SiteRecord | HubRecord:
    """The site or hub of a location. Raises InvalidRecord."""
    location = read_row(Location, row, "location", config)
    if location.name is None:
        raise InvalidRecord(f"location {location.id} has no name", path="/name")
    name, ref = location.name, places.of_location(location.id)
    kind = HubRecord if ref.kind is EntityKind.HUB else SiteRecord
    point = point_of({each: row.get(own or "") or None for each, own in _position(config).items()}, name)
    return valid(lambda: kind(ref=ref, name=name, point=point, address=_address(location, config)))


def _position(config: ItopConfig) -> dict[str, str | None]:
    return {"latitude": config.latitude, "longitude": config.longitude}


def _address(location: Location, config: ItopConfig) -> Address | None:
    lines = [line.strip() for line in (location.address or "").splitlines() if line.strip()]
    parts = {
        "line1": lines[0] if lines else None, "line2": ", ".join(lines[1:]) or None, "city": location.city,
        "postal_code": location.postal_code, "country": config.country(location.country),
    }  # fmt: skip
    return valid(lambda: Address(**parts)) if any(parts.values()) else None


def product_record(row: ListedRow, config: ItopConfig) -> ProductRecord:
    """A model of a brand. Raises InvalidRecord."""
    model = read_row(Model, row, "model", config)
    key = {"manufacturer": model.brand_name, "model": model.name}
    return valid(
        lambda: ProductRecord(
            ref=ref_of(EntityKind.PRODUCT, model.id), key=ProductKey.model_validate(key), asset_class=model.type
        )
    )


def asset_record(
    row: ListedRow,
    places: LocationTree,
    config: ItopConfig,
    at: datetime | None = None,
    related: Sequence[ListedRow] | None = None,
) -> AssetRecord:
    """A device. at: of its last change, as far as iTop's history said. related: what it has to do with others, by
    each class that was asked; None where nothing was. Raises InvalidRecord.
    """
    device = read_row(Device, row, "device", config)
    relations = None if related is None else relations_of(related, config)
    state = state_of(device, config)
    ends_on = _day(device.end_of_warranty, config)
    return valid(
        lambda: AssetRecord(
            ref=ref_of(EntityKind.ASSET, device.id),
            updated_at=at,
            name=device.name,
            serial=device.serialnumber,
            asset_tag=device.asset_number,
            product=None if device.model_id is None else ref_of(EntityKind.PRODUCT, device.model_id),
            place=None if device.location_id is None else places.of_location(device.location_id),
            state=state,
            holder=_holder(device),
            warranty_ends_on=ends_on,
            url=config.page_of(device.finalclass, device.id),
            relations=relations,
        )
    )


def state_of(device: Device, config: ItopConfig) -> AssetState | None:
    """What a device's status means; None without one. Raises InvalidRecord where nobody said what it means."""
    if device.status is None:
        return None
    state = config.asset_states().get(device.status.casefold())
    if state is None:
        raise InvalidRecord(
            f"status {device.status!r} has no meaning yet", path="/status",
            hint=f'Say what it means in the source\'s settings: states = {{ "{device.status}" = "in_stock" }}.',
        )  # fmt: skip
    return state


def _holder(device: Device) -> str | None:
    """The first person among the contacts; where none says that it is one, the first contact."""
    people = [each for each in device.contacts_list if each.contact_id_finalclass_recall in (None, "Person")]
    return next((each.contact_id_friendlyname or each.contact_name for each in people), None)


def _day(told: str | None, config: ItopConfig) -> date | None:
    if told is None:
        return None
    for form in (config.date_format, "%Y-%m-%d"):
        try:
            return datetime.strptime(told, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise InvalidRecord(
        f"end_of_warranty is {told!r:.40}, which date_format {config.date_format!r} does not read",
        path="/end_of_warranty", hint="Set date_format to what date_and_time_format of iTop's configuration is.",
    )  # fmt: skip
