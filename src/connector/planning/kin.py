"""Tickets of a history that are about one failure: about the same device, duplicates, parts of one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from connector.model.lifecycle import ReservationState, TicketState
from connector.planning.history import PastTicket
from connector.rules.arrival.timetable import minute_at_or_after
from connector.rules.facts.standing import NO_LINKS, LinkedTicket, Links, Relief


@dataclass(frozen=True, slots=True)
class Sent:
    """What a ticket was given. left: the minute at which it left its hub; arrives: the one at which it is there."""

    relief: Relief
    left: int
    arrives: int


@dataclass(frozen=True, slots=True)
class Kinship:
    """Who belongs to whom in a history, by the ids of tickets; the same for every policy.

    devices: device to the tickets about it, where there are several. duplicate_of, parent_of: as the ticket system
    states it; children: the other way. families: ticket to all that are duplicates of each other, itself included.
    """

    tickets: Mapping[int, PastTicket]
    devices: Mapping[int, Sequence[int]]
    duplicate_of: Mapping[int, int]
    parent_of: Mapping[int, int]
    children: Mapping[int, Sequence[int]]
    families: Mapping[int, Sequence[int]]

    def of(self, past: PastTicket) -> set[int]:
        """Tickets that may have, or may share, what this one has."""
        ticket_id = past.ticket.id
        found = set(self.families.get(ticket_id, ()))
        if past.asset is not None:
            found.update(self.devices.get(past.asset.id, ()))
        if ticket_id in self.parent_of:
            found.add(self.parent_of[ticket_id])
        found.update(self.children.get(ticket_id, ()))
        found.discard(ticket_id)
        return found


def kinship(tickets: Iterable[PastTicket]) -> Kinship:
    """Who belongs to whom. A link to a ticket that the history does not have leads nowhere, one to itself neither."""
    known = {past.ticket.id: past for past in tickets}
    ids = {past.ticket.number: ticket_id for ticket_id, past in known.items()}
    devices: dict[int, list[int]] = defaultdict(list)
    duplicate_of: dict[int, int] = {}
    parent_of: dict[int, int] = {}
    for ticket_id, past in known.items():
        if past.asset is not None:
            devices[past.asset.id].append(ticket_id)
        for links, number in ((duplicate_of, past.duplicate_of), (parent_of, past.parent)):
            other = ids.get(number) if number else None
            if other is not None and other != ticket_id:
                links[ticket_id] = other
    children: dict[int, list[int]] = defaultdict(list)
    for child, parent in parent_of.items():
        children[parent].append(child)
    shared = {device: items for device, items in devices.items() if len(items) > 1}
    return Kinship(known, shared, duplicate_of, parent_of, dict(children), _families(duplicate_of))


def _families(duplicate_of: Mapping[int, int]) -> dict[int, Sequence[int]]:
    near: dict[int, set[int]] = defaultdict(set)
    for ticket_id, master in duplicate_of.items():
        near[ticket_id].add(master)
        near[master].add(ticket_id)
    families: dict[int, Sequence[int]] = {}
    for start in sorted(near):
        if start in families:
            continue
        members, left = {start}, [start]
        while left:
            new = near[left.pop()] - members
            members |= new
            left += new
        family = sorted(members)
        families |= dict.fromkeys(family, family)
    return families


class Kin:
    """What the tickets of a run know of each other: who was opened, and what has been sent for whom.

    A ticket counts as open from its opening until what it was given is there: a history does not say when it was
    closed. What has left its hub before another ticket was opened does not relieve that one, as in operation.
    """

    def __init__(self, kinship: Kinship) -> None:
        self._kinship = kinship
        self._opened: set[int] = set()
        self._sent: dict[int, Sent] = {}

    @property
    def served(self) -> Mapping[int, Sent]:
        """What has been sent, by ticket."""
        return self._sent

    def open(self, past: PastTicket) -> None:
        """A ticket is opened."""
        self._opened.add(past.ticket.id)

    def give(self, past: PastTicket, hub: str, *, left: int, arrives: int) -> None:
        """A ticket was given a unit."""
        relief = Relief(past.ticket.number, past.ticket.id, ReservationState.HELD, hub)
        self._sent[past.ticket.id] = Sent(relief, left, arrives)

    def take(self, past: PastTicket) -> None:
        """A ticket has lost what it was given."""
        del self._sent[past.ticket.id]

    def relief(self, past: PastTicket) -> Relief | None:
        """What another ticket about the same device has, or was sent after this one was opened; the oldest."""
        if past.asset is None:
            return None
        others = self._kinship.devices.get(past.asset.id, ())
        found = [self._relief(other, past) for other in others if other != past.ticket.id]
        return min((r for r in found if r is not None), key=lambda relief: relief.reservation_id, default=None)

    def links(self, past: PastTicket, minute: int) -> Links:
        """What the ticket system says of a ticket and others, as far as they are opened."""
        ticket_id, kinship = past.ticket.id, self._kinship
        family = [other for other in kinship.families.get(ticket_id, ()) if other in self._opened]
        parent = kinship.parent_of.get(ticket_id)
        if len(family) < 2 and parent not in self._opened:
            return NO_LINKS
        return Links(
            family=tuple(self._linked(other, past, minute) for other in family) if len(family) > 1 else (),
            parent=self._linked(parent, past, minute) if parent is not None and parent in self._opened else None,
        )

    def _linked(self, ticket_id: int, past: PastTicket, minute: int) -> LinkedTicket:
        sent = self._sent.get(ticket_id)
        is_over = sent is not None and sent.arrives <= minute
        return LinkedTicket(
            id=ticket_id,
            number=self._kinship.tickets[ticket_id].ticket.number,
            state=TicketState.RESOLVED if is_over else TicketState.NEW,
            duplicate_of=self._kinship.duplicate_of.get(ticket_id),
            relief=self._relief(ticket_id, past),
        )

    def _relief(self, other: int, past: PastTicket) -> Relief | None:
        sent = self._sent.get(other)
        return sent.relief if sent is not None and sent.left >= minute_at_or_after(past.opened_at) else None
