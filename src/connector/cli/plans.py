"""`connector plans`: plans of syncs that are kept, approving them, and doing exactly what they say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from connector.cli.approvals import whoever_types
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.foreseen import as_json_of, show
from connector.cli.output import console, print_json, print_table
from connector.cli.progress import sync_progress
from connector.hub import Hub
from connector.ingest.planned import carry_out, read_kept
from connector.memory import calm_garbage_collection
from connector.model.kinds import PlanState
from connector.storage.database.engine import reading, transaction
from connector.storage.sources.plans import KeptPlan, kept_plan, list_plans, move_plan

plans = typer.Typer(help="Plans of syncs: list, show, approve, apply, discard.", no_args_is_help=True)

_OPEN = (PlanState.PROPOSED, PlanState.APPROVED)

Number = Annotated[int, typer.Argument(help="Number of the plan, as `list` shows it.")]


@plans.command("list")
def list_all(
    every: Annotated[bool, typer.Option("--all", help="Applied, drifted and discarded ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="So many at most.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List plans that wait to be approved or applied, the newest first; `connector sync --plan --save` makes one."""

    async def read(hub: Hub) -> list[KeptPlan]:
        async with reading(hub.database) as tx:
            return await list_plans(tx, tuple(PlanState) if every else _OPEN, limit=limit)

    found = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([asdict(plan) for plan in found])
        return
    print_table("Plans", [_row(plan) for plan in found], empty="No plan waits.")


@plans.command("show")
def show_one(
    number: Number,
    limit: Annotated[int, typer.Option(min=0, help="Changes on the screen.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show what a plan says, change by change."""

    async def read(hub: Hub) -> None:
        kept, plan = await read_kept(hub.database, number)
        with plan:
            if as_json:
                print_json({**asdict(kept), **as_json_of(plan)})
                return
            print_table(f"Plan {number}", [_row(kept)], empty="")
            console.print(_story(kept), highlight=False, markup=False)
            show(plan, limit)

    with_hub(config, read, as_json=as_json)


@plans.command()
def approve(number: Number, config: Config = None, as_json: AsJson = False) -> None:
    """Say that a plan may be applied."""
    plan = with_hub(config, lambda hub: _moved(hub, number, PlanState.APPROVED), as_json=as_json)
    _tell(plan, f"Plan {number} is approved. Next: connector plans apply {number}", as_json=as_json)


@plans.command()
def discard(number: Number, config: Config = None, as_json: AsJson = False) -> None:
    """Give a plan up; what it says is not kept."""
    plan = with_hub(config, lambda hub: _moved(hub, number, PlanState.DISCARDED), as_json=as_json)
    _tell(plan, f"Plan {number} is discarded.", as_json=as_json)


@plans.command("apply")
def apply_one(number: Number, config: Config = None, as_json: AsJson = False) -> None:
    """Read the source once more and do exactly what an approved plan says; nothing when the source has drifted."""
    calm_garbage_collection()

    async def do(hub: Hub) -> KeptPlan:
        async with reading(hub.database) as tx:
            name = (await kept_plan(tx, number)).source
        with sync_progress(name, is_quiet=as_json) as progress:
            connection, guard = hub.connection(name), hub.guards[name]
            return await carry_out(hub.database, connection, number, clock=hub.clock, guard=guard, progress=progress)

    plan = with_hub(config, do, as_json=as_json)
    _tell(plan, f"Plan {number} is applied: source {plan.source} was synced exactly so.", as_json=as_json)


async def _moved(hub: Hub, number: int, state: PlanState) -> KeptPlan:
    async with transaction(hub.database) as tx:
        await move_plan(tx, number, state, at=hub.clock.now(), by=whoever_types().name)
        return await kept_plan(tx, number)


def _tell(plan: KeptPlan, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(plan))
    else:
        console.print(text, highlight=False)


def _row(plan: KeptPlan) -> dict[str, Any]:
    return {
        "plan": plan.id,
        "source": plan.source,
        "changes": _changes(plan),
        "state": plan.state.value,
        "made": plan.created_at,
        "by": plan.created_by,
    }


def _story(plan: KeptPlan) -> str:
    """What a plan reads and what became of it, as far as the table does not say so."""
    reads = "It reads everything" if plan.is_full else "It reads what has changed"
    decided = f", {plan.decided_by} decided about it" if plan.decided_by else ""
    return f"{reads}{decided}{f': {plan.result}' if plan.result else ''}."


def _changes(plan: KeptPlan) -> str:
    counts = {word: sum(stream[word] for stream in plan.counts) for word in ("new", "changed", "retired")}
    return ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "none"
