"""A second unit for a ticket whose first one is in trouble: only where it still helps. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connector.rules.facts.standing import Recovery
from connector.rules.sourcing.candidate import Candidate
from connector.rules.sourcing.decision import Decision, Outcome, Reason

_NOTHING: Mapping[str, Any] = {
    "picks": (), "orders": (), "approval": None, "awaits": None, "authorisation": "", "drawn": {}, "taken_from": (),
}  # fmt: skip
"""What a decision says of units, where it takes none."""


def recovered(decision: Decision, recovery: Recovery) -> Decision:
    """A decision about a ticket as if nothing had been sent, made one about its second unit.

    The best candidate that helps is taken; without one a person is asked.
    """
    explained = replace(decision, recovery=recovery.explained())
    if decision.outcome is Outcome.PROCURE or decision.orders:
        text = f"No hub has a second unit. {decision.text} It is not ordered by itself: a person decides."
        return replace(explained, outcome=Outcome.REVIEW, reason=Reason.RECOVERY_TOO_LATE, text=text, **_NOTHING)
    if decision.outcome is not Outcome.RESERVE:
        return explained
    first = max(pick.arrives_at for pick in decision.picks)
    helping = [decision.candidates[0]] if recovery.helps(first) else _helping(decision, recovery)
    if not helping:
        sooner = f"{recovery.gain // timedelta(minutes=1)} min sooner" if recovery.gain else "sooner"
        text = (
            f"{recovery.shipment[0].upper()}{recovery.shipment[1:]} is in trouble ({recovery.trouble.value}). "
            f"{recovery.text} A second unit does not help: none arrives {sooner}, the best at {_text(first)}."
        )
        return replace(explained, outcome=Outcome.REVIEW, reason=Reason.RECOVERY_TOO_LATE, text=text, **_NOTHING)
    chosen = helping[0]
    text = (
        f"A second unit: {recovery.shipment} is in trouble ({recovery.trouble.value}). {recovery.text} "
        f"{chosen.hub} restores it at {_text(chosen.arrives_at)}."
    )
    if chosen is decision.candidates[0]:
        return replace(explained, reason=Reason.RECOVERY, text=text)
    others = [replace(item, why=item.why or "arrives too late to help") for item in decision.candidates]
    pick = replace(
        decision.picks[0],
        hub_id=chosen.hub_id,
        product_id=chosen.product_id,
        lane=chosen.lane,
        arrives_at=chosen.arrives_at,
    )
    candidates = (replace(chosen, why=""), *(item for item in others if item.hub_id != chosen.hub_id))
    return replace(explained, reason=Reason.RECOVERY, text=text, candidates=candidates, picks=(pick,))


def _helping(decision: Decision, recovery: Recovery) -> Sequence[Candidate]:
    """Those candidates that help where the best one does not; none where they are not simply free, or take a kit."""
    if len(decision.picks) != 1 or decision.taken_from or decision.drawn or decision.kit is not None:
        return ()
    return [item for item in decision.candidates if recovery.helps(item.arrives_at)]


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}Z"
