"""`connector rollout`: many units for many sites, planned, begun, stopped and looked at."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.cli.rollout_sheet import RolloutSites, read_sites
from connector.fulfilment.rollout_answers import PlanResult
from connector.fulfilment.rollout_draft import NewRollout, SiteOrder
from connector.fulfilment.rollout_work import RolloutWork
from connector.fulfilment.rollouts import RolloutResult, Rollouts
from connector.hub import Hub
from connector.model.errors import ConnectorError, InvalidInput
from connector.model.kinds import Success
from connector.model.principals import at_the_command_line
from connector.storage.database.engine import Transaction, reading
from connector.storage.rollouts.facts import sites_called
from connector.storage.rollouts.lists import RolloutSummary, ShownLine, list_rollouts, show_lines
from connector.storage.rollouts.rollouts import RolloutRow, rollout_id_of, rollout_row
from connector.storage.sources.catalogue import product_called
from connector.storage.sources.overview import ticket_id_of

rollout = typer.Typer(
    help="Rollouts: create, plan, start, pause, resume, halt, cancel, ticket, show, list.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Name of the rollout, or #ID.")]
Key = Annotated[str | None, typer.Option(help="Idempotency key; made up when left out.")]
Reason = Annotated[str, typer.Option(help="Why; kept with it, and told to its ticket.")]
Percent = Annotated[int | None, typer.Option(min=0, max=100, help="Per cent; as the policy has it by default.")]
Count = Annotated[int | None, typer.Option(min=1, help="As the policy has it by default.")]


@rollout.command()
def create(
    name: Annotated[str, typer.Argument(help="What people call it; unique.")],
    product: Annotated[str, typer.Option(help="Part number, SKU, or maker and model.")],
    file: Annotated[Path, typer.Option(help="CSV with the column site (code or name), also quantity, wave, ticket.")],
    ticket: Annotated[str | None, typer.Option(help="Change or request; the hub's own by default.")] = None,
    preparation: Annotated[str | None, typer.Option(help="What is done to each unit before it leaves.")] = None,
    starts_at: Annotated[str | None, typer.Option(help="Not before, with its zone: 2026-12-01T18:00Z.")] = None,
    first_wave_size: Count = None,
    wave_size: Count = None,
    keep_free_percent: Percent = None,
    success: Annotated[Success | None, typer.Option(help="What counts as success of a line.")] = None,
    success_percent: Percent = None,
    soak_minutes: Annotated[int | None, typer.Option(min=0, help="As the policy has it by default.")] = None,
    halt_percent: Percent = None,
    halt_sample: Count = None,
    delivery_days: Count = None,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Keep a rollout as a draft; nothing is claimed."""

    async def do(hub: Hub) -> int:
        sheet = read_sites(file)
        async with reading(hub.database) as tx:
            new = NewRollout(
                name=name,
                product_id=await product_called(tx, product),
                sites=await _orders(tx, sheet),
                ticket_id=None if ticket is None else await ticket_id_of(tx, ticket),
                preparation=preparation,
                starts_at=None if starts_at is None else _instant(starts_at),
                first_wave_size=first_wave_size,
                wave_size=wave_size,
                keep_free_percent=keep_free_percent,
                success=success,
                success_percent=success_percent,
                soak_minutes=soak_minutes,
                halt_percent=halt_percent,
                halt_sample=halt_sample,
                delivery_days=delivery_days,
            )
        return await _commands(hub).create(new, key=key or uuid.uuid4().hex, actor=_whoever_types())

    number = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"id": number, "name": name, "state": "draft"})
    else:
        _say(f"Rollout {name} is kept as draft #{number}. Next: connector rollout plan '{name}'")


