"""Which ticket another one follows: its master, of which it is a duplicate, or its parent. Pure.

Duplicates of duplicates follow the same master. Of tickets that are duplicates of each other in a circle, the one that
the hub has known longest is the master.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from connector.model.kinds import LinkKind
from connector.model.lifecycle import TICKET_OPEN, TicketState
from connector.rules.facts.standing import LinkedTicket, Links, Relief
from connector.rules.policy.grouping import Links as LinkPolicy


@dataclass(frozen=True, slots=True)
class Following:
    """The ticket that another one follows, and how. relief: what is on its way for it already."""

    how: LinkKind
    ticket_id: int
    number: str
    state: TicketState
    relief: Relief | None

    @property
    def text(self) -> str:
        """Why nothing is sent for the one that follows, for people."""
        what = "a duplicate of" if self.how is LinkKind.DUPLICATE_OF else "part of"
        has = "nothing yet"
        if self.relief is not None:
            relief = self.relief
            has = f"a unit from {relief.hub} (reservation {relief.reservation_id}, {relief.state.value})"
        return (
            f"This ticket is {what} {self.number}, which is {self.state.value.replace('_', ' ')} and has {has}: "
            "it is decided by itself when the link goes, or when that one ends without a unit."
        )

    def explained(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "how": self.how.value,
            "ticket_id": self.ticket_id,
            "number": self.number,
            "state": self.state.value,
            "reservation_id": self.relief.reservation_id if self.relief else None,
        }


def followed(ticket_id: int, links: Links, policy: LinkPolicy) -> Following | None:
    """The ticket that this one follows; None when it is decided by itself."""
    if links.family and policy.duplicates == "follow":
        master = _master(ticket_id, links.family)
        if master is not None:
            return _following(LinkKind.DUPLICATE_OF, master)
    parent = links.parent
    if policy.children == "follow" and parent is not None and _is_dealt_with(parent):
        return _following(LinkKind.PARENT, parent)
    return None


def served_by_duplicate(ticket_id: int, links: Links, policy: LinkPolicy) -> LinkedTicket | None:
    """A ticket of the same family that has a unit already, where this one is their master; the oldest of them."""
    if not links.family or policy.duplicates != "follow":
        return None
    have = [item for item in links.family if item.id != ticket_id and item.relief is not None]
    return min(have, key=lambda item: item.id, default=None)


def _master(ticket_id: int, family: Collection[LinkedTicket]) -> LinkedTicket | None:
    """The last ticket along the chain of duplicates that is still dealt with; in a circle, the oldest of it."""
    by_id = {item.id: item for item in family}
    chain: list[int] = [ticket_id]
    following = by_id[ticket_id].duplicate_of if ticket_id in by_id else None
    while following is not None and following in by_id and following not in chain:
        chain.append(following)
        following = by_id[following].duplicate_of
    circle = chain[chain.index(following) :] if following in chain else []
    dealt_with = [by_id[key] for key in sorted(circle) if key == ticket_id or _is_dealt_with(by_id[key])]
    if dealt_with:
        return None if dealt_with[0].id == ticket_id else dealt_with[0]
    straight = [by_id[key] for key in chain[1:] if key not in circle]
    return next((item for item in reversed(straight) if _is_dealt_with(item)), None)


def _is_dealt_with(ticket: LinkedTicket) -> bool:
    """Whether it has or may get what the failure needs: it is open, or a unit was sent for it before it ended."""
    if ticket.is_deleted or ticket.state is TicketState.CANCELLED:
        return False
    return ticket.state in TICKET_OPEN or ticket.relief is not None


def _following(how: LinkKind, ticket: LinkedTicket) -> Following:
    return Following(how, ticket.id, ticket.number, ticket.state, ticket.relief)
