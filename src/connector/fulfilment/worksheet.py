"""The work of a hub on paper: pick lists and instructions, each with the code that is scanned when it is done.

One page of HTML that needs nothing from anywhere. What is written on it comes back by `connector.fulfilment.offline`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Final
from zoneinfo import ZoneInfo

import segno

from connector.fulfilment.wording import packing_list
from connector.model.codes import code_of
from connector.model.kinds import OfflineAct, TaskKind
from connector.model.refs import EntityKind
from connector.storage.database.engine import Transaction
from connector.storage.shipments.consignments import Consignment, consignment
from connector.storage.tickets.work_at_hub import (
    HubWork,
    OpenTask,
    WaitingUnit,
    expected_back_at,
    hub_work,
    open_tasks_at,
    units_waiting_at,
)

SAID: Final[Mapping[OfflineAct, str]] = {
    OfflineAct.PICKED_UP: "picked up",
    OfflineAct.RECEIVED: "received",
    OfflineAct.STAGED: "staged",
    OfflineAct.HANDED_OVER: "handed over",
    OfflineAct.RETURNED: "returned",
    OfflineAct.APPROVED: "approved",
    OfflineAct.REJECTED: "rejected",
}
"""How each act is called on the paper."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A code with what may be done about it."""

    code: str
    acts: tuple[OfflineAct, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to do. notes: further lines; packing: what goes into the parcel, as packing lists have it."""

    title: str
    instructions: str
    notes: tuple[str, ...]
    packing: tuple[Mapping[str, Any], ...]
    signs: tuple[Sign, ...]


@dataclass(frozen=True, slots=True)
class Worksheet:
    """Everything that is open at a hub at a moment."""

    hub: HubWork
    at: datetime
    entries: tuple[Entry, ...]


async def worksheet(tx: Transaction, hub_id: int, at: datetime) -> Worksheet:
    """The work of a hub. Raises NotKnown."""
    where = await hub_work(tx, hub_id)
    entries = [await _of_task(tx, where, item) for item in await open_tasks_at(tx, hub_id)]
    entries += [await _of_waiting(tx, where, item) for item in await units_waiting_at(tx, hub_id)]
    for item in await expected_back_at(tx, hub_id):
        sign = Sign(code_of(EntityKind.RMA, item.rma_id), (OfflineAct.RETURNED,))
        marks = f"Serial {item.marks}" if item.marks else "Write down the serial that stands on it"
        due = f"Due back by {_local(item.due_back_at, where)}"
        entries.append(Entry(f"Expect {item.goods} back", "Put it into quarantine.", (marks, due), (), (sign,)))
    return Worksheet(where, at, tuple(entries))


async def _of_task(tx: Transaction, where: HubWork, item: OpenTask) -> Entry:
    due = (f"Due {_local(item.due_at, where)}",) if item.due_at else ()
    packing, instructions = tuple(item.packing_list), item.instructions or ""
    if item.kind in (TaskKind.STAGING, TaskKind.HANDOVER):
        act = OfflineAct.STAGED if item.kind is TaskKind.STAGING else OfflineAct.HANDED_OVER
        return Entry(item.title, instructions, due, packing, (Sign(code_of(EntityKind.TASK, item.id), (act,)),))
    if item.reservation_id is None:
        return Entry(item.title, instructions, due, packing, ())
    acts = (OfflineAct.RECEIVED,) if item.kind is TaskKind.RECEIVE else (OfflineAct.PICKED_UP, OfflineAct.RECEIVED)
    goods = await consignment(tx, item.reservation_id)
    sign = Sign(code_of(EntityKind.RESERVATION, item.reservation_id), acts)
    return Entry(item.title, instructions, (*due, *_destination(goods)), packing, (sign,))


async def _of_waiting(tx: Transaction, where: HubWork, item: WaitingUnit) -> Entry:
    goods = await consignment(tx, item.reservation_id)
    asked = Sign(code_of(EntityKind.APPROVAL, item.approval_id), (OfflineAct.APPROVED, OfflineAct.REJECTED))
    acts = (OfflineAct.PICKED_UP, OfflineAct.RECEIVED)
    claim = Sign(code_of(EntityKind.RESERVATION, item.reservation_id), acts)
    people = f"{item.needed} of " if item.needed > 1 else ""
    notes = (f"Waits for {people}{' or '.join(item.roles)} until {_local(item.deadline_at, where)}",)
    text = f"{goods.goods.label} for ticket {goods.ticket.number}: do not take it before that is given."
    return Entry(item.title, text, (*notes, *_destination(goods)), tuple(packing_list(goods)), (asked, claim))


def _destination(goods: Consignment) -> tuple[str, ...]:
    there = goods.destination
    if there is None:
        return ()
    address = there.address
    parts = (address.line1, address.line2, f"{address.postal_code or ''} {address.city or ''}".strip(), address.country)
    lines = [f"To {there.label}: {', '.join(part for part in parts if part)}".rstrip(": ")]
    if there.access_hours:
        lines.append(f"Lets in {there.access_hours} ({there.time_zone or 'UTC'})")
    return tuple(lines)


def _local(at: datetime, where: HubWork) -> str:
    zone = where.time_zone or "UTC"
    return f"{at.astimezone(ZoneInfo(zone)):%a %d %b %Y, %H:%M} ({zone})"


def page(sheet: Worksheet) -> str:
    """The sheet as HTML, to be printed."""
    return "".join(_page(sheet))


def _page(sheet: Worksheet) -> Iterator[str]:
    title = f"Work at {sheet.hub.label}"
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    yield f"<h1>{escape(title)}</h1><p>As of {escape(_local(sheet.at, sheet.hub))}. Write time and name beside what "
    yield "you have done, and the serial where it is another one. Record it with <code>connector offline record</code> "
    yield "as soon as there is a connection: each line counts once, from when it was done.</p>"
    if not sheet.entries:
        yield "<p>Nothing is open here.</p>"
    for entry in sheet.entries:
        yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    yield f"<section><h2>{escape(entry.title)}</h2>"
    for line in (*entry.instructions.splitlines(), *entry.notes):
        yield f"<p>{escape(line)}</p>"
    if entry.packing:
        yield "<table><tr><th><th>Units<th>What<th>Part number<th>Serial<th>Asset tag<th>For</tr>"
        yield from (_line(line) for line in entry.packing)
        yield "</table>"
    for sign in entry.signs:
        yield f'<div class="sign">{_square(sign.code)}<div><b>{escape(sign.code)}</b>{_blanks(sign.acts)}</div></div>'
    yield "</section>"


def _line(line: Mapping[str, Any]) -> str:
    names = ("quantity", "product", "part_number", "serial", "asset_tag", "destination")
    cells = "".join(f"<td>{escape(str(line.get(name) or ''))}" for name in names)
    return f"<tr><td>&#9744;{cells}</tr>"


def _blanks(acts: Sequence[OfflineAct]) -> str:
    return "".join(f"<p>&#9744; {SAID[act]} at ____________ by ____________ serial ____________</p>" for act in acts)


def _square(code: str) -> str:
    """The code as a QR code, drawn in SVG."""
    return str(segno.make(code, error="m", micro=False).svg_inline(scale=3, border=2))


_STYLE: Final = (
    "body{font:14px/1.4 sans-serif;margin:1.5em;max-width:60em}section{border-top:2px solid;padding:.3em 0 1em;"
    "break-inside:avoid}h2{font-size:1.1em;margin:.4em 0}p{margin:.2em 0}table{border-collapse:collapse;margin:.5em 0}"
    "td,th{border:1px solid #999;padding:.15em .5em;text-align:left}.sign{display:flex;gap:1em;align-items:center}"
)
