"""Swaps as NetBox is told of them: a device that somebody changed after it was read is not written over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.sdk import EntityKind, SourceRef
from connector.sdk.rest import SentRow, SwapRecorder
from connector.sdk.rest.swaps import OPERATION, OUT_OF_RACK
from connector_netbox import mapping
from connector_netbox.client import NetBoxClient, rank
from connector_netbox.config import NetBoxConfig
from connector_netbox.lookup import LOCATIONS, Lookup
from connector_netbox.places import LOCATION, maybe_reference, reference
from connector_netbox.readers import DEVICES


class Swaps(SwapRecorder):
    """Records swaps in one NetBox, for the length of one call."""

    system = "NetBox"

    def __init__(self, client: NetBoxClient, config: NetBoxConfig) -> None:
        super().__init__(config)
        self._client = client
        self._lookup = Lookup(client, config)
        self._versions: dict[SourceRef, str | None] = {}

    async def one(self, ref: SourceRef) -> SentRow:
        """A device as it is now. Raises NotFound."""
        row, self._versions[ref] = await self._client.one(DEVICES, ref, ref.external_id)
        return row

    async def change(self, ref: SourceRef, changes: Mapping[str, object]) -> SentRow:
        """Set fields of a device; it as it is then. Raises Invalid, NotFound, Conflict, OutcomeUnknown."""
        version = self._versions.get(ref)
        row, self._versions[ref] = await self._client.change(DEVICES, ref, changes, OPERATION, version)
        return row

    async def with_serial(self, serial: str) -> Sequence[SentRow]:
        """The devices that show this serial, in any case."""
        return await self._client.table(DEVICES, [("serial", serial)], OPERATION, "id,name,serial")

    async def status(self, row: SentRow) -> str:
        """Value of a device's status."""
        return mapping.choice(row, "status")

    def type_of(self, row: SentRow) -> str:
        """Identifier of a device's type."""
        return reference(row, "device_type")

    def named_type(self, external_id: str) -> object:
        """A type as NetBox takes it."""
        return rank(external_id)

    async def placed(self, site: SourceRef | None, row: SentRow, position: SentRow | None) -> dict[str, Any]:
        """What has to change for a device to stand at the site; in the failed one's room, if that is there.

        NetBox refuses a location or rack of another site, so that these go together.
        """
        target = await self._target(site, position)
        if target is None:
            return {}
        here = (reference(row, "site"), maybe_reference(row, "location"))
        changes: dict[str, Any] = {
            name: None if wanted is None else rank(wanted)
            for name, wanted, shown in zip(("site", "location"), target, here, strict=True)
            if wanted != shown
        }
        return changes | (dict(OUT_OF_RACK) if changes and row.get("rack") is not None else {})

    async def _target(self, site: SourceRef | None, position: SentRow | None) -> tuple[str, str | None] | None:
        """Site and location where the replacement is: the failed device's, or the site's own when that is elsewhere."""
        here = None if position is None else (reference(position, "site"), maybe_reference(position, "location"))
        if site is None or (here is not None and (await self._lookup.hubs()).of_device(*here) == site):
            return here
        if site.kind is EntityKind.HUB and site.external_id.startswith(LOCATION):
            location = site.external_id.removeprefix(LOCATION)
            found, _ = await self._client.one(LOCATIONS, site, location, "id,site")
            return reference(found, "site"), location
        return site.external_id, None
