"""`connector procurement`: what is got from outside for tickets; recording what became of an order."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.fulfilment.procurement import RECORDABLE, Procurements, Recorded, Report
from connector.fulfilment.work import Work
from connector.hub import Hub, fulfilment_options
from connector.model.errors import InvalidInput
from connector.model.lifecycle import ProcurementState
from connector.model.principals import at_the_command_line
from connector.storage.database.engine import reading
from connector.storage.tickets.procurements import ProcurementRow, hub_id_of, list_procurements

procurement = typer.Typer(
    help="What is got from outside: list, record what became of an order, receive.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(help="Number of the procurement.")]
Key = Annotated[str | None, typer.Option(help="The same key again changes nothing.")]


@procurement.command("list")
def list_all(
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List what is on order for tickets, and tickets in the queue for stock, the newest first."""

    async def read(hub: Hub) -> Sequence[ProcurementRow]:
        async with reading(hub.database) as tx:
            return await list_procurements(tx, is_open=not everything, limit=limit)

    rows = [
        {
            "id": row.id,
            "ticket": row.ticket_number,
            "kind": row.kind.value,
            "state": row.state.value if row.is_wanted or not row.is_open else f"{row.state.value}, not wanted",
            "goods": row.goods,
            "supplier": row.supplier,
            "via": row.via,
            "order": row.order_number,
            "expected": row.expected_at,
        }
        for row in with_hub(config, read, as_json=as_json)
    ]
    if as_json:
        print_json(rows)
        return
    print_table("Procurements", rows, empty="Nothing is on order.")


@procurement.command()
def record(
    procurement_id: Number,
    state: Annotated[str, typer.Argument(help=f"One of {', '.join(item.value for item in RECORDABLE)}.")],
    number: Annotated[str | None, typer.Option(help="The supplier's number of the order.")] = None,
    expected: Annotated[str | None, typer.Option(help="When it is expected, ISO 8601; UTC without a zone.")] = None,
    cost_cents: Annotated[int | None, typer.Option(help="What it costs, in hundredths of the currency.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why it was refused or called off.")] = None,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Record what became of an order: ordered, with its number; confirmed; shipped; refused; cancelled."""

    async def do(hub: Hub) -> Recorded:
        if state not in {item.value for item in RECORDABLE}:
            known = ", ".join(item.value for item in RECORDABLE)
            raise InvalidInput(f"state {state!r} is not known", hint=f"It is one of {known}.")
        report = Report(ProcurementState(state), number, _instant(expected), cost_cents, reason)
        return await _procurements(hub).record(procurement_id, report, key=key or str(uuid.uuid4()), actor=_actor())

    _tell(with_hub(config, do, as_json=as_json), as_json=as_json)


@procurement.command()
def receive(
    procurement_id: Number,
    hub_code: Annotated[
        str | None,
        typer.Option("--hub", help="Code of the hub that took the goods in, when they were to go elsewhere."),
    ] = None,
    serial: Annotated[list[str] | None, typer.Option(help="Serial of a unit; once for each.")] = None,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take goods in: onto a hub's shelf, or in use at the site that they were sent to."""

    async def do(hub: Hub) -> Recorded:
        async with reading(hub.database) as tx:
            hub_id = None if hub_code is None else await hub_id_of(tx, hub_code)
        return await _procurements(hub).receive(
            procurement_id, key=key or str(uuid.uuid4()), actor=_actor(), hub_id=hub_id, serials=serial or ()
        )

    _tell(with_hub(config, do, as_json=as_json), as_json=as_json)


def _actor() -> str:
    return at_the_command_line(getpass.getuser()).name


def _procurements(hub: Hub) -> Procurements:
    return Procurements(Work(hub.database, hub.connections, hub.clock, fulfilment_options(hub.settings)))


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time", hint="Write it as 2026-11-25T09:00Z.") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _tell(recorded: Recorded, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": recorded.procurement_id, "state": recorded.state.value})
        return
    console.print(f"Procurement {recorded.procurement_id} is {recorded.state.value}.")
