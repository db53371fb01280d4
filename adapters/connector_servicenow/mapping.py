"""From rows of ServiceNow to places, products and devices. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from connector.sdk import (
    Address,
    AssetRecord,
    AssetState,
    EntityKind,
    HubRecord,
    InvalidRecord,
    ProductKey,
    ProductRecord,
    ProductStatus,
    SiteRecord,
    SourceRef,
    Tombstone,
)
from connector.sdk.rest import Row, asset_facts, custom_text, hub_facts, last_updated, point_of, product_facts, valid
from connector_servicenow.columns import first, model_column, needed, value, view
from connector_servicenow.config import ServiceNowConfig
from connector_servicenow.query import instant
from connector_servicenow.relations import relations_of

DEVICE_VERSION = 2
"""Of what `device` makes of a row. One more with each change of it: then every device is made anew."""
STATUSES = {"in production": ProductStatus.ACTIVE, "retired": ProductStatus.OBSOLETE}
ADDRESS = {"line1": "street", "city": "city", "state": "state", "postal_code": "zip", "phone": "phone"}

KINDS = {
    "cmn_location": EntityKind.SITE,
    "alm_stockroom": EntityKind.HUB,
    "incident": EntityKind.TICKET,
    "sc_req_item": EntityKind.TICKET,
    "sc_request": EntityKind.TICKET,
}


def kind_of(table: str, config: ServiceNowConfig) -> EntityKind | None:
    """What the rows of a table are here; a table may be one that extends another. None for those that are not read."""
    if table in KINDS:
        return KINDS[table]
    if table == config.model_table or (table.startswith("cmdb_") and table.endswith("_model")):
        return EntityKind.PRODUCT
    if table == config.device_table:
        return EntityKind.ASSET
    family = "cmdb_ci" if config.device_table == "cmdb_ci_hardware" else "alm_hardware"
    return EntityKind.ASSET if table.startswith(f"{family}_") else None


def site(row: Row, config: ServiceNowConfig) -> SiteRecord:
    """A location. Raises InvalidRecord."""
    seen = view(row)
    return valid(
        lambda: SiteRecord(
            **_place(row, config, ""),
            ref=ref(EntityKind.SITE, row),
            updated_at=last_updated(row),
            service_class=custom_text(seen, config.custom_field("service_class")),
            access_hours=custom_text(seen, config.custom_field("access_hours")),
        )
    )


def hub(row: Row, config: ServiceNowConfig) -> HubRecord:
    """A stockroom: it lies where its location does. Raises InvalidRecord."""
    facts = hub_facts(view(row), config.custom_field)
    return valid(
        lambda: HubRecord(
            **_place(row, config, "location."),
            **facts,
            ref=ref(EntityKind.HUB, row),
            updated_at=_latest(row, "location.sys_updated_on"),
        )
    )


def product(row: Row, config: ServiceNowConfig) -> ProductRecord:
    """A product model. Raises InvalidRecord."""
    facts = product_facts(view(row), config.custom_field)
    if facts["asset_class"] is None:
        facts["asset_class"] = value(row, "cmdb_ci_class")
    key = {"manufacturer": needed(row, "manufacturer.name"), "model": first(row, "name") or needed(row, "display_name")}
    return valid(
        lambda: ProductRecord(
            ref=ref(EntityKind.PRODUCT, row),
            updated_at=_latest(row, "manufacturer.sys_updated_on"),
            key=ProductKey(**key, part_number=value(row, "model_number")),
            status=STATUSES.get((value(row, "status") or "").casefold()),
            **facts,
        )
    )


def device(row: Row, config: ServiceNowConfig, relations: Iterable[tuple[str, Row]] = ()) -> AssetRecord:
    """A hardware asset or configuration item. relations: see `relations_of`. Raises InvalidRecord."""
    related = relations_of(row, relations, config)
    state = _state(row, config)
    facts = asset_facts(device_view(row, config), config.custom_field)
    if facts["holder"] is None:
        facts["holder"] = first(row, "assigned_to.email", "assigned_to")
    model = value(row, model_column(config))
    base = str(config.base_url).rstrip("/")
    external_id = needed(row, "id")
    return valid(
        lambda: AssetRecord(
            ref=ref(EntityKind.ASSET, row),
            updated_at=last_updated(row),
            product=_product_ref(model) if model else None,
            place=place_of(row, state),
            state=state,
            url=f"{base}/{config.device_table}.do?sys_id={external_id}",
            relations=related,
            **facts,
        )
    )


def device_view(row: Row, config: ServiceNowConfig) -> dict[str, object]:
    """A device by the names that the SDK reads and swaps go by."""
    return {
        **view(row),
        "name": first(row, "ci.name", "name"),
        "serial": value(row, "serial_number"),
        "asset_tag": value(row, "asset_tag"),
        "device_type": value(row, model_column(config)),
        "status": status_of(row, config),
        "comments": value(row, "comments"),
        "location": value(row, "location"),
        "stockroom": value(row, "stockroom"),
    }


def status_of(row: Row, config: ServiceNowConfig) -> str:
    """`install_status`, with the substatus where the settings give the two together a meaning. Raises InvalidRecord."""
    status, substatus = needed(row, "install_status"), value(row, "substatus")
    both = f"{status}/{substatus}".casefold()
    return both if substatus and both in config.asset_states() else status


def place_of(row: Row, state: AssetState) -> SourceRef | None:
    """The stockroom that holds a device, else its location: what is at work is in no stockroom, whatever is left there.

    Raises InvalidRecord.
    """
    stockroom, location = value(row, "stockroom"), value(row, "location")
    if stockroom and state is not AssetState.DEPLOYED:
        return SourceRef(kind=EntityKind.HUB, external_id=stockroom)
    return SourceRef(kind=EntityKind.SITE, external_id=location) if location else None


def tombstone(table: str, external_id: str, at: datetime, config: ServiceNowConfig) -> Tombstone | None:
    """What a deletion erases here."""
    kind = kind_of(table, config)
    return Tombstone(ref=SourceRef(kind=kind, external_id=external_id), updated_at=at) if kind else None


def ref(kind: EntityKind, row: Row) -> SourceRef:
    """Identity of a row. Raises InvalidRecord."""
    return SourceRef(kind=kind, external_id=needed(row, "id"))


@lru_cache(maxsize=4096)
def _product_ref(external_id: str) -> SourceRef:
    """The same few models are named by every device: each reference is made once."""
    return SourceRef(kind=EntityKind.PRODUCT, external_id=external_id)


def _state(row: Row, config: ServiceNowConfig) -> AssetState:
    status = status_of(row, config)
    state = config.asset_states().get(status.casefold())
    if state is None:
        raise InvalidRecord(
            f"install_status {status!r} has no meaning here; known are {', '.join(sorted(config.asset_states()))}",
            path="/install_status",
            hint=f'Add it to the source\'s settings: states = {{ "{status}" = "deployed" }}, then replay the record.',
        )
    return state


def _place(row: Row, config: ServiceNowConfig, prefix: str) -> dict[str, Any]:
    seen = view(row, prefix)
    name = needed(row, "name")
    parts: dict[str, Any] = {part: value(row, prefix + column) for part, column in ADDRESS.items()}
    country = value(row, prefix + "country")
    if country:
        code = config.countries.get(country, country)
        parts["country"] = code if len(code) == 2 and code.isascii() and code.isupper() else None
    return {
        "name": name,
        "point": point_of(seen, name),
        "time_zone": value(row, prefix + "time_zone"),
        "region": custom_text(seen, config.custom_field("region")),
        "address": Address(**parts) if any(parts.values()) else None,
    }


def _latest(row: Row, column: str) -> datetime:
    """When the row, or what it shows of another one, changed last. Raises InvalidRecord."""
    own = last_updated(row)
    try:
        other = instant(row.get(column))
    except ValueError as error:
        raise InvalidRecord(f"column {column!r} is {row.get(column)!r}: {error}", path=f"/{column}") from error
    return max(own, other) if other else own
