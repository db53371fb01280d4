"""Swaps as Snipe-IT is told of them: a spare is checked out to the place, or a record in use gets another serial.

Snipe-IT has no version to make a change conditional on, and shows notes as rendered HTML, so that no key can be kept in
them: that a swap is done is told by the assets themselves. Each step is left out where they show it already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connector.sdk import ConfigError, Conflict, EntityKind, Invalid, NotFound, RecordSwap, SourceRef, SwapReceipt
from connector.sdk.rest.config import OUT_OF_USE
from connector.sdk.rest.swaps import PAST_THE_RETURN
from connector_snipe_it.client import SYSTEM, Row, SnipeItClient, plain
from connector_snipe_it.config import TYPES, SnipeItConfig
from connector_snipe_it.mapping import assignment, column_of, custom_values, label_of, state_of
from connector_snipe_it.places import Places
from connector_snipe_it.times import changed_at

OPERATION = "record swap"
DEPLOYABLE = "deployable"


@dataclass(frozen=True, slots=True)
class Label:
    """A status label. kind: its type."""

    number: int
    name: str
    kind: str


class Swaps:
    """Records swaps in one Snipe-IT, for the length of one call."""

    def __init__(self, client: SnipeItClient, config: SnipeItConfig, places: Places) -> None:
        self._client = client
        self._config = config
        self._places = places

    async def record(self, op: RecordSwap) -> SwapReceipt:
        """Record a swap once. Raises Invalid, NotFound, Conflict, ConfigError, OutcomeUnknown."""
        row = await self._one(op.record)
        if op.replacement is None:
            self._require_serial(op.record, row, op.failed_serial, also=op.serial)
            await self._require_unknown(op, row)
            await self._renew(op, row)
        else:
            failed = await self._failed(op)
            self._require_serial(op.record, row, op.serial)
            target = self._target(op, failed)
            self._require_free(op, row, target)
            if failed is not None and op.failed is not None:
                await self._retire(op, op.failed, failed)
            await self._put_in_place(op, row, target)
        return await self._receipt(op)

    async def find(self, op: RecordSwap) -> SwapReceipt | None:
        """The receipt, when the assets show the swap already, by an earlier attempt or because somebody entered it."""
        row = await self._one(op.record)
        if not _same(row.get("serial"), op.serial) or self._missing(op, row):
            return None
        if op.replacement is not None:
            failed = await self._failed(op)
            if failed is not None and not self._is_away(failed):
                return None
            if not self._stands(row, self._target(op, failed)):
                return None
        elif assignment(row) is None or _kind(row) != DEPLOYABLE:
            return None
        return await self._receipt(op)

    async def _one(self, ref: SourceRef) -> Row:
        row = await self._client.one(f"hardware/{_number(ref)}", ref, OPERATION)
        if row.get("deleted_at"):
            raise NotFound(f"{OPERATION}: {ref} was deleted in {SYSTEM}", operation=OPERATION, ref=ref)
        return row

    async def _failed(self, op: RecordSwap) -> Row | None:
        return None if op.failed is None else await self._one(op.failed)

    async def _receipt(self, op: RecordSwap) -> SwapReceipt:
        zone = self._config.time_zone
        receipt = SwapReceipt(op.key, op.record, updated_at=changed_at(await self._one(op.record), zone))
        failed = None if op.replacement is None else await self._failed(op)
        if failed is None:
            return receipt
        return SwapReceipt(
            op.key, op.record, receipt.updated_at, state_of(failed, self._config), changed_at(failed, zone)
        )

    # The replacement has a record of its own

    def _target(self, op: RecordSwap, failed: Row | None) -> int:
        """The location that it is checked out to: where the failed one is, if that is of the site. Raises Invalid."""
        here = _reference(failed, "location") if failed else None
        if here is not None and (op.site is None or self._places.of_location(here) == op.site):
            return here
        if op.site is None:
            raise Invalid(
                f"{OPERATION}: neither the ticket nor the failed asset says at which location the replacement is",
                fields={"location": "is unknown"}, operation=OPERATION, ref=op.record,
                hint=f"Enter the location of the failed asset in {SYSTEM}.",
            )  # fmt: skip
        return int(_number(op.site))

    def _stands(self, row: Row, target: int) -> bool:
        """Whether a device is checked out to a location and can be used."""
        assigned = assignment(row)
        is_there = assigned is not None and assigned[:2] == ("location", target)
        return is_there and _reference(row, "location") == target and _kind(row) == DEPLOYABLE

    def _require_free(self, op: RecordSwap, row: Row, target: int) -> None:
        """Refuse a spare that somebody else has by now. Raises Conflict."""
        assigned = assignment(row)
        if assigned is not None and assigned[:2] != ("location", target):
            raise Conflict(
                f"{OPERATION}: {_shown(row)} is checked out to {assigned[0]} {assigned[2]!r}", operation=OPERATION,
                ref=op.record, hint=f"Check it in in {SYSTEM}, if it is the replacement.",
            )  # fmt: skip

    async def _put_in_place(self, op: RecordSwap, row: Row, target: int) -> None:
        if changes := self._missing(op, row):
            await self._change(op.record, changes)
        if self._stands(row, target):
            return
        if assignment(row) is not None:  # at the right location, by a label that is for no use
            label = await self._label(self._config.in_use_status, DEPLOYABLE)
            await self._change(op.record, {"status_id": label.number, "location_id": target})
            return
        await self._check_out(op, target, f"in place of {op.failed_serial or 'a failed device'}")

    async def _check_out(self, op: RecordSwap, target: int, why: str) -> None:
        label = await self._label(self._config.in_use_status, DEPLOYABLE)
        await self._client.change(
            "POST", f"hardware/{_number(op.record)}/checkout",
            {
                "checkout_to_type": "location", "assigned_location": target, "status_id": label.number,
                "note": f"Ticket {op.reference}: {why}",
            },
            OPERATION, op.record,
        )  # fmt: skip

    async def _retire(self, op: RecordSwap, ref: SourceRef, row: Row) -> None:
        if self._is_away(row):
            return
        self._require_serial(ref, row, op.failed_serial)
        label = await self._label(self._config.failed_status, None)
        meant = self._config.named_state(label.name) or TYPES.get(label.kind)
        if label.kind == DEPLOYABLE or meant not in OUT_OF_USE:
            raise ConfigError(
                f"{OPERATION}: label {label.name!r} of {SYSTEM} does not say that a device is out of use",
                operation=OPERATION, ref=ref,
                hint="Name in failed_status a label of type undeployable or pending, and in `states` what it means.",
            )  # fmt: skip
        note = f"Ticket {op.reference}: replaced by {op.serial or 'another device'}"
        if assignment(row) is None:
            await self._change(ref, {"status_id": label.number})
            return
        values: dict[str, object] = {"status_id": label.number, "note": note}
        if (here := _reference(row, "location")) is not None:
            values["location_id"] = here  # it is still there, and not back where it belongs
        await self._client.change("POST", f"hardware/{_number(ref)}/checkin", values, OPERATION, ref)

    def _is_away(self, row: Row) -> bool:
        """Whether a failed device has the label that it is to get, or is past that already, and nobody has it."""
        if assignment(row) is not None:
            return False
        label = label_of(row)
        name = plain(label.get("name")) if label else None
        return _same(name, self._config.failed_status) or state_of(row, self._config) in PAST_THE_RETURN

    # The failed device's record stands for the position

    async def _renew(self, op: RecordSwap, row: Row) -> None:
        changes = self._missing(op, row)
        is_checked_out = assignment(row) is not None
        if is_checked_out and _kind(row) != DEPLOYABLE:
            changes["status_id"] = (await self._label(self._config.in_use_status, DEPLOYABLE)).number
        if changes:
            await self._change(op.record, changes)
        if not is_checked_out:
            await self._check_out(op, self._target(op, row), f"{op.failed_serial} replaced by {op.serial}")

    def _missing(self, op: RecordSwap, row: Row) -> dict[str, Any]:
        """What of the replacement its record does not show yet. Raises Invalid where the model is not known."""
        changes: dict[str, Any] = {}
        if op.serial and not _same(row.get("serial"), op.serial):
            changes["serial"] = op.serial
        if op.asset_tag and not _same(row.get("asset_tag"), op.asset_tag):
            changes["asset_tag"] = op.asset_tag
        if op.replacement is not None:
            return changes
        if op.product_ref is None:
            name = f"{op.product.manufacturer} {op.product.model}"
            raise Invalid(
                f"{OPERATION}: no model of {SYSTEM} is known to be {name!r}", fields={"model_id": f"none is {name}"},
                operation=OPERATION, ref=op.record, hint="Create the model there, or enter the swap by hand.",
            )  # fmt: skip
        if _reference(row, "model") != int(_number(op.product_ref)):
            changes["model_id"] = int(_number(op.product_ref))
        wanted = {
            "revision": op.revision,
            "warranty_ends_on": op.warranty_ends_on.isoformat() if op.warranty_ends_on else None,
        }
        for name, value in wanted.items():
            theirs = self._config.custom_field(name)
            column = column_of(row, theirs)
            if column is not None and custom_values(row).get(theirs) != value:
                changes[column] = value
        return changes

    async def _require_unknown(self, op: RecordSwap, row: Row) -> None:
        """Refuse to give a serial to one asset that another has already. Raises Conflict."""
        if op.serial is None or _same(row.get("serial"), op.serial):
            return
        others = await self._client.with_serial(op.serial, OPERATION)
        if others:
            raise Conflict(
                f"{OPERATION}: {_shown(others[0])} of {SYSTEM} has serial {op.serial!r} already", operation=OPERATION,
                ref=SourceRef(kind=EntityKind.ASSET, external_id=str(others[0].get("id", "?"))),
                hint="With the next sync the hub knows that record as the replacement's own.",
            )  # fmt: skip

    # Both

    def _require_serial(self, ref: SourceRef, row: Row, expected: str | None, *, also: str | None = None) -> None:
        """Refuse an asset that is another one by now than the hub knows. Raises Conflict."""
        shown = plain(row.get("serial"))
        if expected and shown and not _same(shown, expected) and not (also and _same(shown, also)):
            raise Conflict(
                f"{OPERATION}: {_shown(row)} of {SYSTEM} shows serial {shown!r}, not {expected!r}",
                operation=OPERATION, ref=ref,
                hint="Somebody has changed it meanwhile; look at the asset before anything is written.",
            )  # fmt: skip

    async def _change(self, ref: SourceRef, values: dict[str, Any]) -> None:
        await self._client.change("PATCH", f"hardware/{_number(ref)}", values, OPERATION, ref)

    async def _label(self, name: str, kind: str | None) -> Label:
        """A label by its name. Raises ConfigError."""
        walk = self._client.walk("statuslabels", self._config.page_size, OPERATION)
        async for rows in walk.along_ids():
            for row in rows:
                if _same(plain(row.get("name")), name):
                    found = Label(int(row["id"]), name, str(row.get("type")))
                    if kind is None or found.kind == kind:
                        return found
        of_kind = f" of type {kind}" if kind else ""
        raise ConfigError(
            f"{OPERATION}: {SYSTEM} has no status label {name!r}{of_kind}", operation=OPERATION,
            hint="Correct in_use_status and failed_status, or make the label there.",
        )  # fmt: skip


def _number(ref: SourceRef) -> str:
    """The id in a reference. Raises NotFound for one that is none of Snipe-IT's."""
    if ref.external_id.isdecimal() and ref.external_id.isascii():
        return ref.external_id
    raise NotFound(f"{ref} is no id of {SYSTEM}", operation=OPERATION, ref=ref)


def _reference(row: Row, name: str) -> int | None:
    told = row.get(name)
    number = told.get("id") if isinstance(told, dict) else None
    return number if isinstance(number, int) else None


def _kind(row: Row) -> str:
    label = label_of(row)
    return str(label.get("status_type")) if label else ""


def _same(one: object, other: object) -> bool:
    """Whether two serials, tags or names are the same, as the hub compares them; nothing and "" are."""
    return (plain(one) or "").upper() == (plain(other) or "").upper()


def _shown(row: Row) -> str:
    return f"asset {plain(row.get('asset_tag')) or row.get('id')!r}"
