"""`connector reservation`: claims extended, moved, split, released."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

import typer

from connector.cli.approvals import whoever_types
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json
from connector.fulfilment.claims import Claims, MoveTo, claim_text
from connector.hub import Hub
from connector.model.kinds import Lane
from connector.storage.database.engine import reading
from connector.storage.sources.catalogue import product_called
from connector.storage.sources.named import hub_called, unit_called

reservation = typer.Typer(help="Claims of stock: extend, move, split, release.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="Id of the reservation.")]
Reason = Annotated[str, typer.Option(help="Why; kept with it, and told to the ticket.")]
Key = Annotated[str | None, typer.Option(help="Idempotency key; made up when left out.")]


@reservation.command()
def extend(
    number: Number,
    reason: Reason,
    hours: Annotated[float, typer.Option(min=0.02, help="For how many hours from now on.")],
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Hold a claim longer."""

    async def do(hub: Hub, claims: Claims, key: str, actor: str) -> tuple[int, ...]:
        until = hub.clock.now() + timedelta(hours=hours)
        return (await claims.extend(number, until=until, reason=reason, key=key, actor=actor),)

    _run(do, key, config, as_json)


@reservation.command()
def move(
    number: Number,
    reason: Reason,
    to_hub: Annotated[str | None, typer.Option("--hub", help="From this hub: code or name.")] = None,
    product: Annotated[str | None, typer.Option(help="Of this product: part number, SKU, or maker and model.")] = None,
    lane: Annotated[Lane | None, typer.Option(help="From this lane.")] = None,
    unit: Annotated[str | None, typer.Option(help="This unit: serial or asset tag.")] = None,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Claim units elsewhere in place of these; what was done for the old claim is undone by the running hub."""

    async def do(hub: Hub, claims: Claims, key: str, actor: str) -> tuple[int, ...]:
        async with reading(hub.database) as tx:
            to = MoveTo(
                hub_id=None if to_hub is None else await hub_called(tx, to_hub),
                product_id=None if product is None else await product_called(tx, product),
                lane=lane,
                asset_id=None if unit is None else await unit_called(tx, unit),
            )
        return (await claims.move(number, to, reason=reason, key=key, actor=actor),)

    _run(do, key, config, as_json)


@reservation.command()
def split(
    number: Number,
    quantity: Annotated[int, typer.Option(help="Units that become a claim of their own.")],
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make two claims of one of several counted units."""

    async def do(_hub: Hub, claims: Claims, key: str, actor: str) -> tuple[int, ...]:
        return await claims.split(number, quantity, key=key, actor=actor)

    _run(do, key, config, as_json)


@reservation.command()
def release(number: Number, reason: Reason, key: Key = None, config: Config = None, as_json: AsJson = False) -> None:
    """Give a claim back; what was done for it is undone by the running hub."""

    async def do(_hub: Hub, claims: Claims, key: str, actor: str) -> tuple[int, ...]:
        return (await claims.release(number, reason=reason, key=key, actor=actor),)

    _run(do, key, config, as_json)


Do = Callable[[Hub, Claims, str, str], Awaitable[tuple[int, ...]]]


def _run(do: Do, key: str | None, config: Config, as_json: AsJson) -> None:
    async def work(hub: Hub) -> list[tuple[int, str]]:
        claims = Claims(hub.database, hub.clock, hub.policy)
        ids = await do(hub, claims, key or str(uuid.uuid4()), whoever_types().name)
        async with reading(hub.database) as tx:
            return [(number, await claim_text(tx, number)) for number in ids]

    told = with_hub(config, work, as_json=as_json)
    if as_json:
        print_json([{"reservation": number, "text": text} for number, text in told])
        return
    for number, text in told:
        console.print(f"Reservation {number}: {text}", markup=False, highlight=False, soft_wrap=True)
