"""One policy over a history: tickets open, the rules choose, units leave, ordered ones arrive.

Every unit that leaves a shelf is ordered anew for that shelf and arrives after a lead time, sampled by a seed that
names shelf and order, so that two policies that use the same shelf meet the same deliveries. Tickets for which there
was nothing wait, and are decided anew when a unit that could serve them arrives, a red channel opens for them, or
another ticket about the same failure is served. What time brings happens in its order: deliveries, then channels that
open, then events that nobody has answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from connector.planning.history import LeadTimes, PastTicket, order_of
from connector.planning.kin import kinship
from connector.planning.measures import Replay, Tally
from connector.planning.run import Run
from connector.rules.arrival.timetable import minute_at_or_after
from connector.rules.facts.scene import Scene
from connector.rules.policy.document import Policy


def replay(
    tickets: Iterable[PastTicket], scene: Scene, policies: Sequence[Policy], *, lead_times: LeadTimes, seed: int = 0
) -> list[Replay]:
    """Run each policy over tickets, in the order in which they were opened.

    The same arguments give the same replays, in whatever order the tickets are given. The policies advance together,
    ticket by ticket, so that conditions that they share are evaluated once.
    """
    ordered = sorted(tickets, key=order_of)
    if not ordered:
        return [Replay(p.version, p.sourcing.currency, Tally().measures(0), {}, ()) for p in policies]
    begin, end = int(ordered[0].opened_at.timestamp()) // 60, minute_at_or_after(ordered[-1].opened_at)
    kin = kinship(ordered)
    runs = [
        Run(scene, _replayable(policy, scene), kin, lead_times, seed, begin, max(end, begin + 1)) for policy in policies
    ]
    for number, past in enumerate(ordered):
        for run in runs:
            run.step(number, past)
    return [run.finish() for run in runs]


def _replayable(policy: Policy, scene: Scene) -> Policy:
    """The policy without what is not replayed: of which revision units were; how good data was that nobody measured."""
    scores = [product.data_quality for product in scene.products.values()]
    scores += [place.site.data_quality for place in scene.places]
    is_measured = any(score is not None for score in scores)
    return policy.model_copy(
        update={
            "rules": tuple(
                rule.model_copy(
                    update={
                        "same_revision_only": False,
                        "allow_substitutes": rule.takes_substitutes,
                        "min_data_quality": rule.min_data_quality if is_measured else None,
                    }
                )
                for rule in policy.rules
            )
        }
    )  # fmt: skip
