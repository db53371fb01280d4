"""One part for each list that a stream is read from: where its rows are, and how a page of them becomes records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from typing import Annotated, ClassVar, TypeAlias

import msgspec
import orjson

from connector.sdk import Deferred, EntityKind, Record, Rejected, SourceRef
from connector.sdk.rest import Row, SentRow, made, named, row_id
from connector_netbox import mapping
from connector_netbox.client import NetBoxClient
from connector_netbox.config import NetBoxConfig
from connector_netbox.lookup import LOCATION_FIELDS, LOCATIONS, SITE_FIELDS, SITES, Lookup
from connector_netbox.places import Hubs, of_location

DEVICES = "/api/dcim/devices/"
DEVICE_FIELDS = (
    "id,display,name,device_type,serial,asset_tag,site,location,status,parent_device,virtual_chassis,custom_fields,"
    "created,last_updated"
)
DEVICE_TYPE_FIELDS = "id,display,manufacturer,model,part_number,weight,weight_unit,custom_fields,created,last_updated"
DIGEST_BYTES = 16

Read: TypeAlias = tuple[Sequence[Record | Deferred], Sequence[Rejected]]


class Part(ABC):
    """One list. One object per call, since what it looked up may be outdated in the next."""

    name: ClassVar[str]
    path: ClassVar[str]
    operation: ClassVar[str]
    fields: ClassVar[str]
    only_changes: ClassVar[bool] = False
    """Whether nothing is read of it when everything is read."""

    def __init__(self, client: NetBoxClient, config: NetBoxConfig, lookup: Lookup) -> None:
        self.client = client
        self.config = config
        self.lookup = lookup

    @abstractmethod
    async def pulled(self, rows: Sequence[SentRow]) -> Read:
        """The records of some rows, and what could not be made one."""

    async def below(self, rows: Sequence[SentRow]) -> AsyncGenerator[Read, None]:
        """Further records that change with these rows, although their own rows do not."""
        for nothing in rows[:0]:
            yield [], [Rejected(None, nothing.raw, "")]


class Sites(Part):
    """Sites, hubs or not."""

    name, path, operation, fields = "sites", SITES, "pull places", SITE_FIELDS

    async def pulled(self, rows: Sequence[SentRow]) -> Read:
        """Sites and hubs."""
        hubs = await self.lookup.hubs()
        return made(rows, lambda row: mapping.site(row, hubs, self.config.custom_field), hubs.of_site)

    async def below(self, rows: Sequence[SentRow]) -> AsyncGenerator[Read, None]:
        """The hubs in these sites: they lie where their site does."""
        self.lookup.remember(rows)
        await self.lookup.hubs()
        ids = {row_id(row) for row in rows}
        inside = [row for row in self.lookup.hub_rows.values() if _site_of(row) in ids]
        part = HubLocations(self.client, self.config, self.lookup)
        for start in range(0, len(inside), self.config.page_size):
            yield await part.pulled(inside[start : start + self.config.page_size])


class HubLocations(Part):
    """Locations, as far as they are hubs: a store room in an office."""

    name, path, operation, fields = "locations", LOCATIONS, "pull places", LOCATION_FIELDS

    async def pulled(self, rows: Sequence[SentRow]) -> Read:
        """The hubs among them."""
        await self.lookup.hubs()
        rows = [row for row in rows if row_id(row) in self.lookup.hub_rows]
        sites = await self.lookup.sites(site for row in rows if (site := _site_of(row)) is not None)
        custom = self.config.custom_field
        return made(rows, lambda row: mapping.hub_in_site(row, sites.get(_site_of(row) or ""), custom), of_location)


class DeviceTypes(Part):
    """Products."""

    name, path, operation = "rows", "/api/dcim/device-types/", "pull device types"
    fields = DEVICE_TYPE_FIELDS

    async def pulled(self, rows: Sequence[SentRow]) -> Read:
        """Products."""
        return made(rows, lambda row: mapping.product(row, self.config.custom_field), mapping.product_ref)


class _Reference(msgspec.Struct, gc=False):
    id: int


class _Choice(msgspec.Struct, gc=False):
    value: str


class _Stack(msgspec.Struct, gc=False):
    master: _Reference | None = None


class Glance(msgspec.Struct, gc=False):
    """What a device's record is made from. Its row has more, of which counts change with other devices."""

    id: int
    last_updated: Annotated[datetime, msgspec.Meta(tz=True)]
    device_type: _Reference
    site: _Reference
    status: _Choice
    location: _Reference | None = None
    name: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    parent_device: _Reference | None = None
    virtual_chassis: _Stack | None = None
    custom_fields: msgspec.Raw = msgspec.Raw(b"null")


