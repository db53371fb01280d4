"""`connector explain`: why the rules decided as they did about a ticket, or what they would decide now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from connector.api.schema.explaining import explanation_of
from connector.api.schema.explanation import Candidate, Explanation
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json
from connector.hub import Hub
from connector.model.kinds import Protection
from connector.rules.facts.protection import drawn_text
from connector.rules.sourcing.comparison import duration_text
from connector.storage.approvals.lists import Ended, ended_approvals
from connector.storage.database.engine import reading
from connector.storage.sources.overview import ticket_id_of
from connector.storage.stock.moves import Moved, moves_of
from connector.storage.tickets.decide import explain_ticket
from connector.storage.tickets.decisions import latest_decision


def explain(
    ticket: Annotated[str, typer.Argument(help="Number of the ticket, or #ID of the hub's own.")],
    now: Annotated[
        bool, typer.Option("--now", help="Decide anew on the facts of this moment; nothing is done.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Candidates to show.")] = 10,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show why it was decided as it was about a ticket: every candidate, and why it lost.

    A ticket that nothing was decided about yet is decided now, without doing anything.
    """

    async def look(hub: Hub) -> tuple[str, Mapping[str, Any], list[Ended], list[Moved]]:
        async with reading(hub.database) as tx:
            ticket_id = await ticket_id_of(tx, ticket)
            if not now and (kept := await latest_decision(tx, ticket_id)):
                when = f"decided at {kept.decided_at:%Y-%m-%d %H:%M}Z"
                return when, kept.explanation, await ended_approvals(tx, kept.id), await moves_of(tx, kept.id)
            decision = await explain_ticket(tx, ticket_id, hub.policy, hub.clock.now())
            return "as it would be decided now; nothing is done", decision.explanation(), [], []

    when, content, answers, moves = with_hub(config, look, as_json=as_json)
    if as_json:
        later = {"approvals": answers, "moves": moves}
        print_json({**content, **{name: what for name, what in later.items() if what}})
        return
    found = explanation_of(content)
    console.print(f"[bold]{found.outcome}[/] ({found.reason}), {when}", highlight=False)
    since = [_answered(answer) for answer in answers]
    since += [f"from {move.origin} to {move.target} at {move.at:%Y-%m-%d %H:%M}Z, {move.reason}" for move in moves]
    for line in (*told_lines(found), *since):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for number, item in enumerate(found.candidates[:limit], 1):
        console.print()
        late = "in time" if item.is_within_sla else "[red]late[/]"
        console.print(
            f"{number:>2}  [bold]{item.hub}[/]  {item.tier.value}, {item.distance_km:,.0f} km by {item.mode}, "
            f"arrives {item.arrives_at:%a %d %b %H:%M} UTC ({late}, {item.probability:.0%} sure), "
            f"costs {item.cost_cents / 100:,.2f}, {item.free} free",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        for line in (item.why or "chosen", *step_lines(item), f"hub works {item.hours}"):
            console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)
    console.print()
    for losers in found.losers:
        console.print(f"{losers.count} more: {losers.text}", markup=False, highlight=False, soft_wrap=True)


def _answered(answer: Ended) -> str:
    """What became of an approval since."""
    why = f": {answer.reason}" if answer.reason else ""
    return f"approval {answer.name!r}: {answer.state.value} at {answer.at:%Y-%m-%d %H:%M}Z by {answer.decided_by}{why}"


def told_lines(found: Explanation) -> list[str]:
    """What is told before the candidates."""
    lines = [found.text, f"rule {found.rule or 'no rule'} of policy {found.policy_version}", *due_lines(found)]
    if found.site_access:
        lines += [f"site lets in {found.site_access}", f"couriers deliver {found.site_delivery}"]
    lines += [f"missing: {assumption.text}" for assumption in found.assumed]
    lines += [f"red channel {found.red_channel}"] if found.red_channel else []
    lines += [found.authorisation] if found.authorisation else []
    lines += ladder_lines(found)
    for taken in found.taken_from:
        lines.append(f"takes the unit of {taken.ticket}{f', {taken.instead}' if taken.instead else ''}")
    lines += [f"loan, {found.loan.outcome.replace('_', ' ')}: {found.loan.text}"] if found.loan else []
    if found.kit is not None:
        parts = ", ".join(f"{part.quantity} × {part.product}" for part in found.kit.parts)
        lines.append(f"kit {found.kit.name!r} goes along: {parts}")
    kept = {
        Protection.SAFETY_STOCK: found.drawn_safety_stock,
        Protection.EMERGENCY_BUFFER: found.drawn_emergency_buffer,
    }
    if drawn := {purpose: units for purpose, units in kept.items() if units}:
        lines.append(f"draws on {drawn_text(drawn)}")
    return lines


def step_lines(item: Candidate) -> list[str]:
    """The way of a candidate, a step a line; nothing where it is not shown step by step."""
    lines = []
    for step in item.steps:
        takes = "" if step.duration is None else f"{duration_text(int(step.duration.total_seconds() // 60))}, "
        text = f" ({step.text})" if step.text else ""
        lines.append(f"{step.step.replace('_', ' ')}: {takes}until {step.ends_at:%a %d %b %H:%M} UTC{text}")
    return lines


def due_lines(found: Explanation) -> list[str]:
    """Until when, where that comes from, and how it compares with what the service class gives."""
    lines = []
    if found.due_at is not None:
        margin = "" if found.margin_minutes is None else f", margin {found.margin_minutes} min"
        lines.append(f"due {found.due_at:%a %d %b %H:%M} UTC ({found.due_basis}){margin}")
    if found.stated_due_at is None:
        return lines
    if found.computed_due_at is None:
        return [*lines, f"not compared with a computed due time: {found.computed_due_basis}"]
    tolerance = found.due_tolerance_minutes
    verdict = f"within the {tolerance} min of tolerance"
    if found.is_due_disputed:
        verdict = f"DISPUTED, the policy tolerates {tolerance} min"
    lines.append(f"computed due {found.computed_due_at:%a %d %b %H:%M} UTC ({found.computed_due_basis})")
    lines.append(f"stated minus computed: {found.due_difference_minutes:+} min, {verdict}")
    return lines


def ladder_lines(found: Explanation) -> list[str]:
    """The rungs of the ladder; nothing where one rung of stock is all that there is beside a person."""
    if len(found.ladder) <= 2:
        return []
    lines = []
    for rung in found.ladder:
        offer = f" {rung.offered}, arrives {rung.arrives_at:%a %d %b %H:%M} UTC:" if rung.arrives_at else ""
        lines.append(f"rung {rung.number}, {rung.kind}: {rung.outcome.replace('_', ' ')};{offer} {rung.text}")
    return lines
