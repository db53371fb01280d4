"""What a replay is judged by. Each measure has one definition, here and in docs/backtest.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

MEASURES: Mapping[str, str] = {
    "tickets": "tickets",
    "needing": "needed hardware",
    "joined": "had a unit with another",
    "held": "waited for an event",
    "reviews": "left to a person",
    "sla_attainment": "SLA attainment",
    "stock_outs": "stock-outs",
    "unserved": "never served",
    "preempted": "lost a unit to a more urgent ticket",
    "loans": "units lent",
    "emergency_shipments": "emergency shipments",
    "driven": "of these by car",
    "break_glass": "of these break-glass",
    "freight_cents": "freight",
    "capital_cents": "capital tied up",
    "hours_to_restore": "mean hours to restore",
}
"""Name of a measure in files -> what people call it."""

MONEY = frozenset({"freight_cents", "capital_cents"})


@dataclass(slots=True)
class Tally:
    """What is counted while a replay runs.

    due: tickets with a due time that needed hardware; in_time: those of them restored by then. value_minutes: cents
    on the shelves times the minutes that they lay there.
    """

    tickets: int = 0
    needing: int = 0
    joined: int = 0
    held: int = 0
    reviews: int = 0
    due: int = 0
    in_time: int = 0
    stock_outs: int = 0
    served: int = 0
    preempted: int = 0
    loans: int = 0
    emergency_shipments: int = 0
    driven: int = 0
    break_glass: int = 0
    freight_cents: int = 0
    restore_minutes: int = 0
    value_minutes: int = 0

    def measures(self, minutes: int) -> Measures:
        """The measures, of a replay that covers so many minutes."""
        return Measures(
            tickets=self.tickets,
            needing=self.needing,
            joined=self.joined,
            held=self.held,
            reviews=self.reviews,
            sla_attainment=self.in_time / self.due if self.due else None,
            stock_outs=self.stock_outs,
            unserved=self.needing - self.served,
            preempted=self.preempted,
            loans=self.loans,
            emergency_shipments=self.emergency_shipments,
            driven=self.driven,
            break_glass=self.break_glass,
            freight_cents=self.freight_cents,
            capital_cents=round(self.value_minutes / minutes) if minutes else 0,
            hours_to_restore=self.restore_minutes / 60 / self.served if self.served else None,
        )


@dataclass(frozen=True, slots=True)
class Measures:
    """The measures of a replay, in total or of a region; None where there is nothing to measure.

    sla_attainment: share, 0 to 1. Money in cents of the policy's currency.
    """

    tickets: int
    needing: int
    joined: int
    held: int
    reviews: int
    sla_attainment: float | None
    stock_outs: int
    unserved: int
    preempted: int
    loans: int
    emergency_shipments: int
    driven: int
    break_glass: int
    freight_cents: int
    capital_cents: int
    hours_to_restore: float | None

    def items(self) -> Iterator[tuple[str, int | float | None]]:
        """Name and value of each, rounded so that equal replays give equal texts."""
        for name in MEASURES:
            value = getattr(self, name)
            yield name, round(value, 6) if isinstance(value, float) else value


@dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC) of a replay: tickets opened on it, and the stock at its end. stock_cents: its value."""

    day: date
    due: int
    in_time: int
    stock_outs: int
    stock_units: int
    stock_cents: int


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of one policy. regions: of the tickets' sites, for capital of the hubs; "" for those without."""

    policy_version: str
    currency: str
    total: Measures
    regions: dict[str, Measures]
    days: tuple[Day, ...]
