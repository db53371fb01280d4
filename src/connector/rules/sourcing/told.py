"""What people and programs read of a decision, made of what was recorded when it was made.

The facts are those of the record; the words are of today. What is told of a decision that was just made and of one
that was recorded long ago comes from here alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.rules.arrival.timetable import instant_of, instant_text
from connector.rules.arrival.ways import MODES
from connector.rules.sourcing.candidates import LANES
from connector.rules.sourcing.comparison import closed_text, why_text
from connector.rules.sourcing.many_hubs import hubs_of
from connector.rules.sourcing.ranking import (
    ARRIVES,
    CHANCE,
    COST,
    DEPARTS,
    DISTANCE,
    HUB,
    LATE,
    MODE,
    NOT_EXACT,
    OTHER_LANE,
    PRODUCT,
    READY,
    Ranking,
)


def told(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The explanation of a decision, as JSON values. recorded: what `Decision.recorded` gives."""
    candidates = [*_candidates(recorded["candidates"])]
    losers = [_losers(group) for group in recorded["losers"]]
    due = dict(recorded["sla"])
    if due.get("computed_basis", "") is None:
        due["computed_basis"] = due["basis"]
    return {
        **recorded,
        "sla": due,
        "chosen": dict(candidates[0]) if recorded["outcome"] == "reserve" else None,
        "candidates": candidates,
        "losers": losers,
        "ladder": [_rung(*rung) for rung in recorded["ladder"]],
        "loan": _loan(recorded["loan"]) if recorded.get("loan") else None,
        "rest": told(recorded["rest"]) if recorded.get("rest") else None,
        "considered": len(candidates) + sum(group["count"] for group in losers),
    }


def told_chosen(recorded: Mapping[str, Any]) -> dict[str, Any] | None:
    """The chosen candidate of a decision; None when it chose none."""
    return next(_candidates(recorded["candidates"])) if recorded["outcome"] == "reserve" else None


def told_lent(recorded: Mapping[str, Any]) -> dict[str, Any] | None:
    """The unit that a decision lends; None when it lends none."""
    loan = recorded.get("loan")
    return next(_candidates(loan["candidates"]), None) if loan else None


def _loan(recorded: Mapping[str, Any]) -> dict[str, Any]:
    candidates = [*_candidates(recorded["candidates"])]
    return {
        **recorded,
        "chosen": dict(candidates[0]) if candidates else None,
        "candidates": candidates,
        "losers": [_losers(group) for group in recorded["losers"]],
    }


def _losers(group: Mapping[str, Any]) -> dict[str, Any]:
    hubs = hubs_of(group["hubs"])
    return {**group, "hubs": hubs, "count": len(hubs)}


def _rung(
    number: int,
    kind: str,
    outcome: str,
    text: str,
    offered: str = "",
    arrives_at: str | None = None,
    cost_cents: int | None = None,
    is_within_sla: bool | None = None,
) -> dict[str, Any]:
    return {
        "number": number,
        "kind": kind,
        "outcome": outcome,
        "text": text,
        "offered": offered,
        "arrives_at": arrives_at,
        "cost_cents": cost_cents,
        "is_within_sla": is_within_sla,
    }


def _candidates(recorded: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    reasons, steps = _reasons(recorded), recorded.get("steps", ())
    for place, route in enumerate(recorded["routes"]):
        label, tier, is_mobile, hours, free = recorded["shelves"][place]
        yield {
            "hub_id": route[HUB],
            "hub": label,
            "tier": tier,
            "product_id": route[PRODUCT],
            "is_exact": not route[NOT_EXACT],
            "lane": LANES[route[OTHER_LANE]].value,
            "free": free,
            "mode": MODES[route[MODE]].value,
            "distance_km": round(route[DISTANCE], 1),
            "cost_cents": route[COST],
            "ready_at": _instant(route[READY]),
            "departs_at": _instant(route[DEPARTS]),
            "arrives_at": _instant(route[ARRIVES]),
            "is_within_sla": not route[LATE],
            "probability": round(route[CHANCE], 4),
            "is_mobile": is_mobile,
            "steps": [_step(*step) for step in steps[place]] if place < len(steps) else [],
            "hours": recorded["schedules"][hours][0],
            "why": next(reasons),
        }


def _reasons(recorded: Mapping[str, Any]) -> Iterator[str]:
    """What each candidate lost by: as it was recorded, or as it follows from the comparison."""
    if "compared" not in recorded:
        yield from recorded.get("why", ())
        return
    ranking, currency = Ranking.of_recorded(recorded["compared"]), recorded["currency"]
    routes, shelves, schedules = recorded["routes"], recorded["shelves"], recorded["schedules"]
    yield ""
    for route, (_, _, _, hours, _) in zip(routes[1:], shelves[1:], strict=True):
        why = why_text(route, routes[0], shelves[0][0], ranking, currency)
        yield why + closed_text(schedules[hours][1])


def _step(name: str, minute: int, minutes: int | None, text: str) -> dict[str, Any]:
    """A step of a way; what there is nothing to say about is left out."""
    said = {"minutes": minutes, "text": text or None}
    return {"step": name, "at": _instant(minute)} | {name: value for name, value in said.items() if value is not None}


def _instant(minute: int) -> str:
    return instant_text(instant_of(minute))
