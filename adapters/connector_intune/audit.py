"""Events of Intune's audit log: which devices they are about. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from connector.sdk import InvalidRecord
from connector.sdk.cursors import read_instant
from connector.sdk.rest import text
from connector_intune.graph import Row
from connector_intune.mapping import GUID

KIND = "manageddevice"


def happened_at(event: Row) -> datetime:
    """When it happened, UTC. Raises InvalidRecord."""
    told = text(event, "activityDateTime")
    try:
        return read_instant(told)
    except (ValueError, OverflowError):
        raise InvalidRecord(f"activityDateTime is {told!r:.60}", path="/activityDateTime") from None


def changed_devices(events: Iterable[Row]) -> list[str]:
    """Ids of the devices that events name, each once.

    The words for activities are not documented, so that none is relied on: what may be a device is looked at, and what
    is none is not there.
    """
    found: dict[str, None] = {}
    for event in events:
        resources = event.get("resources")
        for resource in resources if isinstance(resources, list) else ():
            number = resource.get("resourceId") if isinstance(resource, dict) else None
            if isinstance(number, str) and GUID.fullmatch(number) and _is_about_devices(event, resource):
                found[number.lower()] = None
    return list(found)


def _is_about_devices(event: Row, resource: Row) -> bool:
    if event.get("category") == "Device":
        return True
    told = (event.get("componentName"), event.get("activityType"), resource.get("auditResourceType"))
    return any(KIND in str(word).replace(" ", "").casefold() for word in told)
