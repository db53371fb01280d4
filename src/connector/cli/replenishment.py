"""`connector replenishment`: shelves that are filled up: listed, approved, rejected, called off, received."""

from __future__ import annotations

import getpass
import uuid
from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.fulfilment.replenishment import ReplenishmentResult, Replenishments
from connector.hub import Hub
from connector.model.errors import ConnectorError
from connector.model.lifecycle import REPLENISHMENT_OPEN, ReplenishmentState
from connector.model.principals import at_the_command_line
from connector.storage.database.engine import reading
from connector.storage.replenishment.replenishments import ReplenishmentRow, list_replenishments

replenishment = typer.Typer(
    help="Shelves that are filled up: list, approve, reject, cancel, receive.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(help="Number of the replenishment, as `list` shows it.")]
Key = Annotated[str | None, typer.Option(help="The same key again changes nothing.")]
Reason = Annotated[str, typer.Option(help="Why; kept with it.")]


@replenishment.command("list")
def list_all(
    proposed: Annotated[bool, typer.Option("--proposed", help="Only what waits for somebody's yes.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List what shelves are filled up with, the newest first."""
    states = frozenset(ReplenishmentState) if everything else REPLENISHMENT_OPEN
    states = frozenset({ReplenishmentState.PROPOSED}) if proposed else states

    async def read(hub: Hub) -> list[ReplenishmentRow]:
        async with reading(hub.database) as tx:
            return await list_replenishments(tx, states, limit=limit)

    rows = [
        {
            "id": row.id,
            "state": row.state.value,
            "hub": row.hub,
            "goods": row.goods,
            "lane": row.lane.value,
            "moved": row.transfer_quantity,
            "bought": row.purchase_quantity,
            "received": row.received_quantity,
            "ticket": row.ticket_number,
            "why": row.reason,
        }
        for row in with_hub(config, read, as_json=as_json)
    ]
    if as_json:
        print_json(rows)
        return
    print_table("Replenishments", rows, empty="No shelf is low that nobody has decided about.")


@replenishment.command()
def approve(
    replenishment_ids: Annotated[list[int], typer.Argument(help="Numbers of the replenishments.")],
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let them go out, each worked out anew from how things are now: units are claimed at other hubs, and ordered."""
    prefix = key or str(uuid.uuid4())

    async def do(hub: Hub) -> tuple[list[ReplenishmentResult], list[ConnectorError]]:
        done, refused = [], []
        for number in dict.fromkeys(replenishment_ids):
            try:
                done.append(await _commands(hub).approve(number, key=f"{prefix}:{number}", actor=_actor()))
            except ConnectorError as error:
                if len(replenishment_ids) == 1:
                    raise
                refused.append(error)
        return done, refused

    done, refused = with_hub(config, do, as_json=as_json)
    if as_json:
        told = [{"id": item.replenishment_id, "state": item.state.value} for item in done]
        print_json({"approved": told, "refused": [error.message for error in refused]})
    else:
        for item in done:
            _tell(item)
        for error in refused:
            console.print(f"Refused: {error.message}")
    if refused:
        raise typer.Exit(1)


@replenishment.command()
def reject(
    replenishment_id: Number, reason: Reason, key: Key = None, config: Config = None, as_json: AsJson = False
) -> None:
    """Do not want a proposal: it is not made again for a while, unless the shelf gets emptier."""

    async def do(hub: Hub) -> ReplenishmentResult:
        return await _commands(hub).reject(replenishment_id, reason=reason, key=_key(key), actor=_actor())

    _tell(with_hub(config, do, as_json=as_json), as_json=as_json)


@replenishment.command()
def cancel(
    replenishment_id: Number, reason: Reason, key: Key = None, config: Config = None, as_json: AsJson = False
) -> None:
    """Call off what has not left its hub and what is on order; what is under way arrives, and is received."""

    async def do(hub: Hub) -> ReplenishmentResult:
        return await _commands(hub).cancel(replenishment_id, reason=reason, key=_key(key), actor=_actor())

    _tell(with_hub(config, do, as_json=as_json), as_json=as_json)


@replenishment.command()
def receive(replenishment_id: Number, key: Key = None, config: Config = None, as_json: AsJson = False) -> None:
    """Put on the shelf what has come from other hubs; what was bought is received with `connector procurement`."""

    async def do(hub: Hub) -> ReplenishmentResult:
        return await _commands(hub).receive(replenishment_id, key=_key(key), actor=_actor())

    _tell(with_hub(config, do, as_json=as_json), as_json=as_json)


def _commands(hub: Hub) -> Replenishments:
    return Replenishments(hub.database, hub.clock, hub.policy)


def _actor() -> str:
    return at_the_command_line(getpass.getuser()).name


def _key(key: str | None) -> str:
    return key or str(uuid.uuid4())


def _tell(result: ReplenishmentResult, *, as_json: bool = False) -> None:
    if as_json:
        print_json({"id": result.replenishment_id, "state": result.state.value, "parcels": result.parcels})
        return
    console.print(f"Replenishment {result.replenishment_id} is {result.state.value.replace('_', ' ')}.")
