"""Tasks for people about swaps that the hub could not write, with what is to be entered where. Pure."""

from __future__ import annotations

from connector.model.kinds import TaskKind
from connector.storage.stock.swaps import Called, Swap
from connector.storage.tickets.tasks import NewTask


def entering(swap: Swap, swap_id: str, source: str, called: Called, reason: str) -> NewTask:
    """Enter the swap at a source by hand. reason: why the hub did not."""
    return _task(
        swap,
        key=f"{swap_id}:{source}:enter",
        title=f"Enter the swap of {swap.failed.label} in {source} for ticket {swap.ticket_number}",
        instructions=f"{_what_to_enter(swap, source, called)} The hub could not write it: {reason}",
    )


def stalled(swap: Swap, swap_id: str, source: str, called: Called, reason: str) -> NewTask:
    """The swap does not get to a source; it is tried on."""
    return _task(
        swap,
        key=stalled_key(swap_id, source),
        title=f"The swap of {swap.failed.label} for ticket {swap.ticket_number} does not get to {source}",
        instructions=(
            f"It is tried again and again: {reason} See to it that it can be written, or enter it: "
            f"{_what_to_enter(swap, source, called)} The hub looks there before it writes."
        ),
    )


def stalled_key(swap_id: str, source: str) -> str:
    """The key of the task about a swap that does not get to a source."""
    return f"{swap_id}:{source}:stalled"


def asking(swap: Swap, swap_id: str, sources: str, missing: str) -> NewTask:
    """What was delivered is not known well enough to be written. missing: what."""
    return _task(
        swap,
        key=f"{swap_id}:ask",
        title=f"Say in {sources} what replaced {swap.failed.label} for ticket {swap.ticket_number}",
        instructions=(
            f"{_goods(swap)} came with {swap.brought}{_at(swap)}. {missing} Read what is in use now off the device and "
            f"enter its serial and asset tag in the record of {swap.failed.label}{_link(swap)}: with the next sync the "
            "hub knows the device by it."
        ),
    )


def _what_to_enter(swap: Swap, source: str, called: Called) -> str:
    unit = swap.replacement
    if unit is not None and called.replacement is not None:
        text = (
            f"In {source}, put {_goods(swap)} {unit.label} (record {called.replacement.external_id}) in use{_at(swap)}."
        )
        if called.failed is not None:
            text += f" {swap.failed.label} (record {called.failed.external_id}) has failed: take it out of use."
        return text
    record = f"record {called.failed.external_id}" if called.failed is not None else "its record"
    serial = unit.serial if unit is not None and unit.serial else "as on the device"
    tag = unit.asset_tag if unit is not None and unit.asset_tag else "none"
    return (
        f"In {source}, {record} of {swap.failed.label}{_link(swap)} stands for {_goods(swap)} now: "
        f"serial {serial}, asset tag {tag}, in use{_at(swap)}."
    )


def _goods(swap: Swap) -> str:
    return f"{swap.product.manufacturer} {swap.product.model}"


def _at(swap: Swap) -> str:
    return f" at {swap.site}" if swap.site else ""


def _link(swap: Swap) -> str:
    return f" ({swap.failed.url})" if swap.failed.url else ""


def _task(swap: Swap, *, key: str, title: str, instructions: str) -> NewTask:
    return NewTask(key=key, kind=TaskKind.REVIEW, title=title, instructions=instructions, ticket_id=swap.ticket_id)
