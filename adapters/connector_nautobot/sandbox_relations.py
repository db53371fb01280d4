"""How devices, their bays and stacks follow each other in the Nautobot sandbox, as they do in the real one."""

from __future__ import annotations

from connector_nautobot.sandbox_shapes import DEVICE, DEVICE_BAY, VIRTUAL_CHASSIS
from connector_nautobot.sandbox_store import Fields, Store


def refusal(store: Store, content_type: str, row: Fields | None, given: Fields) -> Fields | None:
    """What the real API has against fields of a device, bay or stack: texts by field.

    row: the object as it is, None for a new one.
    """
    wanted = {**(row or {}), **given}
    if content_type == DEVICE and wanted.get("virtual_chassis") and wanted.get("vc_position") is None:
        return {"vc_position": ["A device assigned to a virtual chassis must have its position defined."]}
    installed = given.get("installed_device")
    if content_type == DEVICE_BAY and installed:
        bays = store.tables[DEVICE_BAY].rows.values()
        if any(bay.get("installed_device") == installed and bay is not row for bay in bays):
            return {"installed_device": ["device bay with this installed device already exists."]}
    if content_type == VIRTUAL_CHASSIS and row is not None and given.get("master"):
        master = store.tables[DEVICE].rows[given["master"]]
        if master.get("virtual_chassis") != row["id"]:
            name = master.get("name") or master["id"]
            return {"master": [f"The selected master ({name}) is not assigned to this virtual chassis."]}
    return None


def follow(store: Store, content_type: str, before: Fields | None, after: Fields | None, *, at: int) -> None:
    """Change what follows from a change that was made.

    before, after: the object, None where it was not or is no more. at: of the change, in microseconds since 1970.
    """
    if content_type == DEVICE_BAY:
        _seat(store, before, after)
    elif content_type == VIRTUAL_CHASSIS and before is None and after is not None:
        _join(store, after, at)
    elif content_type == VIRTUAL_CHASSIS and before is not None and after is None:
        _leave(store, before, at)
    elif content_type == DEVICE and before is not None and after is None:
        _dismantle(store, before)


def _seat(store: Store, before: Fields | None, after: Fields | None) -> None:
    """A device names the bay in which it is. That is no change of the device: its time stays."""
    for bay, is_in in ((before, False), (after, True)):
        device = store.tables[DEVICE].rows.get(str(bay.get("installed_device"))) if bay else None
        if bay and device:
            store.put(DEVICE, {**device, "parent_bay": bay["id"] if is_in else None})


def _join(store: Store, stack: Fields, at: int) -> None:
    """The master of a new stack becomes a member of it. A later master has to be one already."""
    master = store.tables[DEVICE].rows.get(str(stack.get("master")))
    if master:
        place = master.get("vc_position") or 1
        store.put(DEVICE, {**master, "virtual_chassis": stack["id"], "vc_position": place, "last_updated": at})


def _leave(store: Store, stack: Fields, at: int) -> None:
    """The members of a deleted stack are in none."""
    alone = {"virtual_chassis": None, "vc_position": None, "vc_priority": None, "last_updated": at}
    for member in list(store.tables[DEVICE].rows.values()):
        if member.get("virtual_chassis") == stack["id"]:
            store.put(DEVICE, {**member, **alone})


def _dismantle(store: Store, device: Fields) -> None:
    """The bays of a deleted device go with it, the one in which it was becomes empty."""
    for bay in list(store.tables[DEVICE_BAY].rows.values()):
        if bay["device"] == device["id"]:
            store.drop(DEVICE_BAY, bay["id"])
            _seat(store, bay, None)
        elif bay.get("installed_device") == device["id"]:
            store.put(DEVICE_BAY, {**bay, "installed_device": None})
