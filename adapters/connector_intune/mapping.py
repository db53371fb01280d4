"""From managed devices to assets. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from connector.sdk import AssetRecord, AssetState, EntityKind, InvalidRecord, ProductKey, SourceRef
from connector.sdk.cursors import read_instant
from connector.sdk.rest import optional, text, valid
from connector_intune.config import UUID, IntuneConfig, folded
from connector_intune.graph import Row
from connector_intune.sites import hub_ref

VERSION = "1"
"""Of this mapping; another one reads all devices anew."""
COLUMNS = (
    "id", "deviceName", "serialNumber", "imei", "meid", "manufacturer", "model", "operatingSystem",
    "managedDeviceOwnerType", "deviceCategoryDisplayName", "userId", "userPrincipalName", "userDisplayName",
    "lastSyncDateTime", "enrolledDateTime",
)  # fmt: skip
"""What is asked for. Not `notes` or `ethernetMacAddress`: a list says null to them, whatever a device has."""
LEAVING = frozenset(
    {"retirepending", "retireissued", "wipepending", "wipeissued", "deletepending"}
)  # fmt: skip
"""Management states of a device that is on its way out of Intune."""
NO_SERIAL = frozenset(
    {"0", "00000000", "default string", "defaultstring", "n/a", "none", "not applicable", "not available",
     "not specified", "o.e.m.", "system serial number", "to be filled by o.e.m.", "unknown"}
)  # fmt: skip
"""What firmware says that nobody gave a serial: many devices say the same."""
GUID = re.compile(UUID)
NOBODY = "00000000-0000-0000-0000-000000000000"


def columns(config: IntuneConfig) -> str:
    """`$select` of devices; a request that names a property which v1.0 of a cloud does not know is refused."""
    return ",".join((*COLUMNS, "managementState") if config.management_state else COLUMNS)


def asset_ref(row: Row) -> SourceRef:
    """A device. Raises InvalidRecord."""
    return SourceRef(kind=EntityKind.ASSET, external_id=text(row, "id"))


def last_sync(row: Row) -> datetime:
    """When a device last talked to Intune, UTC. Raises InvalidRecord."""
    told = text(row, "lastSyncDateTime")
    try:
        return read_instant(told)
    except (ValueError, OverflowError):
        raise InvalidRecord(
            f"lastSyncDateTime is {told!r:.60}, expected such as 2026-01-31T09:30:00Z", path="/lastSyncDateTime"
        ) from None


def is_wanted(row: Row, config: IntuneConfig, now: datetime) -> bool:
    """Whether a device is hardware of the organization that is there, by the settings."""
    if not config.personal and row.get("managedDeviceOwnerType") == "personal":
        return False
    model = row.get("model")
    if isinstance(model, str) and config.is_ignored(model):
        return False
    return config.stale_after is None or not _was_silent_since(row, now - config.stale_after)


def _was_silent_since(row: Row, floor: datetime) -> bool:
    """Whether a device neither enrolled nor checked in since; one that does not say is not taken for gone."""
    try:
        return max(last_sync(row), read_instant(text(row, "enrolledDateTime"))) < floor
    except (InvalidRecord, ValueError, OverflowError):
        return False


def user_of(row: Row) -> str | None:
    """Id of a device's primary user; None where it has none."""
    told = row.get("userId")
    known = isinstance(told, str) and GUID.fullmatch(told) and told != NOBODY
    return told.lower() if known and isinstance(told, str) else None


def asset_record(row: Row, places: Mapping[str, SourceRef], config: IntuneConfig) -> AssetRecord:
    """A device. places: sites by the id of the user. Raises InvalidRecord."""
    ref, at = asset_ref(row), last_sync(row)
    category = optional(row, "deviceCategoryDisplayName") or ""
    hub, user = config.hub_of(category), user_of(row)
    place = hub_ref(hub) if hub is not None else places.get(user or "")
    serial, product = serial_of(row), product_of(row)
    holder = optional(row, "userDisplayName") or optional(row, "userPrincipalName")
    portal = config.cloud().portal
    path = "#view/Microsoft_Intune_Devices/DeviceSettingsMenuBlade/~/overview/mdmDeviceId"
    return valid(
        lambda: AssetRecord(
            ref=ref, updated_at=at, name=optional(row, "deviceName"), serial=serial, product=product, place=place,
            state=state_of(row, config), holder=holder, url=f"{portal}/{path}/{ref.external_id}" if portal else None,
        )
    )  # fmt: skip


def state_of(row: Row, config: IntuneConfig) -> AssetState:
    """What the category means, else whether the device is on its way out of Intune. Raises InvalidRecord."""
    category = optional(row, "deviceCategoryDisplayName") or ""
    if not config.says(category) and folded(optional(row, "managementState") or "") in LEAVING:
        return AssetState.RETURN_PENDING
    return config.meant_by(category)


def serial_of(row: Row) -> str | None:
    """The serial; of a device that tells none, its IMEI or MEID. Raises InvalidRecord."""
    serial = optional(row, "serialNumber")
    if serial and folded(serial) not in NO_SERIAL:
        return serial.strip()
    for name in ("imei", "meid"):
        number = (optional(row, name) or "").replace(" ", "").replace("-", "")
        if re.fullmatch(r"[0-9A-Fa-f]{14,16}", number) and set(number) != {"0"}:
            return number.upper()
    return None


def product_of(row: Row) -> ProductKey | None:
    """Maker and model; None where one of them is missing. Raises InvalidRecord."""
    maker, model = (optional(row, "manufacturer") or "").strip(), (optional(row, "model") or "").strip()
    return valid(lambda: ProductKey(manufacturer=maker, model=model)) if maker and model else None
