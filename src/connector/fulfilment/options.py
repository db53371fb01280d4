"""What a customer decides about fulfilment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from string import Formatter

from connector.model.errors import InvalidConfiguration
from connector.model.kinds import LabelFormat
from connector.model.lifecycle import TicketState

PLACEHOLDERS = frozenset(
    {
        "reservation", "shipment", "ticket", "product", "serial", "asset_tag", "hub", "site", "arrival", "carrier",
        "tracking_number", "tracking_url",
    }
)  # fmt: skip
"""What a custom field's text may contain in braces."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between attempts: `first`, then twice as long each time, at most `longest`.

    unexpected: attempts of a step that fails in a way nobody foresaw. told_after: attempts after which a person
    is told that a step does not get on; it is tried on all the same.
    """

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=5)
    unexpected: int = 6
    told_after: int = 6

    def wait(self, attempt: int) -> timedelta:
        """How long to wait after attempt number `attempt`, the first being 1."""
        return min(self.longest, self.first * (1 << min(attempt - 1, 30)))


@dataclass(frozen=True, slots=True)
class TicketWrites:
    """What is written to the tickets of one source beside the note.

    fields: custom field -> text with placeholders, for example `{"Tracking": "{tracking_number}"}`; a field whose
    text comes out empty is not written. state: the state that a ticket is moved to, None leaves it alone.
    Raises InvalidConfiguration for a placeholder that does not exist.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    state: TicketState | None = None

    def __post_init__(self) -> None:
        problems = tuple(
            f"field {name!r}: {problem}" for name, text in self.fields.items() for problem in _problems(text)
        )
        if problems:
            raise InvalidConfiguration(
                "ticket fields cannot be used: " + "; ".join(problems),
                problems=problems,
                hint=f"Placeholders are {', '.join(sorted(PLACEHOLDERS))}.",
            )


@dataclass(frozen=True, slots=True)
class FulfilmentOptions:
    """Settings of fulfilment.

    courier: name of the source that carries parcels; None when there is none. default_weight_g: of a product whose
    weight the catalogue does not know. ticket_writes: by name of the ticket's source. lanes_asked_ahead: how many lanes
    the courier is asked about beforehand, each hour.
    """

    courier: str | None = None
    label_format: LabelFormat = LabelFormat.PDF
    default_weight_g: int = 5_000
    notes_are_public: bool = True
    ticket_writes: Mapping[str, TicketWrites] = field(default_factory=dict)
    backoff: Backoff = Backoff()
    lanes_asked_ahead: int = 0


def _problems(text: str) -> list[str]:
    try:
        names = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError as error:
        return [f"{text!r} cannot be read ({error})"]
    return [f"placeholder {name!r} is not known" for name in names if name not in PLACEHOLDERS]
