"""Swaps as a list of devices is told of them: two devices change their places, or one its serial.

A device is read, what it must not show is refused, and only what differs is written. The last change of a swap carries
the operation's key in the device's comments, which says that all is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from connector.model.lifecycle import AssetState
from connector.model.refs import EntityKind, SourceRef
from connector.sdk.errors import ConfigError, Conflict, Invalid
from connector.sdk.rest.config import SwapsConfig
from connector.sdk.rest.fields import last_updated
from connector.sdk.rest.rows import SentRow, row_id
from connector.sdk.swapping import RecordSwap, SwapReceipt

OPERATION = "record swap"
OUT_OF_RACK: Mapping[str, object] = {"rack": None, "position": None, "face": ""}
"""What a device that goes to another location must not keep: a rack belongs to one location."""
PAST_THE_RETURN = frozenset(
    {AssetState.INSPECTION, AssetState.REPAIR, AssetState.VENDOR_RETURN, AssetState.RETIRED, AssetState.DISPOSED}
)
"""A failed device in one of these is left as it is: somebody has dealt with it already."""


def require_write_back(config: SwapsConfig) -> None:
    """Refuse to change devices where the settings do not allow it. Raises ConfigError."""
    if not config.write_back:
        raise ConfigError(
            "record swap: the settings of this source do not allow it to change devices",
            operation=OPERATION,
            hint="Set write_back = true in the source's settings, with a token that may change devices.",
        )


class SwapRecorder(ABC):
    """Records swaps in one system, for the length of one call."""

    system: ClassVar[str]
    """What people call it."""

    def __init__(self, config: SwapsConfig) -> None:
        self._config = config
        self._states = config.asset_states()

    @abstractmethod
    async def one(self, ref: SourceRef) -> SentRow:
        """A device as it is now. Raises NotFound."""

    @abstractmethod
    async def change(self, ref: SourceRef, changes: Mapping[str, object]) -> SentRow:
        """Set fields of a device; it as it is then. Raises Invalid, NotFound, Conflict, OutcomeUnknown."""

    @abstractmethod
    async def with_serial(self, serial: str) -> Sequence[SentRow]:
        """The devices that show this serial."""

    @abstractmethod
    async def status(self, row: SentRow) -> str:
        """A device's status as the settings name it; "" when it cannot be told."""

    @abstractmethod
    def type_of(self, row: SentRow) -> str:
        """Identifier of a device's type."""

    @abstractmethod
    def named_type(self, external_id: str) -> object:
        """How a device's type is written."""

    @abstractmethod
    async def placed(self, site: SourceRef | None, row: SentRow, position: SentRow | None) -> dict[str, Any]:
        """What has to change for a device to stand at the site; where `position` is, if that is there."""

    def version(self, row: SentRow) -> datetime | None:
        """When a device changed last; None where the system does not keep that."""
        return last_updated(row)

    async def record(self, op: RecordSwap) -> SwapReceipt:
        """Record a swap once. Raises Invalid, NotFound, Conflict, ConfigError, OutcomeUnknown."""
        require_write_back(self._config)
        row = await self.one(op.record)
        if _is_marked(row, op):
            return await self._receipt(op, row)
        if op.replacement is None:
            await self._require_unknown(op, row)
            changes = await self._renewed(op, row)
            done = f"serial {_shown(op.failed_serial or row.get('serial'))} replaced by {op.serial}"
        else:
            failed = await self._failed(op)
            changes = await self._moved(op, row, failed)
            done = f"put in place of {_shown(op.failed_serial)}"
            if failed is not None:
                await self._retire(op, failed)
        if changes:
            changes["comments"] = _noted(row, f"Ticket {op.reference}: {done} [connector:{op.key}]")
            row = await self.change(op.record, changes)
        return await self._receipt(op, row)

    async def find(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt, when the records show the swap already."""
        row = await self.one(op.record)
        return await self._receipt(op, row) if _is_marked(row, op) or await self._is_shown(op, row) else None

    async def _receipt(self, op: RecordSwap, row: SentRow) -> SwapReceipt:
        failed = None if op.replacement is None else await self._failed(op)
        receipt = SwapReceipt(op.key, op.record, updated_at=self.version(row))
        if failed is None:
            return receipt
        state = self._states.get((await self.status(failed)).casefold())
        return replace(receipt, failed_state=state, failed_updated_at=self.version(failed))

    async def _is_shown(self, op: RecordSwap, row: SentRow) -> bool:
        """Whether the devices show the swap without this hub's mark: somebody has entered it."""
        if op.replacement is None:
            return _same(row.get("serial"), op.serial) and not await self._renewed(op, row)
        if not _same(row.get("serial"), op.serial):
            return False
        failed = await self._failed(op)
        is_away = failed is None or await self._is_away(failed)
        return is_away and not await self._moved(op, row, failed)

    async def _failed(self, op: RecordSwap) -> SentRow | None:
        return None if op.failed is None else await self.one(op.failed)

    async def _retire(self, op: RecordSwap, row: SentRow) -> None:
        if op.failed is None or await self._is_away(row):
            return
        self._require_serial(op.failed, row, op.failed_serial)
        note = f"Ticket {op.reference}: replaced by {_shown(op.serial)}"
        changes = {"status": self._config.failed_status, "comments": _noted(row, note)}
        await self.change(op.failed, changes)

    async def _moved(self, op: RecordSwap, row: SentRow, failed: SentRow | None) -> dict[str, Any]:
        """What of the replacement's own record is not yet as it should be. Raises Conflict."""
        self._require_serial(op.record, row, op.serial)
        changes: dict[str, Any] = {}
        if op.serial and not row.get("serial"):
            changes["serial"] = op.serial
        if op.asset_tag and not _same(row.get("asset_tag"), op.asset_tag):
            changes["asset_tag"] = op.asset_tag
        return changes | await self._in_use(op, row, failed)

    async def _renewed(self, op: RecordSwap, row: SentRow) -> dict[str, Any]:
        """What of the failed device's record does not show the replacement yet. Raises Conflict, Invalid."""
        if not _same(row.get("serial"), op.serial):
            self._require_serial(op.record, row, op.failed_serial)
        if op.product_ref is None:
            name = f"{op.product.manufacturer} {op.product.model}"
            raise Invalid(
                f"record swap: no device type of {self.system} is known to be {name!r}",
                fields={"device_type": f"there is none for {name}"},
                operation=OPERATION,
                ref=op.record,
                hint="Create the device type there, or enter the swap by hand.",
            )
        changes: dict[str, Any] = {}
        if not _same(row.get("serial"), op.serial):
            changes["serial"] = op.serial
        if not _same(row.get("asset_tag"), op.asset_tag):
            changes["asset_tag"] = op.asset_tag
        if self.type_of(row) != op.product_ref.external_id:
            changes["device_type"] = self.named_type(op.product_ref.external_id)
        return changes | self._of_the_unit(op, row) | await self._in_use(op, row, row)

    def _of_the_unit(self, op: RecordSwap, row: SentRow) -> dict[str, Any]:
        """Custom fields that go with the unit and not with the position, where the system has them."""
        fields = row.get("custom_fields")
        known: Mapping[str, object] = fields if isinstance(fields, dict) else {}
        ends_on = None if op.warranty_ends_on is None else op.warranty_ends_on.isoformat()
        wanted = {"revision": op.revision, "warranty_ends_on": ends_on}
        keys = {self._config.custom_field(name): value for name, value in wanted.items()}
        changed = {key: value for key, value in keys.items() if key in known and known[key] != value}
        return {"custom_fields": changed} if changed else {}

    async def _in_use(self, op: RecordSwap, row: SentRow, position: SentRow | None) -> dict[str, Any]:
        """What has to change for a device to be in use at the site; where the failed one is, if that is there."""
        changes: dict[str, Any] = {}
        if not await self._has_status(row, self._config.in_use_status):
            changes["status"] = self._config.in_use_status
        return changes | await self.placed(op.site, row, position)

    async def _is_away(self, row: SentRow) -> bool:
        """Whether a failed device has the status that it is to get, or is past that already."""
        name = await self.status(row)
        is_past = self._states.get(name.casefold()) in PAST_THE_RETURN
        return is_past or name.casefold() == self._config.failed_status.casefold()

    async def _has_status(self, row: SentRow, name: str) -> bool:
        return (await self.status(row)).casefold() == name.casefold()

    async def _require_unknown(self, op: RecordSwap, row: SentRow) -> None:
        """Refuse to give a serial to one device that another has already. Raises Conflict."""
        if op.serial is None or _same(row.get("serial"), op.serial):
            return
        others = await self.with_serial(op.serial)
        if others:
            name = others[0].get("name") or others[0].get("id")
            raise Conflict(
                f"record swap: device {name!r} of {self.system} has serial {op.serial!r} already",
                operation=OPERATION,
                ref=SourceRef(kind=EntityKind.ASSET, external_id=row_id(others[0]) or "?"),
                hint="With the next sync the hub knows that record as the replacement's own.",
            )

    def _require_serial(self, ref: SourceRef, row: SentRow, expected: str | None) -> None:
        """Refuse a device that is another one by now than the hub knows. Raises Conflict."""
        shown = row.get("serial")
        if expected and shown and not _same(shown, expected):
            name = row.get("name") or ref.external_id
            raise Conflict(
                f"record swap: device {name!r} of {self.system} shows serial {shown!r}, not {expected!r}",
                operation=OPERATION,
                ref=ref,
                hint="Somebody has changed it meanwhile; look at the device before anything is written.",
            )


def _same(one: object, other: object) -> bool:
    """Whether two serials or tags are the same, as the hub compares them; nothing and "" are."""
    return str(one or "").strip().upper() == str(other or "").strip().upper()


def _is_marked(row: SentRow, op: RecordSwap) -> bool:
    return f"[connector:{op.key}]" in str(row.get("comments") or "")


def _noted(row: SentRow, line: str) -> str:
    """The device's comments with one line more."""
    before = str(row.get("comments") or "").rstrip()
    return f"{before}\n{line}" if before else line


def _shown(serial: object) -> str:
    return str(serial) if serial else "a device without serial"
