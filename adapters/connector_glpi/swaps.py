"""Swaps as GLPI is told of them: two devices, which may be of two types, or the record of the one that failed.

GLPI has no version to make a change conditional on: what somebody changes between reading and writing, which is one
request, is written over in the columns that a swap is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from connector.sdk import Invalid, InvalidRecord, NotFound, SourceRef, UnexpectedResponse
from connector.sdk.rest import ListedRow, LocationTree, SentRow, SwapRecorder
from connector.sdk.rest.swaps import OPERATION
from connector_glpi.api import SYSTEM, Api
from connector_glpi.config import GlpiConfig
from connector_glpi.mapping import asset_ref, changed, product_of, read_asset_ref, read_product_ref
from connector_glpi.names import Statuses
from connector_glpi.rows import Device, read_row
from connector_glpi.values import decoded
from connector_glpi.words import MODEL_COLUMNS, DeviceType

COLUMNS = {"serial": "serial", "asset_tag": "otherserial", "comments": "comment", "location": "locations_id"}


class Swaps(SwapRecorder):
    """Records swaps in one GLPI, for the length of one call."""

    system = SYSTEM

    def __init__(self, api: Api, config: GlpiConfig, places: LocationTree, statuses: Statuses) -> None:
        super().__init__(config)
        self._api = api
        self._settings = config
        self._places = places
        self._statuses = statuses

    async def one(self, ref: SourceRef) -> SentRow:
        """A device as it is now. Raises NotFound, also when it lies in the bin."""
        kind, number = self._known(ref)
        row = await self._api.one(kind, number, ref, OPERATION)
        if row.get("is_deleted"):
            raise NotFound(f"{ref} lies in the bin of {SYSTEM}", operation=OPERATION, ref=ref)
        return self._seen(kind, row, ref)

    async def change(self, ref: SourceRef, changes: Mapping[str, object]) -> SentRow:
        """Set fields of a device; it as it is then. Raises Invalid, NotFound, OutcomeUnknown."""
        kind, number = self._known(ref)
        values = self._values(kind, changes, ref)
        await self._api.change(kind, number, values, ref, OPERATION)
        row = await self._api.one(kind, number, ref, OPERATION)
        left = self._left(kind, row, values, ref)
        if left:
            raise Invalid(
                f"record swap: {SYSTEM} took the request and left {', '.join(left)} of {ref} as it was",
                fields=left, operation=OPERATION, ref=ref,
                hint="Let the profile of the hub's user change devices, and look at rules and locked fields there.",
            )  # fmt: skip
        return self._seen(kind, row, ref)

    async def with_serial(self, serial: str) -> Sequence[SentRow]:
        """The devices of all types that show this serial."""
        found: list[SentRow] = []
        for kind in self._settings.device_types:
            rows = await self._api.with_serial(kind, serial, OPERATION)
            found += [self._seen(kind, row, asset_ref(kind, row["id"])) for row in rows]
        return found

    async def status(self, row: SentRow) -> str:
        """The name of a device's status, or its whole name."""
        return str(row.get("status") or "")

    def type_of(self, row: SentRow) -> str:
        """The product that a device is."""
        return str(row.get("device_type") or "")

    def named_type(self, external_id: str) -> object:
        """A product is written by its parts."""
        return external_id

    async def placed(self, site: SourceRef | None, row: SentRow, position: SentRow | None) -> dict[str, Any]:
        """What has to change for a device to stand at the site: where the failed one is, if that is of the site."""
        here = position.get("location") if position is not None else None
        if isinstance(here, int) and (site is None or self._places.of_location(here) == site):
            target: int | None = here
        else:
            target = int(site.external_id) if site is not None and site.external_id.isdecimal() else None
        return {} if target is None or row.get("location") == target else {"location": target}

    def _known(self, ref: SourceRef) -> tuple[DeviceType, int]:
        known = read_asset_ref(ref)
        if known is None:
            raise NotFound(f"{ref} is no device of {SYSTEM}", operation=OPERATION, ref=ref)
        return known

    def _seen(self, kind: DeviceType, row: ListedRow, ref: SourceRef) -> SentRow:
        """A device by the names that swaps go by."""
        device = self._device(kind, row, ref)
        product = product_of(device, kind)
        view = {
            "id": ref.external_id, "name": device.name, "serial": device.serial, "asset_tag": device.otherserial,
            "comments": device.comment, "status": self._statuses.name_of(device.state), "location": device.location,
            "device_type": product.external_id if product else None, "last_updated": changed(device).isoformat(),
        }  # fmt: skip
        return SentRow(orjson.dumps(view))

    def _device(self, kind: DeviceType, row: ListedRow, ref: SourceRef) -> Device:
        try:
            return read_row(Device, row, kind, self._settings.time_zone)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=OPERATION, ref=ref, hint=error.hint) from error

    def _values(self, kind: DeviceType, changes: Mapping[str, object], ref: SourceRef) -> dict[str, object]:
        """Changes by the columns of the device's type. Raises ConfigError, Invalid."""
        values: dict[str, object] = {}
        for name, told in changes.items():
            if name == "status":
                values["states_id"] = self._statuses.id_of(str(told), OPERATION)
            elif name == "device_type":
                values |= self._product(kind, str(told), ref)
            else:
                values[COLUMNS[name]] = "" if told is None else told
        return values

    @staticmethod
    def _product(kind: DeviceType, external_id: str, ref: SourceRef) -> dict[str, object]:
        ids = read_product_ref(SourceRef(kind=ref.kind, external_id=external_id))
        if ids is None or ids.kind != kind:
            raise Invalid(
                f"record swap: {external_id} is no model of a {kind}", operation=OPERATION, ref=ref,
                fields={MODEL_COLUMNS[kind]: f"{external_id} is of another type"},
                hint="A record cannot become one of another type: add the replacement there by hand.",
            )  # fmt: skip
        return {MODEL_COLUMNS[kind]: ids.model, "manufacturers_id": ids.maker}

    def _left(self, kind: DeviceType, row: ListedRow, values: Mapping[str, object], ref: SourceRef) -> dict[str, str]:
        """Columns that do not show what was written, whatever became of line breaks."""
        device = self._device(kind, row, ref)
        shown: dict[str, object] = {
            "serial": device.serial, "otherserial": device.otherserial, "comment": device.comment,
            "locations_id": device.location, "states_id": device.state, MODEL_COLUMNS[kind]: device.model,
            "manufacturers_id": device.manufacturer,
        }  # fmt: skip
        return {
            name: f"stays {shown[name]!r}"[:500]
            for name, wanted in values.items()
            if decoded(str(shown[name] or "")).split() != str(wanted or "").split()
        }
