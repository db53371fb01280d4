"""`connector explain`: what the rules would decide for a ticket now, and why every other candidate loses."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json
from connector.hub import Hub
from connector.rules.facts.protection import drawn_text
from connector.rules.sourcing.comparison import duration_text
from connector.rules.sourcing.decision import Candidate, Decision
from connector.storage.database.engine import reading
from connector.storage.sources.overview import ticket_id_of
from connector.storage.tickets.decide import explain_ticket


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
    console.print(decision.text, markup=False, highlight=False, soft_wrap=True)
    rule = decision.rule or "no rule"
    console.print(f"rule {rule} of policy {decision.policy_version}", markup=False, highlight=False)
    for line in due_lines(decision):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if decision.access:
        console.print(f"site lets in {decision.access}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"couriers deliver {decision.delivery}", markup=False, highlight=False, soft_wrap=True)
    for line in (*assumption_lines(decision), *authorisation_lines(decision), *ladder_lines(decision)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for taken in decision.taken_from:
        beside = f", {taken.instead}" if taken.instead else ""
        console.print(f"takes the unit of {taken.ticket}{beside}", markup=False, highlight=False, soft_wrap=True)
    if decision.drawn:
        console.print(f"draws on {drawn_text(decision.drawn)}", markup=False, highlight=False, soft_wrap=True)
    for number, item in enumerate(decision.candidates[:limit], 1):
        console.print()
        late = "in time" if item.is_within_sla else "[red]late[/]"
        console.print(
            f"{number:>2}  [bold]{item.hub}[/]  {item.tier.value}, {item.distance_km:,.0f} km by {item.mode.value}, "
            f"arrives {item.arrives_at:%a %d %b %H:%M} UTC ({late}, {item.probability:.0%} sure), "
            f"costs {item.cost_cents / 100:,.2f}, {item.free} free",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        console.print(f"    {item.why or 'chosen'}", markup=False, highlight=False, soft_wrap=True)
        for line in step_lines(item):
            console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"    hub works {item.hours}", markup=False, highlight=False, soft_wrap=True)
    console.print()
    for losers in decision.losers:
        console.print(f"{len(losers.hubs)} more: {losers.text}", markup=False, highlight=False, soft_wrap=True)


def step_lines(item: Candidate) -> list[str]:
    """The way of a candidate, a step a line; nothing where it is not shown step by step."""
    lines = []
    for step in item.steps:
        takes = "" if step.minutes is None else f"{duration_text(step.minutes)}, "
        text = f" ({step.text})" if step.text else ""
        lines.append(f"{step.name.replace('_', ' ')}: {takes}until {step.at:%a %d %b %H:%M} UTC{text}")
    return lines


def due_lines(decision: Decision) -> list[str]:
    """Until when, where that comes from, and how it compares with what the service class gives."""
    until, lines = decision.until, []
    if until.at is not None:
        margin = "" if decision.margin_minutes is None else f", margin {decision.margin_minutes} min"
        lines.append(f"due {until.at:%a %d %b %H:%M} UTC ({until.basis}){margin}")
    if until.stated_at is None:
        return lines
    if until.computed_at is None:
        return [*lines, f"not compared with a computed due time: {until.computed_basis}"]
    verdict = "DISPUTED, the policy tolerates" if until.is_disputed else "within the"
    lines.append(f"computed due {until.computed_at:%a %d %b %H:%M} UTC ({until.computed_basis})")
    lines.append(
        f"stated minus computed: {until.difference_minutes:+} min, {verdict} {until.tolerance_minutes} min"
        + ("" if until.is_disputed else " of tolerance")
    )
    return lines


def assumption_lines(decision: Decision) -> list[str]:
    """What was missing, and what the policy takes instead."""
    return [f"missing: {assumption.text}" for assumption in decision.assumed]


def authorisation_lines(decision: Decision) -> list[str]:
    """The red channel that it goes through, and what needs somebody's yes; nothing where neither is so."""
    channel = decision.channel.facts if decision.channel else None
    lines = [f"red channel {channel.id} ({channel.name}): {channel.reason}"] if channel else []
    return [*lines, decision.authorisation] if decision.authorisation else lines


def ladder_lines(decision: Decision) -> list[str]:
    """The rungs of the ladder; nothing where one rung of stock is all that there is beside a person."""
    if len(decision.ladder) <= 2:
        return []
    lines = []
    for rung in decision.ladder:
        offer = f" {rung.offered}, arrives {rung.arrives_at:%a %d %b %H:%M} UTC:" if rung.arrives_at else ""
        lines.append(f"rung {rung.number}, {rung.kind}: {rung.outcome.value.replace('_', ' ')};{offer} {rung.text}")
    return lines
