"""Links of a ticket to others, which are no attributes of it: they are added to those that are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from connector.sdk import Invalid, InvalidRecord, NotFound, SetTicketFields, SourceRef, UnexpectedResponse
from connector_zammad.client import ZammadClient
from connector_zammad.mapping import read_links, ticket_ref
from connector_zammad.refusals import refused

LINKS: Final[Mapping[str, str]] = {"parent": "parent", "related": "normal"}
"""Fields that are links, by what Zammad calls what the other ticket is to this one."""
OPERATION: Final = "set fields"


class Wanted(NamedTuple):
    """A link that is to be. name: of the field. other: the ticket's id."""

    name: str
    other: int


async def missing_links(op: SetTicketFields, names: set[str], client: ZammadClient) -> list[Wanted]:
    """What is asked for and not there. names: of the fields that are links. Raises Invalid for what is no ticket."""
    wanted = [Wanted(name, other) for name in sorted(names) for other in _ids(op, name)]
    if not wanted:
        return []
    try:
        links = read_links(await client.links(int(op.ticket.external_id), OPERATION))
    except InvalidRecord as error:
        raise UnexpectedResponse(str(error), operation=OPERATION, ref=op.ticket) from error
    there = {(link.type, link.other) for link in links if link.kind == "Ticket"}
    return [each for each in wanted if (LINKS[each.name], each.other) not in there]


async def add_links(op: SetTicketFields, missing: list[Wanted], client: ZammadClient) -> None:
    """Add them, and look. Raises Invalid naming the field, OutcomeUnknown."""
    for name, other in missing:
        try:
            number = (await client.ticket(ticket_ref(other), OPERATION)).get("number")
        except NotFound:
            raise refusal_of(op.ticket, name, f"there is no ticket {other}") from None
        try:
            await client.add_link(op.ticket, LINKS[name], str(number), OPERATION)
        except Invalid as error:
            raise refused(error, [name]) from error
    if left := await missing_links(op, {each.name for each in missing}, client):
        raise refusal_of(op.ticket, left[0].name, "Zammad took the request and added no such link")


def refusal_of(ticket: SourceRef, name: str, why: str) -> Invalid:
    """The refusal of one field."""
    return Invalid(f"{OPERATION}: {name!r}: {why}", operation=OPERATION, ref=ticket, fields={name: why})


def _ids(op: SetTicketFields, name: str) -> list[int]:
    told = [each.removeprefix("#") for each in op.fields[name].replace(",", " ").split()]
    if not told or not all(each.isascii() and each.isdigit() and len(each) < 19 for each in told):
        raise refusal_of(op.ticket, name, f"{op.fields[name][:80]!r} is no id of a ticket")
    return [int(each) for each in told]
