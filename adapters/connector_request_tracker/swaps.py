"""Swaps as Request Tracker's assets are told of them: custom fields that say what stands where, and statuses.

An asset has no field for a text that grows, and a transaction cannot carry a key, so that a swap that was recorded is
told by what the assets show. A change carries the ETag of what was read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from connector.sdk import (
    EntityKind,
    Invalid,
    InvalidRecord,
    ProductKey,
    RecordSwap,
    SourceRef,
    SwapReceipt,
    UnexpectedResponse,
)
from connector.sdk.cursors import read_instant
from connector.sdk.rest import SentRow, SwapRecorder
from connector.sdk.rest.swaps import OPERATION
from connector_request_tracker.asset_mapping import ASSET_FIELDS, asset_record, asset_ref, place_ref
from connector_request_tracker.assets import AssetReader
from connector_request_tracker.client import BY_ID, Found, RequestTrackerClient
from connector_request_tracker.config import RequestTrackerConfig
from connector_request_tracker.mapping import field_of, values_of


class Swaps(SwapRecorder):
    """Records swaps in one Request Tracker, for the length of one call."""

    system = "Request Tracker"

    def __init__(self, client: RequestTrackerClient, reader: AssetReader, config: RequestTrackerConfig) -> None:
        super().__init__(config.swaps())
        self._client = client
        self._reader = reader
        self._settings = config
        self._read: dict[str, Found] = {}

    async def record(self, op: RecordSwap) -> SwapReceipt:
        """Record a swap once. Raises Invalid, NotFound, Conflict, ConfigError, OutcomeUnknown."""
        return await super().record(_with_product(op))

    async def find(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt, when the assets show the swap already."""
        return await super().find(_with_product(op))

    async def one(self, ref: SourceRef) -> SentRow:
        """An asset as it is now. Raises NotFound when it is gone, or in none of the catalogs."""
        await self._reader.one(ref)
        found = await self._client.asset(ref, OPERATION)
        self._read[ref.external_id] = found
        return self._view(found.body, ref)

    async def change(self, ref: SourceRef, changes: Mapping[str, object]) -> SentRow:
        """Set fields of an asset; it as it is then. Raises Invalid naming the field, Conflict when it changed since."""
        before = self._read[ref.external_id]
        fields = self._fields(ref, changes, set(values_of(before.body)))
        body: dict[str, object] = {"CustomFields": {name: value or [] for name, value in fields.items()}}
        if not fields:
            body = {}
        if "status" in changes:
            body["Status"] = changes["status"]
        if not body:
            return self._view(before.body, ref)
        said = await self._client.update_asset(ref, body, before.etag, OPERATION)
        row = await self.one(ref)
        now = self._read[ref.external_id].body
        there = values_of(now)
        left = {name for name, value in fields.items() if there.get(name, ()) != tuple(filter(None, [value]))}
        if "status" in changes and str(now.get("Status")).casefold() != str(changes["status"]).casefold():
            left.add("Status")
        if left:
            raise Invalid(
                f"record swap: Request Tracker took the request and left {', '.join(sorted(left))} of {ref} as it was: "
                f"{' '.join(said) or 'no reason given'}",
                fields={name: " ".join(said) or "it stays as it was" for name in left}, operation=OPERATION, ref=ref,
                hint="Check the lifecycle of the catalog, the fields' values, and the rights ModifyAsset and "
                "ModifyCustomField.",
            )  # fmt: skip
        return row

    async def with_serial(self, serial: str) -> Sequence[SentRow]:
        """The assets of the catalogs that show this serial; a field that cannot be searched would find everything."""
        name = self._settings.serial_field
        if name is None:
            return []
        where = [*await self._reader.catalogs(), (f"CustomField.{{{name}}}", "=", serial)]
        items = await self._client.assets(where, fields=ASSET_FIELDS, per_page=self._settings.page_size, order=BY_ID)
        rows = [self._view(item, asset_ref(item.get("id", "?"))) for item in items if isinstance(item, dict)]
        return [row for row in rows if str(row.get("serial") or "").casefold() == serial.casefold()]

    async def status(self, row: SentRow) -> str:
        """An asset's status."""
        return str(row.get("status") or "")

    def type_of(self, row: SentRow) -> str:
        """Maker, model and part number, which are fields of the asset itself."""
        return str(row.get("device_type") or "")

    def named_type(self, external_id: str) -> object:
        """The same."""
        return external_id

    def version(self, row: SentRow) -> datetime | None:
        """When the asset changed last."""
        told = row.get("last_updated")
        return read_instant(told) if isinstance(told, str) else None

    async def placed(self, site: SourceRef | None, row: SentRow, position: SentRow | None) -> dict[str, Any]:
        """The place of the failed asset, if it is the ticket's site, else that site by its name in the settings."""
        here = "" if position is None else str(position.get("site") or "")
        if not here or (site is not None and place_ref(here, self._settings) != site):
            named = {place_ref(name, self._settings): name.strip() for name in self._settings.places}
            here = "" if site is None else named.get(site, "")
        return {} if not here or _folded(row.get("site")) == _folded(here) else {"site": here}

    def _fields(self, ref: SourceRef, changes: Mapping[str, object], there: set[str]) -> dict[str, str]:
        """What is written into which custom field. Raises Invalid for one that the asset does not have."""
        config = self._settings
        wanted: dict[str | None, object] = {}
        if "device_type" in changes:
            key = json.loads(str(changes["device_type"]))
            wanted |= dict(zip((config.manufacturer_field, config.model_field), key, strict=False))
            if config.part_number_field in there:
                wanted[config.part_number_field] = key[2]
        names = {"serial": config.serial_field, "asset_tag": config.asset_tag_field, "site": config.site_field}
        wanted |= {theirs: changes[ours] for ours, theirs in names.items() if ours in changes}
        missing = sorted(str(name) for name in wanted if name not in there)
        if missing:
            raise Invalid(
                f"record swap: {ref} has no custom field {', '.join(map(repr, missing))}, or the token's user may not "
                "see it",
                fields={name: "the asset has no such field" for name in missing}, operation=OPERATION, ref=ref,
                hint="Apply the field to the catalog, or name another one in this source's settings.",
            )  # fmt: skip
        return {str(name): str(value or "").strip() for name, value in wanted.items()}

    def _view(self, body: Mapping[str, Any], ref: SourceRef) -> SentRow:
        """An asset by the names that swaps go by."""
        config = self._settings
        try:
            record = asset_record({**body, "id": body.get("id")}, config)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=OPERATION, ref=ref, hint=error.hint) from error
        fields = {name.casefold(): values for name, values in values_of(body).items()}
        product = [field_of(fields, name) for name in _product_fields(config)]
        view = {
            "id": ref.external_id, "name": record.name, "serial": record.serial, "asset_tag": record.asset_tag,
            "status": body.get("Status"), "site": field_of(fields, config.site_field),
            "device_type": _encoded(*product), "last_updated": body.get("LastUpdated"),
        }  # fmt: skip
        return SentRow(orjson.dumps(view))


def _product_fields(config: RequestTrackerConfig) -> tuple[str | None, str | None, str | None]:
    return config.manufacturer_field, config.model_field, config.part_number_field


def _with_product(op: RecordSwap) -> RecordSwap:
    """The swap with its product as this adapter calls it: Request Tracker has no list of products."""
    key: ProductKey = op.product
    told = _encoded(key.manufacturer, key.model, key.part_number)
    return replace(op, product_ref=SourceRef(kind=EntityKind.PRODUCT, external_id=told))


def _encoded(maker: str | None, model: str | None, part_number: str | None) -> str:
    return json.dumps([maker, model, part_number])


def _folded(text: object) -> str:
    return str(text or "").strip().casefold()
