"""Which statement of a field holds: the first source of the stated precedence that still knows, else the last word."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

from connector.model.kinds import GoldenReason
from connector.model.refs import EntityKind

Teller: TypeAlias = tuple[str, str]
"""A reference: name of the source, and what it calls the thing."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

EVERY_KIND = "default"
"""Under which the configuration names the order that holds where no other is named."""


class Statement(NamedTuple):
    """What a reference says of a field. values: of the field's columns, as JSON has them; one of them is not None.

    said: microseconds since 1970 at which the hub first heard it, later for what was said later. version: the
    source's own time of the record that brought it, None where it tells none.
    """

    values: tuple[Any, ...]
    said: int
    version: int | None = None

    @property
    def heard(self) -> datetime:
        """The instant at which the hub first heard it."""
        return _EPOCH + timedelta(microseconds=self.said)

    @property
    def updated(self) -> datetime | None:
        """The source's own time of the record that brought it."""
        return None if self.version is None else _EPOCH + timedelta(microseconds=self.version)


Said: TypeAlias = dict[str, Statement]
"""Field -> what a reference says of it."""


@dataclass(frozen=True, slots=True)
class Precedence:
    """Who goes before whom. orders: `kind`, `kind.field` or `default` -> names of sources, the first one first.

    lapsed: sources that have not been heard of for longer than they are believed; they yield to every other.
    """

    orders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lapsed: frozenset[str] = frozenset()

    def rank(self, kind: EntityKind, name: str, source: str) -> int | None:
        """Place of a source for a field, 0 for the first; None for one that is not listed, which comes after all."""
        orders = self.orders
        order = orders.get(f"{kind.value}.{name}", orders.get(kind.value, orders.get(EVERY_KIND, ())))
        return order.index(source) if source in order else None

    def yields(self, kind: EntityKind, name: str, source: str, others: Collection[str]) -> bool:
        """Whether what a source says of an event does not count, because of these that say something of it, too."""
        own = self.rank(kind, name, source)
        ranks = (self.rank(kind, name, other) for other in others if other != source and other not in self.lapsed)
        return any(rank is not None and (own is None or rank < own) for rank in ranks)


NO_PRECEDENCE = Precedence()


@dataclass(frozen=True, slots=True)
class Choice:
    """The statement that holds, whose it is, and why."""

    teller: Teller
    statement: Statement
    reason: GoldenReason


def choose(
    kind: EntityKind, name: str, told: Mapping[Teller, Statement], precedence: Precedence, *, heard: str | None = None
) -> Choice | None:
    """What holds of what is said of a field; None when nothing is said.

    heard: a source that speaks at this moment, so it has not lapsed. Of several references of the source that goes
    first, the one that said it last holds.
    """
    if not told:
        return None
    if len(told) == 1:
        [(teller, statement)] = told.items()
        return Choice(teller, statement, GoldenReason.ONLY)
    lapsed = precedence.lapsed - {heard}
    fresh = {teller: one for teller, one in told.items() if teller[0] not in lapsed} or told
    ranks = {teller: precedence.rank(kind, name, teller[0]) for teller in told}
    first = min(rank for rank in (*(ranks[teller] for teller in fresh), _LAST) if rank is not None)
    candidates = {teller: one for teller, one in fresh.items() if first in (ranks[teller], _LAST)}
    teller = max(candidates, key=lambda each: (candidates[each].said, each))
    if any(_goes_before(ranks[other], first) for other in told.keys() - fresh.keys()):
        reason = GoldenReason.FRESHNESS
    else:
        reason = GoldenReason.LAST_SAID if first == _LAST else GoldenReason.PRECEDENCE
    return Choice(teller, candidates[teller], reason)


_LAST = 1_000_000
"""The place of every source that is not listed."""


def _goes_before(rank: int | None, first: int) -> bool:
    return first == _LAST if rank is None else rank < first
