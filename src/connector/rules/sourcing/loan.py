"""What a decision says of a loan: the unit that bridges the time until the replacement is there, or why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from connector.model.frozen import frozen
from connector.rules.arrival.timetable import instant_text
from connector.rules.sourcing.candidate import Candidate, Losers, recorded_of
from connector.rules.sourcing.picks import Pick


class LoanOutcome(StrEnum):
    """What becomes of a loan. kept: the ticket has one. given_back: one that has not left is not needed any more."""

    LENT = "lent"
    KEPT = "kept"
    GIVEN_BACK = "given_back"
    NONE = "none"


@frozen
class Loan:
    """A loan in a decision. text: why, for people. pick, candidates, losers: of one that is lent now, as of a decision.

    due_back_at: when it is due back at the latest. return_days: within which it is due back once the replacement is
    there. held_until: until when its claim is held.
    """

    outcome: LoanOutcome
    text: str
    pick: Pick | None = None
    candidates: Sequence[Candidate] = ()
    losers: Sequence[Losers] = ()
    due_back_at: datetime | None = None
    return_days: int = 0
    held_until: datetime | None = None

    def recorded(self) -> dict[str, Any]:
        """As JSON values, of which `connector.rules.sourcing.told` makes what people and programs read."""
        return {
            "outcome": self.outcome.value,
            "text": self.text,
            "due_back_at": instant_text(self.due_back_at) if self.due_back_at else None,
            "return_days": self.return_days,
            "candidates": recorded_of(self.candidates),
            "losers": [losers.recorded() for losers in self.losers],
        }
