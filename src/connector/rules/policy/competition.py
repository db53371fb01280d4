"""Competition for scarce stock: who goes first, who may take what another ticket has, and how long anybody waits.

A ticket's rank is its priority, 1 for P1; units for rollouts rank below everything. Waiting raises a ticket's rank step
by step, never to that of P1. So tickets that wait are served in an order in which nobody waits for ever: see
docs/competition.md for the bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from connector.model.kinds import Priority, Protection
from connector.rules.policy.conditions import Condition, compile_condition
from connector.rules.policy.values import ConditionText, Part, no_repetition, not_empty


class Claimant(StrEnum):
    """Whose units may be taken: tickets of a priority, as waiting has raised it, or what is held for no incident.

    rollout: what is held for rollouts, and for transfers that fill up other hubs.
    """

    P2 = "P2"
    P3 = "P3"
    P4 = "P4"
    P5 = "P5"
    ROLLOUT = "rollout"


Rank: TypeAlias = int
"""1 for P1 to 5 for P5 and for tickets without priority, 6 for rollouts: lower goes first."""
ROLLOUT_RANK: Final[Rank] = 6
_LAST: Final[Rank] = 5

Releases = Annotated[tuple[Protection, ...], Field(examples=[["safety_stock"]]), AfterValidator(no_repetition)]
Hours = Annotated[float, Field(gt=0, le=24 * 365, examples=[24])]


class Preempt(Part):
    """Taking a unit that another ticket holds and that has not left its hub.

    over: whose. when: only for tickets of which this is true. at_most: how often one ticket may lose a unit to rules
    like this one, if that is less than `fairness.preempted_at_most`.
    """

    over: Annotated[
        tuple[Claimant, ...],
        Field(examples=[["P4", "P5", "rollout"]]),
        AfterValidator(not_empty),
        AfterValidator(no_repetition),
    ] = (Claimant.P3, Claimant.P4, Claimant.P5, Claimant.ROLLOUT)
    when: ConditionText | None = None
    at_most: Annotated[int, Field(ge=0, le=10, examples=[1])] | None = None

    @cached_property
    def condition(self) -> Condition | None:
        """The compiled `when`; None where it may be done for every ticket of the rule."""
        return None if self.when is None else compile_condition(self.when)


_AGEING: Final = {Priority.P3: 24.0, Priority.P4: 48.0, Priority.P5: 72.0}


class Fairness(Part):
    """How waiting and losing count.

    ageing_hours: after how many hours of waiting a ticket of a priority goes up to the next one; one without hours
    stays where it is. promotes_to: where going up ends. preempted_at_most: how often one ticket may lose a unit.
    """

    ageing_hours: Annotated[dict[Priority, Hours], Field(examples=[{"P3": 24, "P4": 48}])] = Field(
        default_factory=lambda: dict(_AGEING)
    )
    promotes_to: Annotated[Priority, Field(examples=["P2"])] = Priority.P2
    preempted_at_most: Annotated[int, Field(ge=0, le=10, examples=[1])] = 1

    @model_validator(mode="after")
    def _ends_below_the_top(self) -> Self:
        if self.promotes_to is Priority.P1:
            raise ValueError("promotes_to is P1: a ticket that has waited never passes a real P1; give P2 to P5")
        above = sorted(priority for priority in self.ageing_hours if rank_of(priority) <= rank_of(self.promotes_to))
        if "ageing_hours" in self.model_fields_set and above:
            raise ValueError(f"ageing_hours has {', '.join(above)}, but going up ends at {self.promotes_to}")
        return self

    def aged(self, priority: Priority | None, since: datetime, now: datetime) -> Rank:
        """The rank that a ticket has come to by waiting since a moment."""
        rank, top = rank_of(priority), rank_of(self.promotes_to)
        at = since
        while rank > top:
            hours = self.ageing_hours.get(_PRIORITIES[rank - 1])
            if hours is None or at + timedelta(hours=hours) > now:
                return rank
            at += timedelta(hours=hours)
            rank -= 1
        return rank


class Holds(Part):
    """How long units are held for a ticket that has not been decided on for good. longest_hours: from when it began."""

    longest_hours: Annotated[float, Field(gt=0, le=24 * 90, examples=[72])] = 72

    @property
    def longest(self) -> timedelta:
        """The same as a duration."""
        return timedelta(hours=self.longest_hours)


_PRIORITIES: Final = tuple(Priority)


def rank_of(priority: Priority | None) -> Rank:
    """The rank of a priority by itself; a ticket that has none is ranked as P5."""
    return _LAST if priority is None else _PRIORITIES.index(priority) + 1


@dataclass(frozen=True, slots=True)
class Waiting:
    """A ticket that waits for stock. since: when it was opened. losses: units of it that went to other tickets.

    is_red: it is in a red channel. region_rank: place of its region among those that get break-glass stock first.
    """

    ticket_id: int
    priority: Priority | None
    since: datetime
    losses: int = 0
    is_red: bool = False
    region_rank: int = 0


Place: TypeAlias = tuple[bool, Rank, bool, int, datetime, int]
"""What sorts tickets into the order in which they are served."""


def place_of(item: Waiting, fairness: Fairness, now: datetime) -> Place:
    """Red channels first, then by rank; of one rank those that lost a unit, then by region, then the oldest."""
    rank = fairness.aged(item.priority, item.since, now)
    return not item.is_red, rank, item.losses == 0, item.region_rank, item.since, item.ticket_id


def in_line(waiting: Iterable[Waiting], fairness: Fairness, now: datetime) -> list[Waiting]:
    """In the order in which they are served when stock arrives: total, and the same for the same facts."""
    return sorted(waiting, key=lambda item: place_of(item, fairness, now))
