"""`connector loan`: units on loan: what is out and what is overdue; received, extended."""

from __future__ import annotations

import getpass
import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.fulfilment.loans import Loans, TakenBack
from connector.hub import Hub
from connector.model.errors import InvalidInput
from connector.model.kinds import LoanReturn
from connector.model.lifecycle import LOAN_OPEN, LOAN_OUT, LoanState
from connector.model.principals import at_the_command_line
from connector.storage.database.engine import reading
from connector.storage.stock.loans import LoanRow, list_loans
from connector.storage.tickets.procurements import hub_id_of

loan = typer.Typer(help="Units on loan: list, receive, extend.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="Number of the loan, as `list` shows it.")]
Key = Annotated[str | None, typer.Option(help="The same key again changes nothing.")]


@loan.command("list")
def list_all(
    overdue: Annotated[bool, typer.Option("--overdue", help="Only what should be back already.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List units on loan, those first that are due back first."""
    states = LOAN_OUT if overdue else frozenset(LoanState) if everything else LOAN_OPEN

    async def read(hub: Hub) -> tuple[list[LoanRow], datetime]:
        async with reading(hub.database) as tx:
            return await list_loans(tx, states, limit=limit), hub.clock.now()

    found, now = with_hub(config, read, as_json=as_json)
    rows = [
        {
            "id": row.id,
            "ticket": row.ticket_number,
            "unit": row.goods,
            "site": row.site,
            "hub": row.hub,
            "state": row.state.value,
            "due": row.due_back_at,
            "overdue": row.is_out and row.due_back_at <= now,
        }
        for row in found
        if not overdue or row.due_back_at <= now
    ]
    if as_json:
        print_json(rows)
        return
    print_table("Loans", rows, empty="Nothing is overdue." if overdue else "Nothing is on loan.")


@loan.command()
def receive(
    loan_id: Number,
    hub_code: Annotated[
        str | None, typer.Option("--hub", help="Code of the hub that took it in, when it is not its own.")
    ] = None,
    quarantine: Annotated[
        bool | None,
        typer.Option(
            "--quarantine/--pool", help="Where it was put; left out, the pool, and quarantine for a unit with data."
        ),
    ] = None,
    wiped: Annotated[str | None, typer.Option(help="How its data were removed, so that it can be lent again.")] = None,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take a unit back that was on loan."""
    went_to = None if quarantine is None else LoanReturn.QUARANTINE if quarantine else LoanReturn.POOL

    async def do(hub: Hub) -> TakenBack:
        async with reading(hub.database) as tx:
            hub_id = None if hub_code is None else await hub_id_of(tx, hub_code)
        return await Loans(hub.database, hub.clock).receive(
            loan_id, key=key or str(uuid.uuid4()), actor=_actor(), hub_id=hub_id, went_to=went_to, wipe=wiped
        )

    done = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"id": done.loan_id, "state": done.state.value, "went_to": done.went_to})
        return
    where = "in quarantine" if done.went_to is LoanReturn.QUARANTINE else "in the pool again"
    console.print(f"Loan {done.loan_id} is {done.state.value}: its unit is {where}.")


@loan.command()
def extend(
    loan_id: Number,
    until: Annotated[str, typer.Argument(help="When it is due back now, ISO 8601; UTC without a zone.")],
    reason: Annotated[str, typer.Option(help="Why; told to the ticket.")],
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let a unit stay on loan longer."""

    async def do(hub: Hub) -> TakenBack:
        return await Loans(hub.database, hub.clock).extend(
            loan_id, until=_instant(until), reason=reason, key=key or str(uuid.uuid4()), actor=_actor()
        )

    done = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"id": done.loan_id, "state": done.state.value, "due_back_at": done.due_back_at})
        return
    console.print(f"Loan {done.loan_id} is due back at {done.due_back_at:%Y-%m-%d %H:%M} UTC.")


def _actor() -> str:
    return at_the_command_line(getpass.getuser()).name


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time", hint="Write it as 2026-11-25T09:00Z.") from error
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
