"""Why a field has the value that it has: a source states it, a person overrode it, or somebody changed it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.model.kinds import ProvenanceBasis
from connector.model.refs import EntityKind
from connector.rules.golden.choosing import Choice, Precedence, Statement, Teller, choose
from connector.rules.golden.fields import Field

SPOKEN_FOR: Final = ("source:", "webhook:")
"""What the name of whoever changed something begins with where that was a source."""
WORKED_OUT: Final = "golden-record"
"""Who changes fields because the precedence has become another."""


@dataclass(frozen=True, slots=True)
class Change:
    """The newest change of a field here: when, by whom, and why."""

    at: datetime
    actor: str
    cause: str | None

    @property
    def source(self) -> str | None:
        """Name of the source that made it; None where no source did."""
        kind = next((kind for kind in SPOKEN_FOR if self.actor.startswith(kind)), None)
        return None if kind is None else self.actor.removeprefix(kind)


@dataclass(frozen=True, slots=True)
class Origin:
    """Why a field has its value, and since when.

    source: whose word it is; None where it is no source's. external_id: of the reference that states it now.
    actor, cause: who or what gave the field this value here.
    """

    basis: ProvenanceBasis
    source: str | None
    external_id: str | None
    actor: str
    cause: str | None
    at: datetime


def origin_of(
    kind: EntityKind,
    field: Field | None,
    values: tuple[Any, ...],
    *,
    told: Mapping[Teller, Statement],
    overridden: Change | None,
    change: Change | None,
    precedence: Precedence,
) -> Origin | None:
    """Why a field has these values; None when nobody knows any more.

    field: None for one that no source states. told: what is said of it. overridden: who says otherwise, if somebody
    does. change: the newest one that is known of.
    """
    if overridden is not None:
        by = overridden
        return Origin(ProvenanceBasis.OVERRIDDEN, None, None, by.actor, by.cause, by.at)
    choice = None if field is None else _holding(kind, field, values, told, change, precedence)
    if choice is not None:
        source, external_id = choice.teller
        heard = choice.statement.heard
        if change is None or (change.at < heard and change.source != source):
            return Origin(ProvenanceBasis.STATED, source, external_id, f"source:{source}", None, heard)
        at = max(heard, change.at)
        return Origin(ProvenanceBasis.STATED, source, external_id, change.actor, change.cause, at)
    if change is None:
        return None
    return Origin(ProvenanceBasis.CHANGED, change.source, None, change.actor, change.cause, change.at)


def _holding(
    kind: EntityKind,
    field: Field,
    values: tuple[Any, ...],
    told: Mapping[Teller, Statement],
    change: Change | None,
    precedence: Precedence,
) -> Choice | None:
    """The statement by which the field has these values; None where it has them because of something else."""
    same = {teller: statement for teller, statement in told.items() if statement.values == values}
    choice = choose(kind, field.name, told, precedence)
    if choice is None or choice.teller not in same:
        choice = choose(kind, field.name, same, precedence)
        is_news = change is not None and not _follows(change)
    else:
        # what is merely the same as what the hub did since is not what it was done for
        is_news = field.is_event and change is not None and not _follows(change) and change.at > choice.statement.heard
    return None if is_news else choice


def _follows(change: Change) -> bool:
    """Whether it was made because of what sources state."""
    return change.source is not None or change.actor == WORKED_OUT
