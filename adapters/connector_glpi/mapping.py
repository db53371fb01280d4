"""From devices and their models to records. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple, cast

from connector.sdk import (
    AssetRecord,
    AssetRelation,
    AssetState,
    EntityKind,
    InvalidRecord,
    ProductKey,
    ProductRecord,
    SourceRef,
    Tombstone,
)
from connector.sdk.cursors import read_instant
from connector.sdk.rest import ListedRow, LocationTree, valid
from connector_glpi.config import GlpiConfig
from connector_glpi.names import Catalogue, Statuses
from connector_glpi.rows import EPOCH, Device, Location, read_row
from connector_glpi.words import DEVICE_TYPES, MODEL_COLUMNS, DeviceType

VERSION = "1"
"""Of this mapping; another one reads all anew."""
OF_PRODUCT = frozenset(
    {*MODEL_COLUMNS.values(), "id", "model", "manufacturers_id", "manufacturer", "is_template", "date_mod",
     "date_creation"}
)  # fmt: skip
"""What of a device says which product it is; what is wrong with the rest of it is said of the device alone."""
ASSET = re.compile(rf"({'|'.join(DEVICE_TYPES)})-([1-9]\d*)")
PRODUCT = re.compile(rf"({'|'.join(DEVICE_TYPES)})Model-([1-9]\d*)-([1-9]\d*)")


class ProductIds(NamedTuple):
    """A product: a model of a type of devices, by a manufacturer, whom GLPI names at the device alone."""

    kind: DeviceType
    model: int
    maker: int


def asset_ref(kind: str, number: int) -> SourceRef:
    """A device: ids are of its type."""
    return SourceRef(kind=EntityKind.ASSET, external_id=f"{kind}-{number}")


def read_asset_ref(ref: SourceRef) -> tuple[DeviceType, int] | None:
    """Type and id of a device; None for what is none of GLPI's."""
    found = ASSET.fullmatch(ref.external_id)
    return (cast(DeviceType, found[1]), int(found[2])) if found else None


def product_of(device: Device, kind: DeviceType) -> SourceRef | None:
    """The product that a device is; None without a model, or without a maker: a model's name alone says too little."""
    if device.model is None or device.manufacturer is None:
        return None
    return SourceRef(kind=EntityKind.PRODUCT, external_id=f"{kind}Model-{device.model}-{device.manufacturer}")


def read_product_ref(ref: SourceRef) -> ProductIds | None:
    """The parts of a product's reference; None for what is none of GLPI's."""
    found = PRODUCT.fullmatch(ref.external_id)
    return ProductIds(cast(DeviceType, found[1]), int(found[2]), int(found[3])) if found else None


def changed(row: Device | Location) -> datetime:
    """When a row changed; imported ones may not say."""
    return row.date_mod or row.date_creation or read_instant(EPOCH)


def asset_record(
    row: ListedRow,
    kind: DeviceType,
    places: LocationTree,
    statuses: Statuses,
    config: GlpiConfig,
    relations: tuple[AssetRelation, ...] | None = None,
) -> AssetRecord | None:
    """A device; None for a template of devices. Raises InvalidRecord."""
    device = read_row(Device, row, kind, config.time_zone)
    if device.is_template:
        return None
    state = state_of(device, statuses, config)
    return valid(
        lambda: AssetRecord(
            ref=asset_ref(kind, device.id),
            updated_at=changed(device),
            name=device.name,
            serial=device.serial,
            asset_tag=device.otherserial,
            product=product_of(device, kind),
            place=None if device.location is None else places.of_location(device.location),
            state=state,
            holder=device.user,
            url=config.page_of(kind, device.id),
            relations=relations,
        )
    )


def tombstone(row: ListedRow, kind: DeviceType, config: GlpiConfig) -> Tombstone | None:
    """A device in the bin. Raises InvalidRecord."""
    device = read_row(Device, row, kind, config.time_zone)
    return None if device.is_template else Tombstone(ref=asset_ref(kind, device.id), updated_at=changed(device))


def product_record(row: ListedRow, kind: DeviceType, catalogue: Catalogue, config: GlpiConfig) -> ProductRecord | None:
    """What a device is; None where that is not said. Raises InvalidRecord."""
    told = {name: value for name, value in row.items() if name in OF_PRODUCT}
    device = read_row(Device, told, kind, config.time_zone)
    ref = product_of(device, kind)
    return None if ref is None or device.is_template else product_of_ref(ref, catalogue, changed(device))


def product_of_ref(ref: SourceRef, catalogue: Catalogue, at: datetime | None = None) -> ProductRecord | None:
    """A product by its reference; None where model or maker are not there any more."""
    ids = read_product_ref(ref)
    model = catalogue.models.get(ids.kind, {}).get(ids.model) if ids else None
    maker = catalogue.makers.get(ids.maker) if ids else None
    if ids is None or model is None or maker is None or not model.name or not maker.name:
        return None
    key = {"manufacturer": maker.name, "model": model.name, "part_number": model.product_number}
    return valid(
        lambda: ProductRecord(ref=ref, updated_at=at, key=ProductKey.model_validate(key), asset_class=ids.kind)
    )


def state_of(device: Device, statuses: Statuses, config: GlpiConfig) -> AssetState | None:
    """What a device's status means; None without one. Raises InvalidRecord where nobody said what it means."""
    if device.state is None:
        return None
    name = statuses.name_of(device.state)
    state = config.asset_states().get(name.casefold())
    if state is None:
        raise InvalidRecord(
            f"status {name!r} has no meaning yet", path="/states_id",
            hint=f'Say what it means in the source\'s settings: states = {{ "{name}" = "in_stock" }}.',
        )  # fmt: skip
    return state
