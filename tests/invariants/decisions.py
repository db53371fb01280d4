"""What is true of every decision, whatever goes on around it; `breaches` says in words what is not."""

from __future__ import annotations

from collections.abc import Collection

from connector.model.calendars import Calendar, next_open, parse_hours
from connector.model.kinds import Lane
from connector.rules.sourcing.decision import Decision
from connector.storage.tickets.decide import Sourced

ZONE, ACCESS = "Europe/Berlin", "Mon-Fri 09:00-12:00"
"""When the sites of all tickets let somebody in."""
_LET_IN = Calendar(ZONE, parse_hours(ACCESS))
_OF_LANE = {Lane.NORMAL: None, Lane.BREAK_GLASS: "break-glass"}
"""The lanes that the policies draw on, and the approval that each waits for."""


def breaches(sourced: Sourced, fits: Collection[int], approval: str | None = None) -> list[str]:
    """Hard constraints that what was decided and claimed breaks: product, lane, approval, access hours of the site.

    fits: products that may go to the ticket. approval: the one that the rule asks for.
    """
    decision, found = sourced.decision, []
    if decision is None:
        return []
    for pick in decision.picks:
        if pick.product_id not in fits:
            found.append(f"product {pick.product_id} does not fit")
        if pick.lane not in _OF_LANE:
            found.append(f"lane {pick.lane.value} is not allowed")
        if next_open(_LET_IN, pick.arrives_at) != pick.arrives_at:
            found.append(f"nobody is let in at {pick.arrives_at:%a %H:%M}Z")
        wanted = approval or _OF_LANE.get(pick.lane)
        if decision.approval != wanted:
            found.append(f"it waits for approval {decision.approval}, not {wanted}")
    shelves = {(pick.hub_id, pick.product_id, pick.lane) for pick in decision.picks}
    claims = sourced.reserved.reservations if sourced.reserved is not None else ()
    if shelves != {(claim.hub_id, claim.product_id, claim.lane) for claim in claims if claim.ships_with_id is None}:
        found.append(f"{shelves} were chosen, {claims} are claimed")
    return found


def said(decision: Decision) -> tuple[object, ...]:
    """What a decision says, but for the moment at which it does."""
    return (
        decision.outcome, decision.reason, decision.rule, decision.policy_version, decision.due_at, decision.picks,
        decision.candidates, decision.losers, decision.approval, decision.taken_from,
    )  # fmt: skip