_glances = msgspec.json.Decoder(Glance)
_written = msgspec.json.Encoder()


class Devices(Part):
    """Assets, made only where something that they are made from is another than last time."""

    name, path, operation, fields = "rows", DEVICES, "pull devices", DEVICE_FIELDS

    async def records(self, rows: Sequence[SentRow]) -> tuple[list[Record], list[Rejected]]:
        """Assets, made at once."""
        make = partial(self._made_of, await self.lookup.hubs())
        found: tuple[list[Record], list[Rejected]] = made(rows, make, _asset)
        return found

    async def pulled(self, rows: Sequence[SentRow]) -> Read:
        """Assets that are made when they are new."""
        hubs = await self.lookup.hubs()
        deferred: list[Record | Deferred] = []
        unclear: list[SentRow] = []
        make = partial(self._made_of, hubs)
        begun = self._begun()
        for row in rows:
            seen = glance(row)
            if seen is None:
                unclear.append(row)
                continue
            place = hubs.of_device(str(seen.site.id), str(seen.location.id) if seen.location else None)
            digest = begun.copy()
            digest.update(str(place).encode())
            digest.update(_written.encode(seen))
            deferred.append(
                Deferred(
                    ref=_asset(str(seen.id)), updated_at=seen.last_updated, digest=digest.digest(), raw=row.raw,
                    make=partial(named, row, make),
                )
            )  # fmt: skip
        records, rejected = await self.records(unclear)
        return [*deferred, *records], rejected

    def _made_of(self, hubs: Hubs, row: Row) -> Record:
        return mapping.device(row, self.config.asset_states(), hubs, self.config.custom_field, self._base_url)

    def _begun(self) -> blake2b:
        """The digest of what all devices are read with."""
        read_with = [mapping.DEVICE_VERSION, self._base_url, self.config.custom_fields, self.config.asset_states()]
        return blake2b(orjson.dumps(read_with, option=orjson.OPT_SORT_KEYS), digest_size=DIGEST_BYTES)

    @property
    def _base_url(self) -> str:
        return str(self.config.base_url).rstrip("/")


class MovedLocations(Part):
    """Locations, since one that goes to another site takes its devices along and leaves their times as they are."""

    name, path, operation, fields = "locations", LOCATIONS, "pull devices", "id,last_updated"
    only_changes = True

    async def pulled(self, rows: Sequence[SentRow]) -> Read:  # noqa: ARG002 - nothing is made of them
        """Nothing."""
        return [], []

    async def below(self, rows: Sequence[SentRow]) -> AsyncGenerator[Read, None]:
        """The devices in these locations and in those below them."""
        devices = Devices(self.client, self.config, self.lookup)
        ids = [number for row in rows if (number := row_id(row)) is not None]
        async for found in self.client.by_ids(DEVICES, "location_id", ids, self.operation, DEVICE_FIELDS):
            yield await devices.pulled(found)


def glance(row: SentRow) -> Glance | None:
    """What a device's row says at first sight; None for one that has to be read in full to say what is wrong."""
    try:
        seen = _glances.decode(row.raw)
        seen.last_updated = seen.last_updated.astimezone(UTC)
    except (msgspec.DecodeError, OverflowError):
        return None
    return seen


def parts_of(stream: str, client: NetBoxClient, config: NetBoxConfig, lookup: Lookup) -> tuple[Part, ...]:
    """What a stream is read from, in this order."""
    kinds: dict[str, tuple[type[Part], ...]] = {
        "places": (Sites, HubLocations) if config.hub_tags else (Sites,),
        "device_types": (DeviceTypes,),
        "devices": (Devices, MovedLocations),
    }
    return tuple(kind(client, config, lookup) for kind in kinds[stream])


async def facts_of(stream: str, lookup: Lookup) -> str:
    """Fingerprint of what a stream's records show although their rows do not change with it."""
    if stream == "device_types":
        return await lookup.manufacturers()
    hubs = await lookup.hub_places()
    return hubs if stream == "devices" else f"{hubs} {await lookup.regions()}"


def _site_of(row: Row) -> str | None:
    site = row.get("site")
    return row_id(site) if isinstance(site, dict) else None


def _asset(external_id: str) -> SourceRef:
    return SourceRef(kind=EntityKind.ASSET, external_id=external_id)
