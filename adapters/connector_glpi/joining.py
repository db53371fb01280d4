"""Who a ticket is assigned to and which tickets it is linked to: rows of their own, added to what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from connector.sdk import Invalid, SetTicketFields, SourceRef
from connector.sdk.rest import ListedRow
from connector_glpi.api import Api
from connector_glpi.words import CHILD_OF, DUPLICATE_OF

Actor: TypeAlias = Literal["User", "Group"]

ACTORS: Final[Mapping[str, Actor]] = {"assignee": "User", "assigned_group": "Group"}
LINKS: Final[Mapping[str, int]] = {"parent": CHILD_OF, "duplicate_of": DUPLICATE_OF, "related": 1}
"""What a ticket may be linked to, by GLPI's number of the link."""
JOINED: Final = frozenset({*ACTORS, *LINKS})
OPERATION: Final = "set fields"


class Joined(NamedTuple):
    """A person, group or ticket that belongs to a ticket. name: of the field that asks for it."""

    name: str
    number: int


class Joining:
    """Adds them, for a writer."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def missing(self, op: SetTicketFields, row: ListedRow) -> list[Joined]:
        """What is asked for and not so yet. Raises Invalid for who or what cannot be meant."""
        wanted = [each for name in op.fields if name in JOINED for each in await self._wanted(op, name)]
        assigned = await self._api.assigned(row, OPERATION) if any(each.name in ACTORS for each in wanted) else ()
        links = await self._api.links(row, OPERATION) if any(each.name in LINKS for each in wanted) else ()
        there = {(kind, number) for kind, number in assigned} | {(link.kind, link.other) for link in links}
        return [each for each in wanted if (ACTORS.get(each.name) or LINKS[each.name], each.number) not in there]

    async def add(self, op: SetTicketFields, joined: Joined) -> None:
        """Add one. Raises Invalid, OutcomeUnknown."""
        actor = ACTORS.get(joined.name)
        if actor is not None:
            await self._api.assign(op.ticket, actor, joined.number, OPERATION)
        else:
            await self._api.link(op.ticket, LINKS[joined.name], joined.number, OPERATION)

    async def _wanted(self, op: SetTicketFields, name: str) -> list[Joined]:
        text = op.fields[name].strip()
        actor = ACTORS.get(name)
        if actor is not None:
            number = int(text) if _is_number(text) else await self._api.actor(actor, text, OPERATION)
            if number is None:
                raise refused(op.ticket, name, f"GLPI knows no {actor.lower()} {text[:80]!r}")
            return [Joined(name, number)]
        numbers = [each.removeprefix("#") for each in text.replace(",", " ").split()]
        if not numbers or not all(map(_is_number, numbers)):
            raise refused(op.ticket, name, f"{text[:80]!r} is no number of a ticket")
        return [Joined(name, int(each)) for each in numbers]


def refused(ticket: SourceRef, name: str, why: str) -> Invalid:
    """The refusal of one field."""
    return Invalid(f"{OPERATION}: {name!r}: {why}", operation=OPERATION, ref=ticket, fields={name: why})


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19
