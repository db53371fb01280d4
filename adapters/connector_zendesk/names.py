"""What an account calls its custom fields and statuses. Pure.

Both are known by ids; people, and the settings, know them by title or label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.sdk import ConfigError, Invalid, SourceRef
from connector.sdk.answers import Theirs, read_answer
from connector_zendesk.config import STATES

SYSTEM = frozenset(
    {"subject", "description", "status", "tickettype", "priority", "basic_priority", "group", "assignee",
     "custom_status"}
)  # fmt: skip
"""Types of the fields that every ticket has, which the list tells as well."""
HINT = "Take the title or the id from Zendesk: Admin Center, Objects and rules, Tickets."


class Option(Theirs):
    """What can be chosen in a drop-down. value: the tag that is kept."""

    name: str = ""
    value: str


class TicketField(Theirs):
    """A field of tickets."""

    id: int
    type: str
    title: str = ""
    active: bool = True
    custom_field_options: tuple[Option, ...] | None = None


class Status(Theirs):
    """A status, one of Zendesk's own or of the account's."""

    id: int
    status_category: str
    agent_label: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Names:
    """Custom fields and statuses, as far as they were asked for."""

    fields: tuple[TicketField, ...] = ()
    statuses: Mapping[int, Status] = field(default_factory=dict)

    def field_id(self, name: str) -> int | None:
        """The id of a custom field, given by id or title; None when there is none, or more than one."""
        if is_id(name):
            return int(name)
        found = self.titled(name)
        return found[0].id if len(found) == 1 else None

    def titled(self, name: str) -> tuple[TicketField, ...]:
        """The custom fields of an id or title."""
        if is_id(name):
            return tuple(each for each in self.fields if each.id == int(name))
        wanted = name.strip().casefold()
        return tuple(each for each in self.fields if each.title.strip().casefold() == wanted)

    def status(self, name: str) -> Status | None:
        """The custom status of an id or label."""
        wanted = name.strip().casefold()
        for each in self.statuses.values():
            if str(each.id) == wanted or each.agent_label.strip().casefold() == wanted:
                return each
        return None

    def require_fields(self, named: Mapping[str, str]) -> None:
        """Refuse settings that name fields which are not there, or names of several. Raises ConfigError."""
        wrong = [f"{setting} = {name!r}" for setting, name in named.items() if len(self.titled(name)) != 1]
        if wrong:
            raise ConfigError(
                f"these settings name no custom field, or several of one title: {', '.join(sorted(wrong))}",
                operation="check", hint=HINT,
            )  # fmt: skip

    def require_statuses(self, named: Iterable[str]) -> None:
        """Refuse settings that name custom statuses which are not in use. Raises ConfigError."""
        wrong = [repr(name) for name in named if (found := self.status(name)) is None or not found.active]
        if wrong:
            raise ConfigError(
                f"`states` or `statuses` name statuses that are not in use: {', '.join(wrong)}",
                operation="check",
                hint=f"Zendesk has {', '.join(STATES)} and {', '.join(s.agent_label for s in self.statuses.values())}.",
            )

    def writable(self, name: str, ticket: SourceRef) -> TicketField:
        """The custom field to write. Raises Invalid."""
        found = [each for each in self.titled(name) if each.active]
        if len(found) == 1:
            return found[0]
        why = "several fields have this title" if found else "no such field"
        raise Invalid(
            f"tickets have {len(found)} active custom fields {name!r}",
            operation="set fields", ref=ticket, fields={name: why}, hint=HINT,
        )  # fmt: skip


def is_id(name: str) -> bool:
    """Whether a name is an id."""
    return name.isascii() and name.isdigit()


def read_fields(rows: Iterable[Any]) -> tuple[TicketField, ...]:
    """The custom fields among those of an answer. Raises UnexpectedResponse."""
    read = (read_answer(TicketField, row, "read fields") for row in rows)
    return tuple(each for each in read if each.type not in SYSTEM)


def read_statuses(rows: Iterable[Any]) -> dict[int, Status]:
    """The statuses of an answer by id. Raises UnexpectedResponse."""
    return {each.id: each for each in (read_answer(Status, row, "read statuses") for row in rows)}
