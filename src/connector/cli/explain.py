"""`connector explain`: what the rules would decide for a ticket now, and why every other candidate loses."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.hub import Hub
from connector.rules.decision import Candidate, Decision
from connector.storage.engine import reading
from connector.storage.overview import ticket_id_of
from connector.storage.sourcing import explain_ticket


def explain(
    ticket: Annotated[str, typer.Argument(help="Number of the ticket, or #ID of the hub's own.")],
    limit: Annotated[int, typer.Option(min=1, help="Candidates to show.")] = 10,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Decide about a ticket without doing anything, and show every candidate with the reason why it lost."""

    async def decide(hub: Hub) -> Decision:
        async with reading(hub.database) as tx:
            return await explain_ticket(tx, await ticket_id_of(tx, ticket), hub.policy, hub.clock.now())

    decision = with_hub(config, decide, as_json=as_json)
    if as_json:
        print_json(decision.explanation())
        return
    console.print(f"[bold]{decision.outcome.value}[/] ({decision.reason.value})")
    console.print(decision.text, markup=False, highlight=False)
    rule = decision.rule or "no rule"
    console.print(f"rule {rule} of policy {decision.policy_version}", markup=False, highlight=False)
    if decision.due_at:
        margin = "" if decision.margin_minutes is None else f", margin {decision.margin_minutes} min"
        console.print(f"due {decision.due_at:%Y-%m-%d %H:%M} UTC ({decision.due_basis}){margin}", highlight=False)
    if decision.candidates:
        print_table("Candidates", [_row(item) for item in decision.candidates[:limit]], empty="")
    for losers in decision.losers:
        console.print(f"{len(losers.hubs)} more: {losers.text}", markup=False, highlight=False)


def _row(item: Candidate) -> dict[str, object]:
    return {
        "hub": item.hub,
        "tier": item.tier.value,
        "km": round(item.distance_km),
        "by": item.mode.value,
        "arrives (UTC)": f"{item.arrives_at:%Y-%m-%d %H:%M}",
        "in time": item.is_within_sla,
        "cost": f"{item.cost_cents / 100:.2f}",
        "free": item.free,
        "why not": item.why or "chosen",
    }
