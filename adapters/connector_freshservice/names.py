"""What an account calls its statuses, groups, agents, departments and custom fields of tickets. Pure.

One list tells all of them: the fields of the ticket form, with what can be chosen in each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connector.sdk import ConfigError, Invalid, SourceRef
from connector.sdk.answers import Theirs, read_answer

STATUS, PRIORITY, GROUP, AGENT, DEPARTMENT = "status", "priority", "group", "agent", "department"
OF_AGENTS = re.compile(r" \((?:Me|Deactivated)\)$")
"""What the list says of an agent beside the name."""


class _Field(Theirs):
    name: str
    label: str = ""
    field_type: str = ""
    default_field: bool = False
    choices: Any = None


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of tickets. choices: what can be chosen, by id; the values of a custom field are the texts."""

    name: str
    label: str
    kind: str
    is_custom: bool
    choices: Mapping[int, str]


class Form:
    """The fields of one workspace's tickets."""

    def __init__(self, fields: Iterable[FormField] = ()) -> None:
        self._fields = tuple(fields)
        self._choices = {each.name: each.choices for each in self._fields if not each.is_custom}

    def called(self, field: str, number: int | None) -> str | None:
        """The name of what was chosen in a field that every ticket has."""
        return None if number is None else self._choices.get(field, {}).get(number)

    def number(self, field: str, name: str) -> int | None:
        """What has this name, or number, in a field that every ticket has; None where there is no such thing."""
        wanted = name.strip().casefold()
        choices = self._choices.get(field, {})
        if is_id(wanted) and int(wanted) in choices:
            return int(wanted)
        return next((number for number, text in choices.items() if text.casefold() == wanted), None)

    def choices(self, field: str) -> tuple[str, ...]:
        """What can be chosen."""
        return tuple(self._choices.get(field, {}).values())

    def custom(self, name: str) -> FormField | None:
        """The custom field of a name or label; None when there is none, or several of the label."""
        found = [each for each in self._fields if each.is_custom and each.name == name]
        if not found:
            wanted = name.strip().casefold()
            found = [each for each in self._fields if each.is_custom and each.label.strip().casefold() == wanted]
        return found[0] if len(found) == 1 else None

    def require_fields(self, named: Mapping[str, str]) -> None:
        """Refuse settings that name custom fields which are not there, where fields are shown. Raises ConfigError."""
        wrong = [f"{setting} = {name!r}" for setting, name in named.items() if self.custom(name) is None]
        if wrong and self._fields:
            raise ConfigError(
                f"these settings name no custom field of tickets, or several of one label: {', '.join(sorted(wrong))}",
                operation="check", hint="Take the name from Admin, Field Manager, Ticket Fields.",
            )  # fmt: skip

    def require_statuses(self, named: Iterable[str]) -> None:
        """Refuse settings that name statuses which are not there. Raises ConfigError."""
        wrong = [repr(name) for name in named if self.number(STATUS, name) is None]
        if wrong:
            raise ConfigError(
                f"`ticket_states` or `written_states` name statuses that tickets cannot have: {', '.join(wrong)}",
                operation="check", hint=f"Freshservice has {', '.join(self.choices(STATUS))}.",
            )  # fmt: skip

    def writable(self, name: str, ticket: SourceRef) -> FormField:
        """The custom field to write. Raises Invalid."""
        found = self.custom(name)
        if found is not None:
            return found
        raise Invalid(
            f"tickets have no custom field {name!r}, or several of this label",
            operation="set fields", ref=ticket, fields={name: "no such field"},
            hint="Take the name or label from Admin, Field Manager, Ticket Fields.",
        )  # fmt: skip


def is_id(name: str) -> bool:
    """Whether a name is an id."""
    return name.isascii() and name.isdecimal() and len(name) < 19


def read_form(rows: Iterable[Any]) -> Form:
    """The fields of an answer. Raises UnexpectedResponse."""
    return Form(_field(read_answer(_Field, row, "read fields")) for row in rows)


def _field(told: _Field) -> FormField:
    choices = told.choices if isinstance(told.choices, list) else []
    found = {
        each["id"]: OF_AGENTS.sub("", str(each.get("value") or "")).strip()
        for each in choices
        if isinstance(each, dict) and isinstance(each.get("id"), int)
    }
    return FormField(told.name, told.label, told.field_type, not told.default_field, found)
