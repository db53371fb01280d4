"""From Freshservice's asset types, products and assets to records. Pure.

What an asset has by its type lies in `type_fields`, each name with the number of the type that has it: a laptop's
serial is `serial_number_25`, 25 being Hardware.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.sdk import (
    AssetRecord,
    AssetState,
    ConfigError,
    EntityKind,
    InvalidRecord,
    ProductKey,
    ProductRecord,
    ProductStatus,
    SourceRef,
    Tombstone,
)
from connector.sdk.cursors import read_instant
from connector.sdk.rest import ListedRow, LocationTree, asset_facts, optional, valid
from connector_freshservice.client import plain_name
from connector_freshservice.config import FreshserviceConfig
from connector_freshservice.relations import Relations

VERSION = "1"
"""Of this mapping; another one reads all assets anew."""
STATE, SERIAL, PRODUCT, WARRANTY = "asset_state", "serial_number", "product", "warranty_expiry_date"


PRODUCT_STATES = {"in production": ProductStatus.ACTIVE, "retired": ProductStatus.OBSOLETE}
"""Others, such as what is in the pipeline, say nothing of a product's end."""


@dataclass(frozen=True, slots=True)
class AssetTypes:
    """All asset types. read: ids of those that are read, with all below."""

    names: Mapping[int, str]
    read: frozenset[int]

    @classmethod
    def of(cls, rows: Iterable[ListedRow], config: FreshserviceConfig) -> AssetTypes:
        """The tree. Raises ConfigError for a type of the settings that is not there."""
        names: dict[int, str] = {}
        parents: dict[int, int | None] = {}
        for row in rows:
            number, parent = row.get("id"), row.get("parent_asset_type_id")
            if isinstance(number, int):
                names[number] = str(row.get("name") or "")
                parents[number] = parent if isinstance(parent, int) else None
        read: set[int] = set()
        for name in config.asset_types:
            wanted = name.strip().casefold()
            found = {each for each, called in names.items() if wanted in (str(each), called.casefold())}
            if not found:
                raise ConfigError(
                    f"asset_types names {name!r}, and Freshservice has no such asset type",
                    operation="read asset types", hint=f"Take one of {', '.join(sorted(names.values()))[:300]}.",
                )  # fmt: skip
            read |= found
        return cls(names, frozenset(each for each in names if read & _chain(each, parents)))

    def is_read(self, number: object) -> bool:
        """Whether assets of a type are read."""
        return isinstance(number, int) and number in self.read


def _chain(number: int, parents: Mapping[int, int | None]) -> set[int]:
    """A type and all above it."""
    chain = {number}
    above = parents.get(number)
    while above is not None and above not in chain:
        chain.add(above)
        above = parents.get(above)
    return chain


def asset_ref(display_id: int) -> SourceRef:
    """An asset by its display id: addresses, tickets and relationships go by that."""
    return SourceRef(kind=EntityKind.ASSET, external_id=str(display_id))


def product_ref(number: int) -> SourceRef:
    """A product by its id."""
    return SourceRef(kind=EntityKind.PRODUCT, external_id=str(number))


def product_record(row: ListedRow, types: AssetTypes) -> ProductRecord | None:
    """A product; None for one of a type that is not read.

    Raises InvalidRecord, also for one of no manufacturer: nothing could be told apart by its name alone.
    """
    if not types.is_read(row.get("asset_type_id")):
        return None
    maker, name = optional(row, "manufacturer"), optional(row, "name")
    if maker is None or name is None:
        raise InvalidRecord(
            f"product {name or row.get('id')!r} has no {'name' if name is None else 'manufacturer'}",
            path="/manufacturer" if maker is None else "/name",
            hint="Enter it in Freshservice: Admin, Product Catalog.",
        )
    at, number = changed(row), _number(row, "id")
    return valid(
        lambda: ProductRecord(
            ref=product_ref(number), updated_at=at, key=ProductKey(manufacturer=maker, model=name),
            asset_class=types.names.get(row["asset_type_id"]),
            status=PRODUCT_STATES.get(str(row.get("status")).casefold()),
        )
    )  # fmt: skip


def asset_record(
    row: ListedRow,
    types: AssetTypes,
    places: LocationTree,
    config: FreshserviceConfig,
    relations: Relations | None = None,
) -> AssetRecord | None:
    """An asset; None for one of a type that is not read. relations: None where nothing was asked.

    Raises InvalidRecord.
    """
    if not types.is_read(row.get("asset_type_id")):
        return None
    ref, fields = asset_ref(_number(row, "display_id")), type_fields(row)
    location, product = row.get("location_id"), fields.get(PRODUCT)
    view = {
        "name": row.get("name"), "serial": fields.get(SERIAL), "asset_tag": row.get("asset_tag"),
        "custom_fields": fields,
    }  # fmt: skip
    facts = asset_facts(view, config.custom_field)
    values: dict[str, Any] = {
        "product": product_ref(product) if isinstance(product, int) else None,
        "place": places.of_location(location) if isinstance(location, int) else None,
        "state": state_of(fields, config),
        "url": config.page_of("cmdb/items", ref.external_id),
        "relations": None if relations is None else relations.of(int(ref.external_id)),
    }
    at = changed(row)
    return valid(lambda: AssetRecord(ref=ref, updated_at=at, **facts, **values))


def asset_tombstone(row: ListedRow) -> Tombstone:
    """An asset in the trash. Raises InvalidRecord."""
    return Tombstone(ref=asset_ref(_number(row, "display_id")), updated_at=changed(row))


def type_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """What an asset has by its type, without the numbers of the types in the names; of a warranty's end the day."""
    told = row.get("type_fields")
    fields = {plain_name(name): value for name, value in told.items()} if isinstance(told, dict) else {}
    if isinstance(ends_at := fields.get(WARRANTY), str):
        fields[WARRANTY] = ends_at[:10]
    return fields


def state_of(fields: Mapping[str, Any], config: FreshserviceConfig) -> AssetState | None:
    """What an asset's state means; None where it has none. Raises InvalidRecord."""
    told = fields.get(STATE)
    if told is None or told == "":
        return None
    state = config.asset_states().get(str(told).casefold())
    if state is None:
        raise InvalidRecord(
            f"asset state {told!r} is unknown", path=f"/type_fields/{STATE}",
            hint="Say in `states` what it means, then replay the record.",
        )  # fmt: skip
    return state


def changed(row: ListedRow) -> datetime:
    """When a row changed. Raises InvalidRecord."""
    told = row.get("updated_at")
    try:
        return read_instant(str(told))
    except (ValueError, OverflowError):
        raise InvalidRecord(
            f"updated_at is {told!r:.80}, expected such as 2026-01-31T09:30:00Z", path="/updated_at"
        ) from None


def _number(row: ListedRow, name: str) -> int:
    number = row.get(name)
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    raise InvalidRecord(f"{name} is {number!r:.60}, expected a number", path=f"/{name}")
