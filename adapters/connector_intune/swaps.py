"""Swaps as Intune is told of them: both devices get a category, and the replaced one may be retired.

A device's serial is what the device says; nobody can write it. So a record never comes to stand for another device, and
a replacement that has not enrolled yet cannot be recorded. A swap is told by the categories, not by a key.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from connector.sdk import ConfigError, Conflict, Invalid, InvalidRecord, NotFound, RecordSwap, SourceRef, SwapReceipt
from connector.sdk.answers import path_segment
from connector_intune.config import IntuneConfig, folded
from connector_intune.graph import Graph, Row
from connector_intune.mapping import LEAVING, columns, last_sync, serial_of
from connector_intune.pulling import DEVICES

OPERATION = "record swap"
CATEGORIES = "deviceManagement/deviceCategories"


@dataclass(frozen=True, slots=True)
class Device:
    """A device as it is now."""

    ref: SourceRef
    row: Row

    @property
    def category(self) -> str:
        """Name of its category, as names are compared."""
        return folded(str(self.row.get("deviceCategoryDisplayName") or ""))

    def version(self) -> datetime | None:
        """The version of its record, which no category changes."""
        try:
            return last_sync(self.row)
        except InvalidRecord:
            return None

    def serial(self) -> str | None:
        """The serial that it shows."""
        try:
            return serial_of(self.row)
        except InvalidRecord:
            return None

    def is_retiring(self) -> bool:
        """Whether it was told to leave, as far as Intune says."""
        return folded(str(self.row.get("managementState") or "")) in LEAVING


class Swaps:
    """Records swaps in one tenant, for the length of one call."""

    def __init__(self, graph: Graph, config: IntuneConfig) -> None:
        self._graph = graph
        self._config = config

    async def record(self, op: RecordSwap) -> SwapReceipt:
        """Record a swap once. Raises Invalid, NotFound, Conflict, ConfigError, OutcomeUnknown."""
        if op.replacement is None:
            raise Invalid(
                f"{OPERATION}: {op.failed} of Intune cannot come to stand for {op.serial!r}: a serial is what the "
                "device itself says",
                fields={"serialNumber": "read-only"}, operation=OPERATION, ref=op.failed,
                hint="Enrol the replacement; it then has a record of its own. Give the failed device its category.",
            )  # fmt: skip
        replacement = await self._one(op.replacement)
        failed = await self._failed(op)
        _require_serial(replacement, op.serial)
        if failed is not None:
            _require_serial(failed, op.failed_serial)
            if self._config.retire_failed:
                _require_known(failed, op.failed_serial)
            await self._take_out(failed)
        await self._assign(replacement, self._config.in_use_category)
        return self._receipt(op, replacement, failed)

    async def find(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt, when the devices show the swap already, by an earlier attempt or because somebody entered it."""
        if op.replacement is None:
            return None
        replacement = await self._one(op.replacement)
        if replacement.category != folded(self._config.in_use_category):
            return None
        failed = await self._failed(op)
        if failed is not None and not self._is_out(failed):
            return None
        return self._receipt(op, replacement, failed)

    async def _one(self, ref: SourceRef) -> Device:
        path = f"{DEVICES}/{path_segment(ref.external_id)}"
        return Device(ref, await self._graph.one(path, {"$select": columns(self._config)}, OPERATION, ref))

    async def _failed(self, op: RecordSwap) -> Device | None:
        """The failed device; None where Intune has it no more, which is what becomes of a retired one."""
        if op.failed is None:
            return None
        try:
            return await self._one(op.failed)
        except NotFound:
            return None

    def _is_out(self, failed: Device) -> bool:
        is_done = failed.category == folded(self._config.failed_category)
        return is_done and (failed.is_retiring() or not self._config.retire_failed)

    async def _take_out(self, failed: Device) -> None:
        await self._assign(failed, self._config.failed_category)
        if self._config.retire_failed and not failed.is_retiring():
            path = f"{DEVICES}/{path_segment(failed.ref.external_id)}/retire"
            await self._graph.change("POST", path, OPERATION, failed.ref)

    async def _assign(self, device: Device, category: str) -> None:
        """Give a device a category, unless it has that."""
        if device.category == folded(category):
            return
        path = f"{DEVICES}/{path_segment(device.ref.external_id)}/deviceCategory/$ref"
        target = f"{CATEGORIES}/{await self._category(category)}"
        await self._graph.change("PUT", path, OPERATION, device.ref, self._graph.reference(target))

    async def _category(self, name: str) -> str:
        """Id of a category. Raises ConfigError."""
        async with aclosing(self._graph.pages(CATEGORIES, {}, OPERATION)) as pages:
            async for rows, _ in pages:
                for row in rows:
                    if folded(str(row.get("displayName"))) == folded(name):
                        return path_segment(str(row.get("id")))
        raise ConfigError(
            f"{OPERATION}: Intune has no device category {name!r}", operation=OPERATION,
            hint="Correct in_use_category and failed_category, or create the category: Devices, Device categories.",
        )  # fmt: skip

    def _receipt(self, op: RecordSwap, replacement: Device, failed: Device | None) -> SwapReceipt:
        at, failed_at = replacement.version(), failed.version() if failed else None
        state = self._config.meant_by(self._config.failed_category) if failed else None
        return SwapReceipt(
            key=op.key, record=replacement.ref, updated_at=at, failed_state=state, failed_updated_at=failed_at
        )


def _require_known(device: Device, expected: str | None) -> None:
    """Refuse to retire a device of which nobody can be sure. Raises Conflict."""
    if expected is None or device.serial() is None:
        raise Conflict(
            f"{OPERATION}: {device.ref} of Intune is not retired: its serial is {device.serial()!r} there, "
            f"{expected!r} here",
            operation=OPERATION, ref=device.ref, hint="Look at the device, retire it by hand and give it its category.",
        )  # fmt: skip


def _require_serial(device: Device, expected: str | None) -> None:
    """Refuse a record that is another device's by now than the hub knows. Raises Conflict."""
    shown = device.serial()
    if expected and shown and shown.upper() != expected.strip().upper():
        raise Conflict(
            f"{OPERATION}: {device.ref} of Intune shows serial {shown!r}, not {expected!r}",
            operation=OPERATION, ref=device.ref, hint="Look at the device before anything is written.",
        )  # fmt: skip
