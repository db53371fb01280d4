"""Swaps as iTop is told of them: two devices, which may be of two classes, or the record of the one that failed.

A change names the device by a query with the serial number and status that were read, so iTop refuses it where
somebody was faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from connector.sdk import EntityKind, Invalid, InvalidRecord, NotFound, SourceRef, UnexpectedResponse
from connector.sdk.rest import ListedRow, LocationTree, SentRow, SwapRecorder
from connector.sdk.rest.swaps import OPERATION
from connector_itop.client import Rest
from connector_itop.config import ItopConfig
from connector_itop.mapping import number_of, ref_of
from connector_itop.pulling import Reader
from connector_itop.rows import DEVICE, Device, read_row
from connector_itop.values import quoted
from connector_itop.words import DEVICE_ROOT, SYSTEM

ATTRIBUTES = {
    "serial": "serialnumber", "asset_tag": "asset_number", "comments": "description", "location": "location_id",
    "status": "status", "device_type": "model_id",
}  # fmt: skip


class Swaps(SwapRecorder):
    """Records swaps in one iTop, for the length of one call. key: of the operation, for the history."""

    system = SYSTEM

    def __init__(self, rest: Rest, reader: Reader, config: ItopConfig, places: LocationTree, comment: str) -> None:
        super().__init__(config)
        self._rest = rest
        self._reader = reader
        self._settings = config
        self._places = places
        self._comment = comment
        self._read: dict[str, Device] = {}

    async def one(self, ref: SourceRef) -> SentRow:
        """A device as it is now. Raises NotFound."""
        number = number_of(ref)
        rows = [] if number is None else await self._reader.devices([number], OPERATION, whole=False)
        if not rows:
            raise NotFound(f"{ref} is no device of {SYSTEM}", operation=OPERATION, ref=ref)
        return self._seen(rows[0], ref)

    async def change(self, ref: SourceRef, changes: Mapping[str, object]) -> SentRow:
        """Set attributes of a device; it as it is then. Raises Invalid, NotFound, Conflict, OutcomeUnknown."""
        if ref.external_id not in self._read:
            await self.one(ref)
        before = self._read[ref.external_id]
        values = {ATTRIBUTES[name]: "" if told is None else told for name, told in changes.items()}
        if "model_id" in values:
            values |= await self._brand(int(str(values["model_id"])), ref)
        seen = {"serialnumber": before.serialnumber, "status": before.status}
        unchanged = "".join(f" AND {name} = {quoted(value)}" for name, value in seen.items() if value)
        key = f"SELECT {before.finalclass} WHERE id = {before.id}{unchanged}"
        await self._rest.update(before.finalclass, key, values, self._comment, OPERATION, ref)
        row = await self.one(ref)
        left = self._left(self._read[ref.external_id], values)
        if left:
            raise Invalid(
                f"record swap: {SYSTEM} took the request and left {', '.join(left)} of {ref} as it was",
                fields=left, operation=OPERATION, ref=ref,
                hint="Look at read-only attributes of the device, and at synchronisations that own them.",
            )  # fmt: skip
        return row

    async def with_serial(self, serial: str) -> Sequence[SentRow]:
        """The devices of all classes that show this serial."""
        where = f"serialnumber = {quoted(serial)}"
        found = await self._rest.find(DEVICE_ROOT, where, DEVICE, OPERATION, limit=2)
        return [self._seen(row, ref_of(EntityKind.ASSET, row["id"])) for row in found.rows]

    async def status(self, row: SentRow) -> str:
        """The code of a device's status."""
        return str(row.get("status") or "")

    def type_of(self, row: SentRow) -> str:
        """The model that a device is."""
        return str(row.get("device_type") or "")

    def named_type(self, external_id: str) -> object:
        """A model by its id."""
        return external_id

    def version(self, row: SentRow) -> datetime | None:  # noqa: ARG002 - of no device
        """None: a device does not say when it changed."""
        return None

    async def placed(self, site: SourceRef | None, row: SentRow, position: SentRow | None) -> dict[str, Any]:
        """What has to change for a device to stand at the site: where the failed one is, if that is of the site."""
        here = position.get("location") if position is not None else None
        if isinstance(here, int) and (site is None or self._places.of_location(here) == site):
            target: int | None = here
        else:
            target = number_of(site) if site is not None else None
        return {} if target is None or row.get("location") == target else {"location": target}

    def _seen(self, row: ListedRow, ref: SourceRef) -> SentRow:
        """A device by the names that swaps go by. iTop has no version of it."""
        device = self._device(row, ref)
        self._read[ref.external_id] = device
        view = {
            "id": ref.external_id, "name": device.name, "serial": device.serialnumber,
            "asset_tag": device.asset_number, "comments": device.description, "status": device.status,
            "location": device.location_id, "device_type": str(device.model_id or ""),
        }  # fmt: skip
        return SentRow(orjson.dumps(view))

    def _device(self, row: ListedRow, ref: SourceRef) -> Device:
        try:
            return read_row(Device, row, "device", self._settings)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=OPERATION, ref=ref, hint=error.hint) from error

    async def _brand(self, model: int, ref: SourceRef) -> dict[str, object]:
        """The brand that a model is of: a device has both. Raises Invalid."""
        found = await self._rest.find("Model", f"id = {model}", ("brand_id",), OPERATION, limit=1)
        if not found.rows:
            raise Invalid(
                f"record swap: {SYSTEM} has no model {model}", operation=OPERATION, ref=ref,
                fields={"model_id": f"there is no model {model}"},
                hint="Pull the models of this source again, or enter the swap by hand.",
            )  # fmt: skip
        return {"brand_id": found.rows[0].get("brand_id")}

    @staticmethod
    def _left(device: Device, values: Mapping[str, object]) -> dict[str, str]:
        """Attributes that do not show what was written, whatever became of line breaks."""
        shown = device.model_dump()
        return {
            name: f"stays {shown[name]!r}"[:500]
            for name, wanted in values.items()
            if str(shown[name] or "").split() != str(wanted or "").split()
        }
