"""From user requests and incidents to records. Pure: what else iTop tells of a ticket is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connector.sdk import EntityKind, InvalidRecord, Priority, SourceRef, TicketRecord, TicketState, TicketType
from connector.sdk.markup import text_of_html
from connector.sdk.rest import ListedRow, LocationTree, valid
from connector_itop.config import ItopConfig
from connector_itop.mapping import ref_of
from connector_itop.rows import Affected, Caller, Device, Ticket, read_row
from connector_itop.words import TicketClass

LONGEST_TEXT = 65_536
ENDED = (TicketState.RESOLVED, TicketState.CLOSED, TicketState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Beside:
    """What a page of tickets refers to, by id. places: None where devices and places are not read of this iTop."""

    devices: Mapping[int, Device] = field(default_factory=dict)
    callers: Mapping[int, Caller] = field(default_factory=dict)
    places: LocationTree | None = None


def affected(ticket: Ticket) -> list[int]:
    """Configuration items of a ticket, those first that people have named; the impact analysis adds others."""
    named = [each for each in ticket.functionalcis_list if each.functionalci_id and not _is_excluded(each)]
    named.sort(key=lambda each: each.impact_code == "computed")
    return [each.functionalci_id for each in named if each.functionalci_id]


def _is_excluded(link: Affected) -> bool:
    return link.impact_code == "not_impacted"


def ticket_record(row: ListedRow, kind: TicketClass, beside: Beside, config: ItopConfig) -> TicketRecord:
    """A ticket. Raises InvalidRecord."""
    ticket = read_row(Ticket, row, "ticket", config)
    state = _state(ticket, config)
    device = next((beside.devices[each] for each in affected(ticket) if each in beside.devices), None)
    caller = beside.callers.get(ticket.caller_id or 0)
    is_cmdb = beside.places is not None
    parent, related = _links(ticket, kind)
    return valid(
        lambda: TicketRecord(
            ref=ref_of(EntityKind.TICKET, ticket.id),
            updated_at=ticket.last_update,
            number=ticket.ref or str(ticket.id),
            type=_type(ticket, kind),
            priority=_priority(ticket, config),
            state=state,
            title=ticket.title or "",
            description=text_of_html(ticket.description or "")[:LONGEST_TEXT] or None,
            category=ticket.servicesubcategory_name or ticket.service_name,
            asset=ref_of(EntityKind.ASSET, device.id) if device and is_cmdb else None,
            asset_tag=device.asset_number if device else None,
            serial=device.serialnumber if device else None,
            hostname=device.name if device else None,
            site=_site(caller, beside.places),
            site_name=caller.location_name if caller else None,
            requester=ticket.caller_id_friendlyname,
            assignee=ticket.agent_id_friendlyname or ticket.team_name,
            opened_at=ticket.start_date,
            resolved_at=(ticket.resolution_date or ticket.close_date) if state in ENDED else None,
            sla_due_at=ticket.ttr_escalation_deadline,
            parent=parent,
            related=related,
            url=config.page_of(kind, ticket.id),
        )
    )


def _site(caller: Caller | None, places: LocationTree | None) -> SourceRef | None:
    if caller is None or caller.location_id is None or places is None:
        return None
    place = places.of_location(caller.location_id)
    return place if place.kind is EntityKind.SITE else None


def _type(ticket: Ticket, kind: TicketClass) -> TicketType:
    """Without ITIL's incident management a user request says itself whether it is an incident."""
    is_request = kind == "UserRequest" and ticket.request_type != "incident"
    return TicketType.REQUEST if is_request else TicketType.INCIDENT


def _state(ticket: Ticket, config: ItopConfig) -> TicketState:
    state = config.state_of(ticket.status)
    if state is None:
        raise InvalidRecord(
            f"ticket {ticket.id} has status {ticket.status!r}, which nobody gave a meaning to", path="/status",
            hint=f'Say what it means in the source\'s settings: ticket_states = {{ "{ticket.status}" = "on_hold" }}.',
        )  # fmt: skip
    return state


def _priority(ticket: Ticket, config: ItopConfig) -> Priority | None:
    if ticket.priority is None:
        return None
    priority = config.priority_of(ticket.priority)
    if priority is None:
        raise InvalidRecord(
            f"ticket {ticket.id} has priority {ticket.priority!r}, which nobody gave a meaning to", path="/priority",
            hint=f'Say what it means in the source\'s settings: priorities = {{ "{ticket.priority}" = "P4" }}.',
        )  # fmt: skip
    return priority


def _links(ticket: Ticket, kind: TicketClass) -> tuple[SourceRef | None, tuple[SourceRef, ...] | None]:
    """Parent and related tickets; a child says itself whose it is. A request that an incident caused is its child
    where no other request is its parent.
    """
    own, other = ticket.parent_request_id, ticket.parent_incident_id
    if kind == "Incident":
        own, other = other, None
    parent = own or other
    related = [other] if other and other != parent else []
    return (
        ref_of(EntityKind.TICKET, parent) if parent else None,
        tuple(ref_of(EntityKind.TICKET, each) for each in related) or None,
    )
