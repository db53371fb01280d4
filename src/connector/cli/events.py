"""`connector events`: the systems that are told what happens, and what they were not told of."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import uuid4

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import ExitCode, console, print_json, print_table, warn
from connector.endpoints import endpoints_of
from connector.hub import Hub
from connector.model.errors import InvalidInput, NotKnown
from connector.outbound.events import probe
from connector.outbound.posting import Answer, Endpoint, Outcome, Poster
from connector.storage.database.changes import last_position, publish
from connector.storage.database.engine import reading, transaction
from connector.storage.outbound.deliveries import (
    DeadLetter,
    EndpointStanding,
    add_endpoints,
    dead_letters,
    discard_dead,
    enable_endpoint,
    endpoint_standings,
    position_before,
    revive_dead,
    rewind_endpoint,
)

events = typer.Typer(help="Systems that are told what happens, by webhooks.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the endpoint, as [events.NAME] has it.")]


@events.command("list")
def list_all(config: Config = None, as_json: AsJson = False) -> None:
    """List the endpoints, and how far each is; exit 4 when one is disabled or has dead letters."""

    async def read(hub: Hub) -> tuple[list[EndpointStanding], int]:
        async with reading(hub.database) as tx:
            return await endpoint_standings(tx), await last_position(tx)

    standings, end = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([{**asdict(item), "behind": end - item.position} for item in standings])
    else:
        rows = [
            {
                "endpoint": item.name,
                "state": "disabled" if item.disabled_at else "failing" if item.failures else "ok",
                "waiting": item.waiting,
                "behind": end - item.position,
                "dead": item.dead or None,
                "again": item.not_before,
                "error": item.error,
            }
            for item in standings
        ]
        print_table("Endpoints", rows, empty="No endpoint has been told of anything yet.")
    if any(item.disabled_at or item.dead for item in standings):
        raise typer.Exit(ExitCode.UNHEALTHY)


@events.command()
def show(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 100,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show the dead letters of an endpoint: what it was not told of after the last try."""

    async def read(hub: Hub) -> list[DeadLetter]:
        await _require(hub, name)
        async with reading(hub.database) as tx:
            return await dead_letters(tx, name, limit=limit)

    found = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([asdict(item) for item in found])
        return
    rows = [
        {
            "position": item.position,
            "kind": item.kind.value,
            "id": item.entity_id,
            "tries": item.attempts,
            "given up": item.dead_at,
            "error": item.error,
        }
        for item in found
    ]
    print_table(f"Dead letters of {name}", rows, empty=f"{name} has no dead letters.")


@events.command()
def replay(
    name: Name,
    after: Annotated[int | None, typer.Option(min=0, help="Tell it again of all after this position.")] = None,
    since: Annotated[str | None, typer.Option(help="Tell it again of all since this time, as ISO 8601.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Tell it of its dead letters.")] = False,
    config: Config = None,
) -> None:
    """Tell an endpoint again: from a position or a time on, or of its dead letters."""

    async def do(hub: Hub) -> str:
        if (after is not None) + (since is not None) + dead != 1:
            raise InvalidInput("one of --after, --since and --dead is needed", hint="See: connector events replay -h.")
        await _require(hub, name)
        start = None if since is None else _instant(since)
        await publish(hub.database)
        async with transaction(hub.database) as tx:
            if dead:
                return f"{await revive_dead(tx, name)} dead letters are tried again."
            end = await last_position(tx)
            position = after if start is None else await position_before(tx, start)
            if position is None or position > end:
                raise InvalidInput(f"position {position} lies ahead of the log, which ends at {end}")
            await rewind_endpoint(tx, name, position)
            return f"{name} is told again of everything after position {position}."

    console.print(with_hub(config, do), highlight=False)


@events.command()
def discard(name: Name, config: Config = None) -> None:
    """Forget the dead letters of an endpoint."""

    async def do(hub: Hub) -> int:
        await _require(hub, name)
        async with transaction(hub.database) as tx:
            return await discard_dead(tx, name)

    console.print(f"{with_hub(config, do)} dead letters are forgotten.", highlight=False)


@events.command()
def test(name: Name, config: Config = None) -> None:  # noqa: PT028 - a command, named by what it does
    """Post an event that tells of nothing; an endpoint that takes it is enabled again."""

    async def do(hub: Hub) -> Answer:
        endpoint = _configured(hub, name)
        number = f"test-{uuid4().hex}"
        poster = Poster(endpoint, hub.clock, egress=hub.settings.egress.rules)
        try:
            answer = await poster.post(number, probe(number, source=endpoint.source, at=hub.clock.now()))
        finally:
            await poster.aclose()
        if answer.outcome is Outcome.ARRIVED:
            async with transaction(hub.database) as tx:
                await add_endpoints(tx, [name])
                await enable_endpoint(tx, name)
        return answer

    answer = with_hub(config, do)
    if answer.outcome is not Outcome.ARRIVED:
        warn(f"{name} did not take it: {answer.error}")
        raise typer.Exit(ExitCode.FAILED)
    console.print(f"{name} took it.", highlight=False)


def _configured(hub: Hub, name: str) -> Endpoint:
    for endpoint in endpoints_of(hub.settings):
        if endpoint.name == name:
            return endpoint
    known = ", ".join(sorted(hub.settings.events)) or "none"
    raise NotKnown(f"there is no endpoint {name!r}", hint=f"Configured are: {known}.")


async def _require(hub: Hub, name: str) -> None:
    """Refuse a name that is neither configured nor was. Raises NotKnown."""
    async with reading(hub.database) as tx:
        known = {item.name for item in await endpoint_standings(tx)}
    if name not in known:
        _configured(hub, name)
        async with transaction(hub.database) as tx:
            await add_endpoints(tx, [name])


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no time", hint="Write it as 2026-11-25T09:00:00Z.") from None
    return found.astimezone() if found.tzinfo is None else found
