"""From tickets to records. Pure: what else GLPI tells of a ticket is handed in."""

from __future__ import annotations

from collections.abc import Iterable

from connector.sdk import EntityKind, InvalidRecord, Priority, SourceRef, TicketRecord, TicketState, Tombstone
from connector.sdk.cursors import read_instant
from connector.sdk.rest import ListedRow, LocationTree, valid
from connector_glpi.config import GlpiConfig
from connector_glpi.mapping import asset_ref
from connector_glpi.rows import EPOCH, Details, Item, Link, Member, Ticket, read_row
from connector_glpi.values import read_markup
from connector_glpi.words import ASSIGNED, CHILD_OF, DEVICE_TYPES, DUPLICATE_OF, REQUESTER, TYPES

LONGEST_TEXT = 65_536
MOST_RELATED = 1000
ENDED = (TicketState.RESOLVED, TicketState.CLOSED, TicketState.CANCELLED)


def ticket_ref(number: int) -> SourceRef:
    """A ticket by its id, which is its number, too."""
    return SourceRef(kind=EntityKind.TICKET, external_id=str(number))


def ticket_tombstone(row: ListedRow, config: GlpiConfig) -> Tombstone:
    """A ticket in the bin. Raises InvalidRecord."""
    ticket = read_row(Ticket, row, "ticket", config.time_zone)
    return Tombstone(ref=ticket_ref(ticket.id), updated_at=ticket.date_mod or read_instant(EPOCH))


def ticket_record(row: ListedRow, details: Details, places: LocationTree | None, config: GlpiConfig) -> TicketRecord:
    """A ticket. places: None where devices and places are not read of this GLPI. Raises InvalidRecord."""
    ticket = read_row(Ticket, row, "ticket", config.time_zone)
    state = _state(ticket, config)
    device = details.device
    item = _first_device(details.items)
    links = _links(ticket.id, details.links)
    site = places.of_location(ticket.location) if places is not None and ticket.location is not None else None
    return valid(
        lambda: TicketRecord(
            ref=ticket_ref(ticket.id),
            updated_at=ticket.date_mod or ticket.date_creation or read_instant(EPOCH),
            number=str(ticket.id),
            type=TYPES.get(ticket.type or 1, TYPES[1]),
            priority=_priority(ticket, config),
            state=state,
            title=ticket.name or "",
            description=_description(ticket),
            category=ticket.category_name,
            asset=asset_ref(*item) if item is not None and places is not None else None,
            asset_tag=device.otherserial if device else None,
            serial=device.serial if device else None,
            hostname=device.name if device else None,
            site=site if site is not None and site.kind is EntityKind.SITE else None,
            site_name=ticket.location_name,
            requester=_person(details.members, REQUESTER),
            assignee=_person(details.members, ASSIGNED),
            opened_at=ticket.date or ticket.date_creation,
            resolved_at=(ticket.solvedate or ticket.closedate) if state in ENDED else None,
            sla_due_at=ticket.time_to_resolve,
            url=config.page_of("ticket", ticket.id),
            **links,
        )
    )


def _first_device(items: Iterable[Item]) -> Item | None:
    """The device that a ticket is about: of several the one that was linked first."""
    return next((item for item in items if item.kind in DEVICE_TYPES), None)


def _description(ticket: Ticket) -> str | None:
    return read_markup(ticket.content)[:LONGEST_TEXT] or None if ticket.content else None


def _state(ticket: Ticket, config: GlpiConfig) -> TicketState:
    state = config.state_of(ticket.status)
    if state is None:
        raise InvalidRecord(
            f"ticket {ticket.id} has status {ticket.status}, which nobody gave a meaning to", path="/status",
            hint=f'Say what it means in the source\'s settings: ticket_states = {{ "{ticket.status}" = "on_hold" }}.',
        )  # fmt: skip
    return state


def _priority(ticket: Ticket, config: GlpiConfig) -> Priority | None:
    if ticket.priority is None:
        return None
    priority = config.priority_of(ticket.priority)
    if priority is None:
        raise InvalidRecord(
            f"ticket {ticket.id} has priority {ticket.priority}, which nobody gave a meaning to", path="/priority",
            hint=f'Say what it means in the source\'s settings: priorities = {{ "{ticket.priority}" = "P4" }}.',
        )  # fmt: skip
    return priority


def _person(members: Iterable[Member], role: int) -> str | None:
    """Of several the first; a group where there is no person."""
    of_role = [member for member in members if member.role == role]
    return next((each.name for each in sorted(of_role, key=lambda each: each.is_group)), None)


def _links(number: int, links: Iterable[Link]) -> dict[str, SourceRef | tuple[SourceRef, ...] | None]:
    """The tickets that it names. Of several parents, or originals, that with the lowest id counts; a child says itself
    whose it is.
    """
    others = sorted({link for link in links if link.other != number}, key=lambda link: link.other)
    parents = [link.other for link in others if link.kind == CHILD_OF]
    originals = [link.other for link in others if link.kind == DUPLICATE_OF]
    named = {*parents[:1], *originals[:1]}
    rest = sorted({link.other for link in others if link.kind == 1} | {*parents[1:], *originals[1:]})
    return {
        "parent": ticket_ref(parents[0]) if parents else None,
        "duplicate_of": ticket_ref(originals[0]) if originals else None,
        "related": tuple(ticket_ref(each) for each in rest if each not in named)[:MOST_RELATED] or None,
    }