@rollout.command()
def plan(
    name: Name,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look: nothing is changed.")] = False,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Decide what comes from where in which wave; again whenever asked."""

    async def do(hub: Hub) -> PlanResult:
        async with reading(hub.database) as tx:
            number = await rollout_id_of(tx, name)
        desk = _commands(hub)
        if dry_run:
            return await desk.look(number)
        return await desk.plan(number, key=key or uuid.uuid4().hex, actor=_whoever_types())

    found = with_hub(config, do, as_json=as_json)
    hubs = [asdict(hub) for hub in found.hubs]
    rows = [
        {
            "wave": line.wave,
            "site": line.site,
            "risk": line.risk,
            "hub": line.hub,
            "km": line.distance_km,
            "by": line.mode,
            "arrives": line.estimated_arrival_at,
            "short because": line.reason,
            "unit expected": line.expected_at,
        }
        for line in found.lines
    ]
    if as_json:
        print_json({"state": found.state.value, "kept": found.is_kept, "lines": rows, "hubs": hubs})
        return
    print_table(f"Plan of {found.name}", rows, empty="Every line has its unit already.")
    shown = ("label", "free", "protected", "kept", "promised")
    print_table("Hubs", [{key: hub[key] for key in shown} for hub in hubs], empty="No hub has the product.")
    _say("Nothing was changed." if dry_run else f"Rollout {found.name} is {found.state.value}.")


@rollout.command()
def start(name: Name, key: Key = None, config: Config = None, as_json: AsJson = False) -> None:
    """Begin a planned rollout; a running hub does what follows."""
    _move(name, key, config, lambda desk, number, key: desk.start(number, key=key, actor=_whoever_types()), as_json)


@rollout.command()
def pause(name: Name, reason: Reason, key: Key = None, config: Config = None, as_json: AsJson = False) -> None:
    """Stop a running rollout for a while; units that have not left their hubs go back."""
    _stop(name, reason, key, config, Rollouts.pause, as_json)


@rollout.command()
def resume(name: Name, reason: Reason, key: Key = None, config: Config = None, as_json: AsJson = False) -> None:
    """Have a paused or halted rollout go on."""
    _stop(name, reason, key, config, Rollouts.resume, as_json)


@rollout.command()
def halt(name: Name, reason: Reason, key: Key = None, config: Config = None, as_json: AsJson = False) -> None:
    """Stop a rollout because something is wrong with it."""
    _stop(name, reason, key, config, Rollouts.halt, as_json)


@rollout.command()
def cancel(name: Name, reason: Reason, key: Key = None, config: Config = None, as_json: AsJson = False) -> None:
    """End a rollout; what is under way arrives, everything else goes back."""
    _stop(name, reason, key, config, Rollouts.cancel, as_json)


@rollout.command()
def show(name: Name, config: Config = None, as_json: AsJson = False) -> None:
    """Show how far a rollout is, and each of its lines."""

    async def read(hub: Hub) -> tuple[RolloutRow, list[ShownLine]]:
        async with reading(hub.database) as tx:
            found = await rollout_row(tx, await rollout_id_of(tx, name))
            return found, await show_lines(tx, found.id)

    found, lines = with_hub(config, read, as_json=as_json)
    if as_json:
        kept = {key: value for key, value in asdict(found).items() if key != "plan"}
        print_json({**kept, "lines": [asdict(line) for line in lines]})
        return
    _say(f"{found.name}: {found.state.value}" + (f" ({found.reason})" if found.reason else ""))
    waves = [{"wave": wave["wave"], **wave["states"]} for wave in found.progress["waves"]]
    columns = list(dict.fromkeys(state for wave in waves for state in wave))
    print_table("Waves", [{key: wave.get(key) for key in columns} for wave in waves], empty="No wave is planned.")
    shown = [{key: value for key, value in asdict(line).items() if key != "id"} for line in lines]
    print_table("Lines", shown, empty="It has no lines.")


@rollout.command()
def ticket(
    name: Name,
    site: Annotated[str, typer.Argument(help="Code or name of the site.")],
    number: Annotated[str | None, typer.Argument(help="Number of its ticket; left out: of none.")] = None,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let the end of a ticket say what became of the lines of a site."""

    async def do(hub: Hub) -> int:
        async with reading(hub.database) as tx:
            rollout_id, known = await rollout_id_of(tx, name), await sites_called(tx, [site])
            if site not in known:
                raise InvalidInput(f"no site is called {site!r}", hint="Give its code or name.")
            ticket_id = None if number is None else await ticket_id_of(tx, number)
        people = RolloutWork(hub.database, hub.clock, hub.policy)
        asked = key or uuid.uuid4().hex
        return await people.assign_ticket(rollout_id, known[site], ticket_id, key=asked, actor=_whoever_types())

    lines = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"rollout": name, "site": site, "ticket": number, "lines": lines})
    else:
        _say(f"{site} ends with ticket {number}." if number else f"{site} has no ticket.")


@rollout.command("list")
def list_all(config: Config = None, as_json: AsJson = False) -> None:
    """List rollouts, the newest first."""

    async def read(hub: Hub) -> list[RolloutSummary]:
        async with reading(hub.database) as tx:
            return await list_rollouts(tx)

    found = [asdict(item) for item in with_hub(config, read, as_json=as_json)]
    if as_json:
        print_json(found)
    else:
        print_table("Rollouts", found, empty="There is no rollout yet.")


def _stop(
    name: str,
    reason: str,
    key: str | None,
    config: Config,
    command: Callable[..., Awaitable[RolloutResult]],
    as_json: bool,
) -> None:
    async def do(desk: Rollouts, number: int, key: str) -> RolloutResult:
        return await command(desk, number, reason=reason, key=key, actor=_whoever_types())

    _move(name, key, config, do, as_json)


def _move(
    name: str,
    key: str | None,
    config: Config,
    command: Callable[[Rollouts, int, str], Awaitable[RolloutResult]],
    as_json: bool,
) -> None:
    async def do(hub: Hub) -> RolloutResult:
        async with reading(hub.database) as tx:
            number = await rollout_id_of(tx, name)
        return await command(_commands(hub), number, key or uuid.uuid4().hex)

    done = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"id": done.rollout_id, "state": done.state.value, "waits_for": done.waits_for})
    elif done.waits_for:
        _say(f"Rollout {name} waits for approval {done.waits_for!r}.")
    else:
        _say(f"Rollout {name} is {done.state.value}.")


async def _orders(tx: Transaction, sheet: RolloutSites) -> list[SiteOrder]:
    """What each site is to get. Raises InvalidInput naming every line with a site or ticket that nobody knows."""
    known = await sites_called(tx, [row.site for row in sheet.rows])
    unknown = [row for row in sheet.rows if row.site not in known]
    if unknown:
        listed = [f"{sheet.path.name}:{row.line}: no site is called {row.site!r}" for row in unknown]
        raise InvalidInput("\n".join(listed), hint="Give codes or names of sites as the hub knows them.")
    tickets: dict[str, int] = {}
    for row in sheet.rows:
        if row.ticket is not None and row.ticket not in tickets:
            try:
                tickets[row.ticket] = await ticket_id_of(tx, row.ticket)
            except ConnectorError as error:
                raise InvalidInput(f"{sheet.path.name}:{row.line}: {error.message}", hint=error.hint) from error
    return [
        SiteOrder(known[row.site], row.quantity, row.wave, None if row.ticket is None else tickets[row.ticket])
        for row in sheet.rows
    ]


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidInput(f"{text!r} is no instant with a zone", hint="Write it like 2026-12-01T18:00Z.")
    return found


def _commands(hub: Hub) -> Rollouts:
    return Rollouts(hub.database, hub.clock, hub.policy)


def _whoever_types() -> str:
    return at_the_command_line(getpass.getuser()).name


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
