"""Assets of Request Tracker as devices, and the places that the settings name. Pure; knows no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import AwareDatetime, Field, ValidationError, field_validator

from connector.sdk import (
    AssetRecord,
    AssetRelation,
    AssetState,
    EntityKind,
    HubRecord,
    InvalidRecord,
    Point,
    ProductKey,
    RelationKind,
    SiteRecord,
    SourceRef,
)
from connector.sdk.answers import Theirs, unreadable
from connector.sdk.rest import valid
from connector_request_tracker.config import RequestTrackerConfig
from connector_request_tracker.mapping import NOBODY, CustomValues, Hyperlink, Reference, field_of

ASSET_FIELDS = "Name,Status,Catalog,LastUpdated,HeldBy,CustomFields,_hyperlinks"
"""What a search is asked to tell of each asset."""
RELATIONS = {"parent": RelationKind.PART_OF, "depends-on": RelationKind.DEPENDS_ON}
"""Links of an asset to another one that say something of a device; `refers-to` says nothing that is certain."""


class _Asset(Theirs):
    id: int
    name: str = Field(default="", alias="Name")
    status: str = Field(alias="Status")
    last_updated: AwareDatetime = Field(alias="LastUpdated")
    held_by: tuple[Reference, ...] = Field(default=(), alias="HeldBy")
    custom_fields: tuple[CustomValues, ...] = Field(default=(), alias="CustomFields")
    hyperlinks: tuple[Hyperlink, ...] = Field(default=(), alias="_hyperlinks")

    @field_validator("held_by", "custom_fields", "hyperlinks", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return value or ()


def asset_ref(number: int | str) -> SourceRef:
    """Identity of an asset."""
    return SourceRef(kind=EntityKind.ASSET, external_id=str(number))


def place_records(config: RequestTrackerConfig) -> Iterator[SiteRecord | HubRecord]:
    """The places that the settings name, since Request Tracker has none."""
    for name, (latitude, longitude) in config.places.items():
        ref = place_ref(name, config)
        kind = HubRecord if ref.kind is EntityKind.HUB else SiteRecord
        yield kind(ref=ref, name=name.strip(), point=Point(latitude, longitude))


def place_ref(name: str, config: RequestTrackerConfig) -> SourceRef:
    """A place by its name, in any case."""
    folded = name.strip().casefold()
    is_hub = folded in {each.strip().casefold() for each in config.hubs}
    return SourceRef(kind=EntityKind.HUB if is_hub else EntityKind.SITE, external_id=folded)


def asset_record(item: Any, config: RequestTrackerConfig) -> AssetRecord:
    """An asset as a search tells it. Raises InvalidRecord with the path of what is wrong."""
    try:
        asset = _Asset.model_validate(item)
    except ValidationError as error:
        raise unreadable(error, "asset") from None
    fields = {field.name.casefold(): field.texts() for field in asset.custom_fields}
    place = field_of(fields, config.site_field)
    known = {name.strip().casefold() for name in config.places}
    state, product = _state(asset, config), _product(fields, config)
    return valid(
        lambda: AssetRecord(
            ref=asset_ref(asset.id),
            updated_at=asset.last_updated,
            name=field_of(fields, config.hostname_field) or asset.name.strip() or None,
            serial=field_of(fields, config.serial_field),
            asset_tag=field_of(fields, config.asset_tag_field),
            product=product,
            place=place_ref(place, config) if place and place.casefold() in known else None,
            state=state,
            holder=next((each.name or each.id for each in asset.held_by if each.id != NOBODY), None),
            url=f"{str(config.base_url).rstrip('/')}/Asset/Display.html?id={asset.id}",
            relations=_relations(asset),
        )
    )


def _state(asset: _Asset, config: RequestTrackerConfig) -> AssetState:
    state = config.asset_state_of(asset.status)
    if state is None:
        raise InvalidRecord(
            f"asset {asset.id} has status {asset.status!r}, which is none of the default lifecycle",
            path="/Status",
            hint="Say what it means in the setting `asset_states` of this source, then replay the record.",
        )
    return state


def _product(fields: dict[str, tuple[str, ...]], config: RequestTrackerConfig) -> ProductKey | None:
    """What it is, where both maker and model are told."""
    maker, model = field_of(fields, config.manufacturer_field), field_of(fields, config.model_field)
    if maker is None or model is None:
        return None
    part_number = field_of(fields, config.part_number_field)
    return valid(lambda: ProductKey(manufacturer=maker, model=model, part_number=part_number))


def _relations(asset: _Asset) -> tuple[AssetRelation, ...]:
    told = {
        (RELATIONS[link.ref], int(link.id))
        for link in asset.hyperlinks
        if link.ref in RELATIONS and link.type == "asset" and link.id is not None and link.id.isdigit()
    }
    return tuple(AssetRelation.to(kind, str(number)) for kind, number in sorted(told) if number != asset.id)
