"""`connector groups`: tickets that may be about one cause, and saying whether they are."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.fulfilment.groups import Answered, Groups
from connector.hub import Hub
from connector.model.lifecycle import GroupState
from connector.model.principals import at_the_command_line
from connector.storage.database.engine import reading
from connector.storage.tickets.incident_groups import OPEN, GroupRow, list_groups

groups = typer.Typer(help="Incident groups: list, confirm, dismiss, close.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="Id of the group, as `list` shows it.")]
Key = Annotated[str | None, typer.Option(help="Idempotency key; made up when left out.")]


@groups.command("list")
def list_all(
    every: Annotated[bool, typer.Option("--all", help="Dismissed and closed ones too.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List tickets that are, or may be, about one cause, the newest first."""

    async def read(hub: Hub) -> list[tuple[GroupRow, int, int]]:
        async with reading(hub.database) as tx:
            return await list_groups(tx, tuple(GroupState) if every else OPEN)

    found = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json(
            [
                {**{name: getattr(row, name) for name in GroupRow.__slots__}, "tickets": tickets, "served": served}
                for row, tickets, served in found
            ]
        )
        return
    rows = [
        {
            "id": row.id,
            "event": row.title,
            "tickets": tickets,
            "served": served,
            "state": row.state.value,
            "until": row.expires_at if row.state is GroupState.PROPOSED else None,
        }
        for row, tickets, served in found
    ]
    print_table("Incident groups", rows, empty="Nothing looks like one event.")


@groups.command()
def confirm(
    number: Number,
    cause: Annotated[str, typer.Option(help="What the cause is; told to everybody whose ticket waits.")],
    serve: Annotated[
        bool | None,
        typer.Option("--serve/--nothing", help="Whether its tickets get units; left out, as the policy has it."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="How many of them get a unit at most.")] = None,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say that it is one event; the tickets that wait are decided then."""

    async def do(desk: Groups, actor: str) -> Answered:
        return await desk.confirm(
            number, cause=cause, key=key or str(uuid.uuid4()), actor=actor, serves=serve, limit=limit
        )

    _answer(config, do, as_json=as_json)


@groups.command()
def dismiss(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say that it is no event; each ticket is decided by itself."""

    async def do(desk: Groups, actor: str) -> Answered:
        return await desk.dismiss(number, reason=reason, key=key or str(uuid.uuid4()), actor=actor)

    _answer(config, do, as_json=as_json)


@groups.command()
def close(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say that a confirmed event is over; its tickets that have nothing are decided by themselves."""

    async def do(desk: Groups, actor: str) -> Answered:
        return await desk.close(number, reason=reason, key=key or str(uuid.uuid4()), actor=actor)

    _answer(config, do, as_json=as_json)


def _answer(config: Config, do: Callable[[Groups, str], Awaitable[Answered]], *, as_json: bool) -> None:
    async def run(hub: Hub) -> Answered:
        actor = at_the_command_line(getpass.getuser()).name
        return await do(Groups(hub.database, hub.clock, hub.policy), actor)

    done = with_hub(config, run, as_json=as_json)
    if as_json:
        shown = {"serves": done.serves, "limit_units": done.limit_units}
        print_json({"id": done.group_id, "state": done.state.value, **shown})
        return
    limit = f"at most {done.limit_units} of its tickets get a unit" if done.limit_units is not None else ""
    then = limit or ("its tickets are served" if done.serves else "its tickets need nothing")
    if done.state is GroupState.DISMISSED:
        then = "each ticket is decided by itself"
    if done.state is GroupState.CLOSED:
        then = "each of its tickets that has nothing is decided by itself"
    console.print(f"Group {done.group_id} is {done.state.value}: {then}.", markup=False, highlight=False)
