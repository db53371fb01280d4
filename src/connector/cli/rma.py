"""`connector rma`: returns of failed units: what is to come back and what is overdue; received, called off."""

from __future__ import annotations

import getpass
import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table, told
from connector.fulfilment.returns import Returned, Returns
from connector.hub import Hub
from connector.model.errors import InvalidInput
from connector.model.lifecycle import RMA_OPEN, RmaState
from connector.model.principals import at_the_command_line
from connector.storage.database.engine import reading
from connector.storage.tickets.procurements import hub_id_of
from connector.storage.tickets.rmas import RmaRow, list_rmas, rma_number, rma_row

rma = typer.Typer(help="Returns of failed units: list, show, receive, cancel, extend.", no_args_is_help=True)

Number = Annotated[str, typer.Argument(help="Number of the return, as `list` shows it: RMA-7, or 7.")]
Key = Annotated[str | None, typer.Option(help="The same key again changes nothing.")]
Reason = Annotated[str, typer.Option(help="Why; told to the ticket.")]


@rma.command("list")
def list_all(
    overdue: Annotated[bool, typer.Option("--overdue", help="Only what should be back already.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List what is to come back, what is due first at the top."""
    states = frozenset(RmaState) if everything and not overdue else RMA_OPEN

    async def read(hub: Hub) -> tuple[list[RmaRow], datetime]:
        async with reading(hub.database) as tx:
            now = hub.clock.now()
            return await list_rmas(tx, states, due_by=now if overdue else None, limit=limit), now

    found, now = with_hub(config, read, as_json=as_json)
    rows = [
        {
            "number": row.number,
            "ticket": row.ticket_number,
            "unit": row.goods,
            "site": row.site,
            "hub": row.hub,
            "state": row.state.value,
            "due": row.due_back_at,
            "overdue": row.is_open and row.due_back_at <= now,
        }
        for row in found
    ]
    if as_json:
        print_json(rows)
        return
    print_table("Returns", rows, empty="Nothing is overdue." if overdue else "Nothing is to come back.")


@rma.command()
def show(number: Number, config: Config = None, as_json: AsJson = False) -> None:
    """Show a return: which unit, from where to where, until when, and what became of it."""
    with told(as_json=as_json):
        rma_id = _id(number)

    async def read(hub: Hub) -> RmaRow:
        async with reading(hub.database) as tx:
            return await rma_row(tx, rma_id)

    row = with_hub(config, read, as_json=as_json)
    facts: dict[str, object] = {
        "number": row.number,
        "state": row.state.value,
        "ticket": row.ticket_number,
        "unit": row.goods,
        "device_is_known": row.asset_id is not None,
        "replaced_by": _replaced_by(row),
        "site": row.site,
        "hub": row.hub,
        "due": row.due_back_at,
        "overdue_since": row.overdue_since,
        "parcel": " ".join(filter(None, (row.carrier, row.tracking_number))) or None,
        "received_at": row.received_at,
        "condition": row.condition,
        "cancelled_by": row.cancelled_by,
        "reason": row.reason,
    }
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if value not in (None, ""):
            text = f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else _word(value)
            console.print(f"{name.replace('_', ' ')}: {text}", markup=False, highlight=False, soft_wrap=True)


@rma.command()
def receive(
    number: Number,
    serial: Annotated[
        str | None, typer.Argument(help="Serial or asset tag, as it stands on the unit; left out for counted units.")
    ] = None,
    hub_code: Annotated[
        str | None, typer.Option("--hub", help="Code of the hub that took it in, when it is not the one it was due at.")
    ] = None,
    condition: Annotated[str | None, typer.Option(help="How it is: what is broken, what is missing.")] = None,
    accept_different: Annotated[
        bool, typer.Option("--accept-different", help="Take it although it is not the unit that was expected.")
    ] = False,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take a unit in that has come back: it is in quarantine then."""
    with told(as_json=as_json):
        rma_id = _id(number)

    async def do(hub: Hub) -> Returned:
        async with reading(hub.database) as tx:
            hub_id = None if hub_code is None else await hub_id_of(tx, hub_code)
        return await Returns(hub.database, hub.clock).receive(
            rma_id,
            key=key or str(uuid.uuid4()),
            actor=_actor(),
            serial=serial,
            hub_id=hub_id,
            condition=condition,
            accept_different=accept_different,
        )

    done = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"number": rma_number(rma_id), "state": done.state.value, "is_different": done.is_different})
        return
    what = "another unit than expected" if done.is_different else "its unit"
    console.print(f"{rma_number(rma_id)} is {done.state.value}: {what} is in quarantine.")


@rma.command()
def cancel(number: Number, reason: Reason, key: Key = None, config: Config = None, as_json: AsJson = False) -> None:
    """Record that a unit does not come back."""
    with told(as_json=as_json):
        rma_id = _id(number)

    async def do(hub: Hub) -> Returned:
        return await Returns(hub.database, hub.clock).cancel(
            rma_id, reason=reason, key=key or str(uuid.uuid4()), actor=_actor()
        )

    done = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"number": rma_number(rma_id), "state": done.state.value})
        return
    console.print(f"{rma_number(rma_id)} is {done.state.value}: nothing comes back.")


@rma.command()
def extend(
    number: Number,
    until: Annotated[str, typer.Argument(help="When it is due back now, ISO 8601; UTC without a zone.")],
    reason: Reason,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Give a unit more time to come back."""
    with told(as_json=as_json):
        rma_id, at = _id(number), _instant(until)

    async def do(hub: Hub) -> Returned:
        return await Returns(hub.database, hub.clock).extend(
            rma_id, until=at, reason=reason, key=key or str(uuid.uuid4()), actor=_actor()
        )

    done = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"number": rma_number(rma_id), "state": done.state.value, "due_back_at": done.due_back_at})
        return
    console.print(f"{rma_number(rma_id)} is due back at {done.due_back_at:%Y-%m-%d %H:%M} UTC.")


def _id(number: str) -> int:
    digits = number.strip().upper().removeprefix("RMA-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise InvalidInput(f"{number!r} is no number of a return", hint="Write it as RMA-7, or 7.")
    return int(digits)


def _replaced_by(row: RmaRow) -> str:
    if row.procurement_id is not None:
        return f"procurement {row.procurement_id}"
    return f"reservation {row.reservation_id}"


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _actor() -> str:
    return at_the_command_line(getpass.getuser()).name


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time", hint="Write it as 2026-11-25T09:00Z.") from error
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
