"""Swaps as ServiceNow is told of them: in hardware assets, or in configuration items, there also through its engine of
identification and reconciliation.

The Table API has no version to make a change conditional on: what somebody changes between reading and writing, which
is one request, is written over in the columns that a swap is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from connector.sdk import Conflict, EntityKind, Invalid, InvalidRecord, NotFound, SourceRef, UnexpectedResponse
from connector.sdk.rest import SentRow, SwapRecorder
from connector.sdk.rest.swaps import OPERATION
from connector_servicenow.client import ServiceNowClient
from connector_servicenow.columns import device_columns, model_column
from connector_servicenow.config import ServiceNowConfig
from connector_servicenow.mapping import device_view
from connector_servicenow.query import is_sys_id

LONGEST_COMMENTS = 4000
"""Characters of the column `comments`, beyond which ServiceNow cuts it off."""


class Swaps(SwapRecorder):
    """Records swaps in one instance, for the length of one call."""

    system = "ServiceNow"

    def __init__(self, client: ServiceNowClient, config: ServiceNowConfig) -> None:
        super().__init__(config)
        self._client = client
        self._settings = config
        self._fields = device_columns(config)

    async def one(self, ref: SourceRef) -> SentRow:
        """A device as it is now. Raises NotFound."""
        table, found = self._settings.device_table, list[SentRow]()
        if is_sys_id(ref.external_id):
            found = await self._client.find(table, "sys_id", ref.external_id, self._fields, OPERATION)
        if not found:
            raise NotFound(f"there is no {ref} in {table}, or it is hidden", operation=OPERATION, ref=ref)
        return self._seen(found[0], ref)

    async def change(self, ref: SourceRef, changes: Mapping[str, object]) -> SentRow:
        """Set fields of a device; it as it is then. Raises Invalid, NotFound, Conflict, OutcomeUnknown."""
        values = self._columns(changes)
        if self._settings.write_through == "reconcile":
            await self._reconcile(ref, values)
            row = await self._raw(ref)
        else:
            row = await self._client.write(self._settings.device_table, ref, values, self._fields, OPERATION)
        left = {
            column: f"stays {row.get(column)!r}" for column, text in values.items() if not _holds(row, column, text)
        }
        if left:
            raise Invalid(
                f"record swap: ServiceNow does not take {', '.join(left)} of {ref}",
                fields=left,
                operation=OPERATION,
                ref=ref,
                hint="Let the hub's user write these columns; with reconcile, let the reconciliation rules of the "
                "class take them from data_source.",
            )
        return self._seen(row, ref)

    async def with_serial(self, serial: str) -> Sequence[SentRow]:
        """The devices that show this serial, in any case."""
        fields = ("sys_id", "sys_updated_on", "display_name", "name", "serial_number")
        return await self._client.find(self._settings.device_table, "serial_number", serial, fields, OPERATION)

    async def status(self, row: SentRow) -> str:
        """`install_status` with the substatus that counts."""
        return str(row.get("status") or "")

    def type_of(self, row: SentRow) -> str:
        """Identifier of a device's model."""
        return str(row.get("device_type") or "")

    def named_type(self, external_id: str) -> object:
        """A model is written by its identifier."""
        return external_id

    async def placed(self, site: SourceRef | None, row: SentRow, position: SentRow | None) -> dict[str, Any]:
        """What has to change for a device to stand at the site, in no stockroom; where the failed one is, without."""
        if site is None and position is None:
            return {}
        here = position if site is None else None
        location, stockroom = (here.get("location"), here.get("stockroom")) if here else (None, None)
        if site is not None:
            location = site.external_id if site.kind is EntityKind.SITE else row.get("location")
            stockroom = site.external_id if site.kind is EntityKind.HUB else None
        wanted = {"location": location, "stockroom": stockroom}
        return {name: told for name, told in wanted.items() if (row.get(name) or None) != (told or None)}

    def _seen(self, row: SentRow, ref: SourceRef) -> SentRow:
        try:
            return SentRow(orjson.dumps(device_view(row, self._settings)))
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=OPERATION, ref=ref, hint=error.hint) from error

    def _columns(self, changes: Mapping[str, object]) -> dict[str, str]:
        """Changes by the columns of the table; one that is taken away is written as ""."""
        values: dict[str, object] = {}
        for name, told in changes.items():
            if name == "custom_fields" and isinstance(told, dict):
                values |= told
            elif name == "status":
                values["install_status"], _, substatus = str(told).partition("/")
                if self._settings.device_table == "alm_hardware":
                    values["substatus"] = substatus
            elif name == "comments":
                values[name] = _within(str(told))
            else:
                column = {"serial": "serial_number", "device_type": model_column(self._settings)}.get(name, name)
                values[column] = told
        if self._settings.device_table == "cmdb_ci_hardware":
            values.pop("stockroom", None)  # configuration items are in none
        return {column: "" if told is None else str(told) for column, told in values.items()}

    async def _raw(self, ref: SourceRef) -> SentRow:
        found = await self._client.find(
            self._settings.device_table, "sys_id", ref.external_id, self._fields, OPERATION
        )  # fmt: skip
        if not found:
            raise NotFound(f"{ref} is gone", operation=OPERATION, ref=ref)
        return found[0]

    async def _reconcile(self, ref: SourceRef, values: Mapping[str, str]) -> None:
        """Have the engine write; only after it said that it takes the record for the one that is meant.

        It finds records by its own rules, by serial first: another serial may be a new record to it, which would be a
        duplicate. Raises Conflict, Invalid.
        """
        class_name = _text(await self._raw(ref), "sys_class_name") or self._settings.device_table
        item = {"className": class_name, "values": {"sys_id": ref.external_id, **values}}
        for simulate in (True, False):
            told = await self._client.reconcile(
                item, values, OPERATION, ref, source=self._settings.data_source, simulate=simulate
            )
            errors = told.get("errors")
            if isinstance(errors, list) and errors:
                said = "; ".join(str(each.get("message") or each) if isinstance(each, dict) else str(each)
                                 for each in errors)[:500]  # fmt: skip
                raise Invalid(
                    f"record swap: identification and reconciliation refuses {ref}: {said}",
                    fields=dict.fromkeys(values, said),
                    operation=OPERATION,
                    ref=ref,
                )
            if told.get("sysId") != ref.external_id or told.get("operation") == "INSERT":
                raise Conflict(
                    f"record swap: identification takes {ref} for {told.get('sysId')!r}, to {told.get('operation')} it",
                    operation=OPERATION,
                    ref=ref,
                    hint='Correct the identification rules of its class, or set write_through = "table".',
                )


def _text(row: SentRow, column: str) -> str:
    told = row.get(column)
    return "" if told is None else str(told)


def _holds(row: SentRow, column: str, wanted: str) -> bool:
    """Whether a column shows what was written, whatever became of line breaks and capitals."""
    return _text(row, column).casefold().split() == wanted.casefold().split()


def _within(text: str) -> str:
    """As much of the comments as is kept, the latest lines."""
    while len(text) > LONGEST_COMMENTS and "\n" in text:
        text = text.partition("\n")[2]
    return text[-LONGEST_COMMENTS:]
