"""What rows depend on although they do not change with it: which places are hubs, names of regions and makers.

Kept for one call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import orjson

from connector.sdk import ConfigError, Invalid
from connector.sdk.rest import Row, SentRow, row_id
from connector_netbox.client import NetBoxClient
from connector_netbox.config import NetBoxConfig
from connector_netbox.places import Hubs

SITES, LOCATIONS = "/api/dcim/sites/", "/api/dcim/locations/"
SITE_FIELDS = (
    "id,display,name,region,facility,time_zone,physical_address,shipping_address,latitude,longitude,custom_fields,"
    "created,last_updated"
)
LOCATION_FIELDS = "id,display,name,site,facility,custom_fields,created,last_updated"
SITES_KEPT = 10_000
"""Sites of hubs that are remembered at once."""


class Lookup:
    """Answers from NetBox, asked for when first needed."""

    def __init__(self, client: NetBoxClient, config: NetBoxConfig) -> None:
        self._client = client
        self._config = config
        self._hubs: Hubs | None = None
        self._sites: dict[str, SentRow] = {}
        self.hub_rows: dict[str, SentRow] = {}
        """The locations that are hubs, once `hubs` was asked."""

    async def hubs(self) -> Hubs:
        """Which sites and locations are hubs. Raises ConfigError for a tag or group that NetBox does not have."""
        if self._hubs is None:
            sites: set[str] = set()
            for tag in self._config.hub_tags:
                sites |= _ids(await self._named(SITES, "tag", tag, "hub_tags", "id"))
                for row in await self._named(LOCATIONS, "tag", tag, "hub_tags", LOCATION_FIELDS):
                    self.hub_rows |= {key: row for key in _ids([row])}
            for group in self._config.hub_site_groups:
                sites |= _ids(await self._named(SITES, "group", group, "hub_site_groups", "id"))
            self._hubs = Hubs(frozenset(sites), await self._below())
        return self._hubs

    async def regions(self) -> str:
        """Fingerprint of the names of the regions: a renamed one leaves its sites' times as they are."""
        return fingerprint(await self._names("/api/dcim/regions/"))

    async def manufacturers(self) -> str:
        """Fingerprint of the names of the manufacturers."""
        return fingerprint(await self._names("/api/dcim/manufacturers/"))

    async def hub_places(self) -> str:
        """Fingerprint of what is a hub."""
        hubs = await self.hubs()
        return fingerprint(dict.fromkeys(hubs.sites, ""), hubs.locations)

    def remember(self, rows: Iterable[SentRow]) -> None:
        """Keep sites that were read anyway, not all that there are."""
        if len(self._sites) > SITES_KEPT:
            self._sites.clear()
        for row in rows:
            self._sites |= {key: row for key in _ids([row])}

    async def sites(self, ids: Iterable[str]) -> Mapping[str, SentRow]:
        """Sites by their ids, as far as they can be seen."""
        if len(self._sites) > SITES_KEPT:
            self._sites.clear()
        wanted = [site for site in dict.fromkeys(ids) if site not in self._sites]
        async for rows in self._client.by_ids(SITES, "id", wanted, "pull places", SITE_FIELDS):
            self._sites |= {key: row for row in rows for key in _ids([row])}
        return self._sites

    async def _below(self) -> dict[str, str]:
        """The hub of each location that is one or is below one."""
        parents: dict[str, str | None] = {}
        asked = self._client.by_ids(LOCATIONS, "ancestor_id", sorted(self.hub_rows), "look up hubs", "id,parent")
        async for rows in asked:
            for row in rows:
                parent = row.get("parent")
                parents |= {key: row_id(parent) if isinstance(parent, dict) else None for key in _ids([row])}
        found = {hub: hub for hub in self.hub_rows}
        for location in parents:
            above: str | None = location
            passed: set[str] = set()
            while above is not None and above not in self.hub_rows and above not in passed:
                passed.add(above)
                above = parents.get(above)
            if above in self.hub_rows and above is not None:
                found[location] = above
        return found

    async def _named(self, path: str, name: str, slug: str, setting: str, fields: str) -> list[SentRow]:
        try:
            return await self._client.table(path, [(name, slug)], "look up hubs", fields)
        except Invalid as error:
            raise ConfigError(
                f"{setting} names {slug!r}, and NetBox refuses it: {error.detail[:200]}",
                operation="look up hubs",
                hint=f"Create it in NetBox, or correct {setting} in the source's settings; slugs are meant, not names.",
                detail=error.detail,
            ) from error

    async def _names(self, path: str) -> dict[str, str]:
        rows = await self._client.table(path, (), f"look up {path.strip('/').rpartition('/')[2]}", "id,name")
        return {key: str(row.get("name")) for row in rows for key in _ids([row])}


def fingerprint(*tables: Mapping[str, str]) -> str:
    """Short text that differs when any id or name in the tables does."""
    content = orjson.dumps([sorted(table.items()) for table in tables])
    return hashlib.blake2b(content, digest_size=9).hexdigest()


def _ids(rows: Iterable[Row]) -> set[str]:
    return {key for row in rows if (key := row_id(row)) is not None}
