"""Two policies over the same history, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from connector.planning.history import LeadTimes, PastTicket
from connector.planning.measures import Measures, Replay
from connector.planning.replay import replay
from connector.rules.facts.scene import Scene
from connector.rules.policy.reading import Policy


@dataclass(frozen=True, slots=True)
class Backtest:
    """against: the policy to compare with; new: the one that is tried."""

    seed: int
    against: Replay
    new: Replay

    def content(self) -> dict[str, Any]:
        """Everything as JSON values, the same for the same arguments."""
        return {"seed": self.seed, "against": _content(self.against), "new": _content(self.new)}


def backtest(
    tickets: Iterable[PastTicket], scene: Scene, *, new: Policy, against: Policy, lead_times: LeadTimes, seed: int = 0
) -> Backtest:
    """Replay a history under two policies, from the same stock and with the same deliveries."""
    of_against, of_new = replay(tickets, scene, [against, new], lead_times=lead_times, seed=seed)
    return Backtest(seed, against=of_against, new=of_new)


def _content(replayed: Replay) -> dict[str, Any]:
    return {
        "policy_version": replayed.policy_version,
        "currency": replayed.currency,
        "total": _measures(replayed.total),
        "regions": {name: _measures(measures) for name, measures in replayed.regions.items()},
        "days": [{**asdict(day), "day": day.day.isoformat()} for day in replayed.days],
    }


def _measures(measures: Measures) -> dict[str, int | float | None]:
    return dict(measures.items())
