"""Swaps as Nautobot is told of them. It has no precondition on changes: the last word is what was read just before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.sdk import SourceRef
from connector.sdk.rest import SentRow, SwapRecorder
from connector.sdk.rest.swaps import OPERATION, OUT_OF_RACK
from connector_nautobot import mapping
from connector_nautobot.client import NautobotClient
from connector_nautobot.config import NautobotConfig
from connector_nautobot.lookup import Lookup

DEVICES = "/api/dcim/devices/"


class Swaps(SwapRecorder):
    """Records swaps in one Nautobot, for the length of one call."""

    system = "Nautobot"

    def __init__(self, client: NautobotClient, config: NautobotConfig) -> None:
        super().__init__(config)
        self._client = client
        self._lookup = Lookup(client, config)

    async def one(self, ref: SourceRef) -> SentRow:
        """A device as it is now. Raises NotFound."""
        return await self._client.one(DEVICES, ref.external_id, ref)

    async def change(self, ref: SourceRef, changes: Mapping[str, object]) -> SentRow:
        """Set fields of a device; it as it is then. Raises Invalid, NotFound, OutcomeUnknown."""
        return await self._client.change(DEVICES, ref, changes, OPERATION)

    async def with_serial(self, serial: str) -> Sequence[SentRow]:
        """The devices that show this serial."""
        return await self._client.table(DEVICES, OPERATION, [("serial", serial)])

    async def status(self, row: SentRow) -> str:
        """Name of a device's status; "" when it cannot be told."""
        status_id = mapping.reference(row, "status")
        return (await self._lookup.statuses([status_id])).get(status_id, "")

    def type_of(self, row: SentRow) -> str:
        """Identifier of a device's type."""
        return mapping.reference(row, "device_type")

    def named_type(self, external_id: str) -> object:
        """A type as Nautobot takes it."""
        return {"id": external_id}

    async def placed(self, site: SourceRef | None, row: SentRow, position: SentRow | None) -> dict[str, Any]:
        """What has to change for a device to stand at the site; in the failed one's room, if that is there."""
        target = await self._location(site, position)
        if target is None or mapping.reference(row, "location") == target:
            return {}
        return {"location": {"id": target}} | (dict(OUT_OF_RACK) if row.get("rack") is not None else {})

    async def _location(self, site: SourceRef | None, position: SentRow | None) -> str | None:
        """Where the replacement is: the failed device's room, or the site when that is elsewhere or not known."""
        here = None if position is None else mapping.reference(position, "location")
        if site is None:
            return here
        if here is not None:
            await self._lookup.learn([here])
        return here if here is not None and self._lookup.place(here) == site else site.external_id
