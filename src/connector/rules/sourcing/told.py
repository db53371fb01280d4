"""What people and programs read of a decision, made of what was recorded when it was made.

The facts are those of the record; the words are of today. What is told of a decision that was just made and of one
that was recorded long ago comes from here alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from connector.model.kinds import Lane
from connector.rules.arrival.timetable import instant_of, instant_text
from connector.rules.arrival.ways import MODES
from connector.rules.policy.document import Mode
from connector.rules.sourcing.candidates import LANES
from connector.rules.sourcing.comparison import closed_text, why_text
from connector.rules.sourcing.many_hubs import hubs_of
from connector.rules.sourcing.ranking import Ranking, Route


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


def _candidates(recorded: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    columns = _Columns(recorded)
    reasons = columns.reasons()
    for place in range(len(columns)):
        yield {
            "hub_id": columns["hub_id", place],
            "hub": columns["hub", place],
            "tier": columns["tier", place],
            "product_id": columns["product_id", place],
            "is_exact": columns["preference", place] == 0,
            "lane": columns["lane", place],
            "free": columns["free", place],
            "mode": columns["mode", place],
            "distance_km": round(columns["distance_km", place], 1),
            "cost_cents": columns["cost_cents", place],
            "ready_at": _instant(columns["ready", place]),
            "departs_at": _instant(columns["departs", place]),
            "arrives_at": _instant(columns["arrives", place]),
            "is_within_sla": not columns["late", place],
            "probability": round(columns["chance", place], 4),
            "is_mobile": columns["is_mobile", place],
            "steps": [_step(*step) for step in columns.steps(place)],
            "hours": columns.hours(place),
            "why": next(reasons),
        }


class _Columns:
    """Candidates as they were recorded: see `connector.rules.sourcing.candidate`."""

    def __init__(self, recorded: Mapping[str, Any]) -> None:
        self._recorded = recorded

    def __len__(self) -> int:
        return len(self._recorded["hub_id"])

    def __getitem__(self, key: tuple[str, int]) -> Any:
        """What a column says of the candidate at a place."""
        name, place = key
        column = self._recorded[name]
        return column[place] if isinstance(column, list | tuple) else column

    def steps(self, place: int) -> Sequence[Sequence[Any]]:
        """Its way step by step, as far as it was recorded."""
        steps: Sequence[Sequence[Sequence[Any]]] = self._recorded["steps"]
        return steps[place] if place < len(steps) else ()

    def hours(self, place: int) -> str:
        """When its hub works."""
        return str(self._schedule(place)[0] if "schedules" in self._recorded else self["hours", place])

    def reasons(self) -> Iterator[str]:
        """What each lost by: as it was recorded, or as it follows from the comparison."""
        if "compared" not in self._recorded:
            yield from (self["why", place] for place in range(len(self)))
            return
        ranking, currency = Ranking.of_recorded(self._recorded["compared"]), self._recorded["currency"]
        chosen, label = self._route(0), self["hub", 0]
        yield ""
        for place in range(1, len(self)):
            why = why_text(self._route(place), chosen, label, ranking, currency)
            yield why + closed_text(self._schedule(place)[1])

    def _schedule(self, place: int) -> tuple[str, int | None]:
        """The hours of its hub, for people, and until when it was closed, if it was."""
        return cast(tuple[str, int | None], self._recorded["schedules"][self["works", place]])

    def _route(self, place: int) -> Route:
        """What was compared."""
        return (
            int(self["preference", place] > 0),
            self["preference", place],
            LANES.index(Lane(self["lane", place])),
            self["hub_id", place],
            self["product_id", place],
            self["late", place],
            self["unlikely", place],
            self["lateness", place],
            self["arrives", place],
            self["cost_cents", place],
            self["distance_km", place],
            MODES.index(Mode(self["mode", place])),
            self["ready", place],
            self["departs", place],
            self["chance", place],
        )


def _step(name: str, minute: int, minutes: int | None, text: str) -> dict[str, Any]:
    """A step of a way; what there is nothing to say about is left out."""
    said = {"minutes": minutes, "text": text or None}
    return {"step": name, "at": _instant(minute)} | {name: value for name, value in said.items() if value is not None}


def _instant(minute: int) -> str:
    return instant_text(instant_of(minute))
