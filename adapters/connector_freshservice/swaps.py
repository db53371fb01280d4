"""Swaps as Freshservice is told of them: two assets, or the record of the one that failed.

There is no version to make a change conditional on: an asset is read right before it is written. The key of a swap lies
in the asset's description, the one text that assets of all types have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from connector.sdk import Conflict, Invalid, InvalidRecord, SourceRef, UnexpectedResponse
from connector.sdk.rest import ListedRow, LocationTree, SentRow, SwapRecorder
from connector.sdk.rest.swaps import OPERATION
from connector_freshservice.assets import PRODUCT, SERIAL, STATE, WARRANTY, AssetTypes, asset_ref, changed, type_fields
from connector_freshservice.client import SYSTEM, WITH_FIELDS, FreshserviceClient, number_of, plain_name
from connector_freshservice.config import FreshserviceConfig

COLUMNS = {"asset_tag": "asset_tag", "comments": "description", "location": "location_id"}
OF_TYPE = {"serial": SERIAL, "status": STATE, "device_type": PRODUCT}
NEEDED = (PRODUCT, STATE)
"""What an asset of a type of hardware must always have, so that it goes along with each change of what its type has."""


class Swaps(SwapRecorder):
    """Records swaps in one Freshservice, for the length of one call."""

    system = SYSTEM

    def __init__(
        self, client: FreshserviceClient, config: FreshserviceConfig, places: LocationTree, types: AssetTypes
    ) -> None:
        super().__init__(config)
        self._client = client
        self._settings = config
        self._places = places
        self._types = types

    async def one(self, ref: SourceRef) -> SentRow:
        """A device as it is now. Raises NotFound, also when it lies in the trash."""
        return self._seen(await self._read(ref), ref)

    async def change(self, ref: SourceRef, changes: Mapping[str, object]) -> SentRow:
        """Set fields of a device; it as it is then. Raises Invalid, NotFound, OutcomeUnknown."""
        values = self._values(await self._read(ref), changes, ref)
        await self._client.send("PUT", f"assets/{number_of(ref, OPERATION)}", values, "asset", OPERATION, ref)
        row = await self._read(ref)
        left = _left(row, values)
        if left:
            raise Invalid(
                f"record swap: {SYSTEM} took the request and left {', '.join(left)} of {ref} as it was",
                fields=left, operation=OPERATION, ref=ref,
                hint="Let the role of the hub's agent edit these fields of assets.",
            )  # fmt: skip
        return self._seen(row, ref)

    async def with_serial(self, serial: str) -> Sequence[SentRow]:
        """The devices that show this serial, as far as the search knows: what changed just now may be missing."""
        found: list[SentRow] = []
        for workspace in self._settings.workspaces or (None,):
            where = {} if workspace is None else {"workspace_id": workspace}
            rows = await self._client.search_assets(SERIAL, serial, OPERATION, where)
            found += [self._seen(row, asset_ref(row["display_id"])) for row in rows if row.get("display_id")]
        return [row for row in found if str(row.get("serial") or "").casefold() == serial.casefold()]

    async def status(self, row: SentRow) -> str:
        """The asset state."""
        return str(row.get("status") or "")

    def type_of(self, row: SentRow) -> str:
        """The product that a device is."""
        return str(row.get("device_type") or "")

    def named_type(self, external_id: str) -> object:
        """A product is written by its id."""
        return int(external_id) if external_id.isdecimal() else external_id

    async def placed(self, site: SourceRef | None, row: SentRow, position: SentRow | None) -> dict[str, Any]:
        """What has to change for a device to stand where the failed one does, if that is of the site, and in its hands.

        Whoever uses the failed device, and the department, come along; the failed device's record keeps them.
        """
        here = position.get("location") if position is not None else None
        if isinstance(here, int) and (site is None or self._places.of_location(here) == site):
            target: int | None = here
        else:
            target = int(site.external_id) if site is not None and site.external_id.isdecimal() else None
        changes: dict[str, Any] = {} if target is None or row.get("location") == target else {"location": target}
        for name in ("user_id", "department_id"):
            held = position.get(name) if position is not None else None
            if held is not None and row.get(name) != held:
                changes[name] = held
        return changes

    async def _read(self, ref: SourceRef) -> ListedRow:
        row = await self._client.one("assets", "asset", ref, OPERATION, WITH_FIELDS)
        if not self._types.is_read(row.get("asset_type_id")):
            name = self._types.names.get(row.get("asset_type_id") or 0, "another type")
            raise Conflict(
                f"record swap: {ref} is an asset of {name}, which is none of those that are read",
                operation=OPERATION, ref=ref, hint="Name its type in `asset_types`, if it is a device.",
            )  # fmt: skip
        return row

    def _seen(self, row: ListedRow, ref: SourceRef) -> SentRow:
        """A device by the names that swaps go by."""
        fields = type_fields(row)
        try:
            at = changed(row)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=OPERATION, ref=ref) from error
        view = {
            "id": ref.external_id, "name": row.get("name"), "serial": fields.get(SERIAL),
            "asset_tag": row.get("asset_tag"), "comments": row.get("description"), "status": fields.get(STATE),
            "location": row.get("location_id"), "device_type": fields.get(PRODUCT), "user_id": row.get("user_id"),
            "department_id": row.get("department_id"), "custom_fields": fields, "last_updated": at.isoformat(),
        }  # fmt: skip
        return SentRow(orjson.dumps(view))

    def _values(self, row: ListedRow, changes: Mapping[str, object], ref: SourceRef) -> dict[str, Any]:
        """Changes as an asset takes them: what its type has goes by names with the type's number. Raises Invalid."""
        told = row.get("type_fields")
        keys = {plain_name(key): key for key in told} if isinstance(told, dict) else {}
        values: dict[str, Any] = {}
        of_type: dict[str, object] = {}
        for name, value in changes.items():
            if name == "custom_fields" and isinstance(value, dict):
                of_type |= value
            elif name in OF_TYPE:
                of_type[OF_TYPE[name]] = value
            else:
                values[COLUMNS.get(name, name)] = value
        missing = [name for name in of_type if name not in keys]
        if missing:
            raise Invalid(
                f"record swap: assets of this type have no {', '.join(missing)}", operation=OPERATION, ref=ref,
                fields=dict.fromkeys(missing, "no such field"),
                hint="Add it to the asset type, or enter the swap by hand.",
            )  # fmt: skip
        if of_type and isinstance(told, dict):
            kept = {keys[name]: told[keys[name]] for name in NEEDED if name in keys and told[keys[name]] is not None}
            values["type_fields"] = kept | {keys[name]: _sent(name, value) for name, value in of_type.items()}
        return values


def _left(row: ListedRow, values: Mapping[str, Any]) -> dict[str, str]:
    """Fields that do not show what was written, whatever became of line breaks."""
    shown = {**row, **type_fields(row)}
    of_type = type_fields(values)
    wanted = {name: value for name, value in values.items() if name != "type_fields"} | of_type
    return {
        name: f"stays {shown.get(name)!r}"[:500]
        for name, value in wanted.items()
        if _words(shown.get(name)) != _words(value)
    }


def _sent(name: str, value: object) -> object:
    """A day as the time that Freshservice keeps."""
    return f"{value}T00:00:00Z" if name == WARRANTY and value is not None else value


def _words(value: object) -> list[str]:
    return [] if value is None else str(value).split()
