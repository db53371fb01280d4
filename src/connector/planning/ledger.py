"""What is counted while a replay runs: in total, by region, day by day."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime

from connector.planning.given import Parcels
from connector.planning.history import PastTicket
from connector.planning.measures import Day, Tally
from connector.rules.arrival.timetable import minute_at_or_after
from connector.rules.sourcing.loan import Loan


class Ledger:
    """The tallies of a run. Each counts `times`; -1 takes back what was counted."""

    def __init__(self) -> None:
        self.total = Tally()
        self.regions: defaultdict[str, Tally] = defaultdict(Tally)
        self._days: dict[date, list[int]] = {}

    def of(self, past: PastTicket) -> tuple[Tally, Tally]:
        """The tallies that a ticket counts in."""
        return self.total, self.regions[past.region]

    def needs(self, past: PastTicket, *, has_due: bool, times: int = 1) -> None:
        """A ticket needs hardware of its own."""
        for tally in self.of(past):
            tally.needing += times
            tally.due += times * has_due
        self._day_of(past)[0] += times * has_due

    def stock_out(self, past: PastTicket, times: int = 1) -> None:
        """Nothing was there for it when it was opened."""
        for tally in self.of(past):
            tally.stock_outs += times
        self._day_of(past)[2] += times

    def joined(self, past: PastTicket, *, has_due: bool) -> None:
        """A ticket that was counted as needing hardware of its own has it with another."""
        self.needs(past, has_due=has_due, times=-1)
        for tally in self.of(past):
            tally.joined += 1

    def parcels(self, past: PastTicket, parcels: Parcels, times: int = 1) -> None:
        """Parcels are sent."""
        for tally in self.of(past):
            tally.freight_cents += times * parcels.freight_cents
            tally.driven += times * parcels.driven
            tally.break_glass += times * parcels.break_glass
            tally.emergency_shipments += times * parcels.emergency_shipments

    def lent(self, past: PastTicket, loan: Loan) -> None:
        """A unit bridges the time until the replacement is there."""
        for tally in self.of(past):
            tally.loans += 1
            tally.freight_cents += loan.candidates[0].cost_cents

    def served(self, past: PastTicket, arrives: datetime, *, is_in_time: bool, times: int = 1) -> None:
        """A ticket has all that it needs."""
        minutes = minute_at_or_after(arrives) - minute_at_or_after(past.opened_at)
        for tally in self.of(past):
            tally.served += times
            tally.in_time += times * is_in_time
            tally.restore_minutes += times * minutes
        self._day_of(past)[1] += times * is_in_time

    def day(self, day: date, *, units: int, cents: int) -> Day:
        """A day, with the stock at its end."""
        due, in_time, stock_outs = self._days.get(day, (0, 0, 0))
        return Day(day, due, in_time, stock_outs, stock_units=units, stock_cents=cents)

    def _day_of(self, past: PastTicket) -> list[int]:
        """Tickets due, restored in time, and stock-outs, of the day on which one was opened."""
        return self._days.setdefault(past.opened_at.astimezone(UTC).date(), [0, 0, 0])
