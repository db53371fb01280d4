"""A rollout as somebody asks for it, and whether it can be meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import Success, TicketType, Tracking
from connector.model.lifecycle import TICKET_OPEN
from connector.rules.policy.reading import Policy
from connector.storage.database.engine import Transaction
from connector.storage.rollouts.facts import (
    RolloutTicket,
    rollout_product,
    rollout_sites,
    rollout_ticket,
    rollout_tickets,
)
from connector.storage.rollouts.rollouts import NewRolloutLine

MOST_LINES: Final = 20_000
MOST_AT_A_SITE: Final = 1_000
_LONGEST_NAME: Final = 100
_LIMITS: Final = {
    "first_wave_size": (1, 10_000),
    "wave_size": (1, 10_000),
    "keep_free_percent": (0, 100),
    "success_percent": (0, 100),
    "soak_minutes": (0, 525_600),
    "halt_percent": (1, 100),
    "halt_sample": (1, 10_000),
    "delivery_days": (1, 365),
}


@dataclass(frozen=True, slots=True)
class SiteOrder:
    """What one site is to get.

    wave: None when the plan chooses; all orders of a rollout have one, or none has. ticket_id: whose end says what
    became of it.
    """

    site_id: int
    quantity: int = 1
    wave: int | None = None
    ticket_id: int | None = None


@dataclass(frozen=True, slots=True)
class NewRollout:
    """What is to be rolled out.

    ticket_id: the change or request that it is done under; None makes one of the hub's own. What else is None is as the
    active policy has it, see `connector.rules.policy.rollouts`.
    """

    name: str
    product_id: int
    sites: Sequence[SiteOrder]
    ticket_id: int | None = None
    preparation: str | None = None
    starts_at: datetime | None = None
    first_wave_size: int | None = None
    wave_size: int | None = None
    keep_free_percent: int | None = None
    success: Success | None = None
    success_percent: int | None = None
    soak_minutes: int | None = None
    halt_percent: int | None = None
    halt_sample: int | None = None
    delivery_days: int | None = None


async def checked(tx: Transaction, new: NewRollout, policy: Policy) -> tuple[dict[str, Any], list[NewRolloutLine]]:
    """Columns and lines of a new rollout, as far as the ticket is known. Raises InvalidInput, NotKnown."""
    name = new.name.strip()
    if not 0 < len(name) <= _LONGEST_NAME or name.startswith("#"):
        raise InvalidInput(
            f"name {new.name!r} cannot be used", hint=f"1 to {_LONGEST_NAME} characters, of which the first is no '#'."
        )
    product = await rollout_product(tx, new.product_id)
    if product.is_retired:
        raise InvalidInput(f"product {product.facts.label!r} was deleted by its source")
    if new.ticket_id is not None:
        await require_open_ticket(tx, new.ticket_id)
    lines = await _lines(tx, new.sites, product.tracking)
    for ticket in await rollout_tickets(tx, {line.ticket_id for line in lines if line.ticket_id is not None}):
        require_line_ticket(ticket, new.ticket_id)
    defaults = policy.rollouts
    given: Mapping[str, int | None] = {
        "first_wave_size": new.first_wave_size,
        "wave_size": new.wave_size,
        "keep_free_percent": new.keep_free_percent,
        "success_percent": new.success_percent,
        "soak_minutes": new.soak_minutes,
        "halt_percent": new.halt_percent,
        "halt_sample": new.halt_sample,
        "delivery_days": new.delivery_days,
    }
    chosen: dict[str, int] = {k: getattr(defaults, k) if value is None else value for k, value in given.items()}
    for key, (least, most) in _LIMITS.items():
        if not least <= chosen[key] <= most:
            raise InvalidInput(f"{key} {chosen[key]} cannot be used: it must be from {least} to {most}")
    preparation = (new.preparation or "").strip() or None
    values = {
        "name": name, "product_id": new.product_id, "preparation": preparation, "starts_at": new.starts_at,
        "approval": defaults.approval, "policy_version": policy.version, "ticket_id": new.ticket_id,
        "success": new.success or defaults.success, **chosen,
    }  # fmt: skip
    return values, lines


async def _lines(tx: Transaction, orders: Sequence[SiteOrder], tracking: Tracking) -> list[NewRolloutLine]:
    """One line for each parcel. Raises InvalidInput for orders that cannot be meant, NotKnown for unknown sites."""
    if not orders:
        raise InvalidInput("a rollout needs at least one site")
    known = await rollout_sites(tx, {order.site_id for order in orders})
    seen: set[int] = set()
    lines: list[NewRolloutLine] = []
    for place, order in enumerate(orders, start=1):
        site = known.get(order.site_id)
        if site is None:
            raise InvalidInput(f"site {place} of {len(orders)} has the id {order.site_id}, which no site has")
        what = f"site {site.facts.label!r} (number {place} of {len(orders)})"
        if order.site_id in seen:
            raise InvalidInput(f"{what} is named twice", hint="Give one quantity for each site.")
        if not 0 < order.quantity <= MOST_AT_A_SITE:
            raise InvalidInput(f"{what}: quantity {order.quantity} is not from 1 to {MOST_AT_A_SITE}")
        if order.wave is not None and order.wave < 1:
            raise InvalidInput(f"{what}: wave {order.wave} is not 1 or more")
        if (order.wave is None) != (orders[0].wave is None):
            raise InvalidInput(
                f"{what} has {'no wave' if order.wave is None else 'a wave'}, unlike the first one",
                hint="Give a wave for every site, or for none.",
            )
        seen.add(order.site_id)
        each = 1 if tracking is Tracking.SERIALISED else order.quantity
        lines += [NewRolloutLine(order.site_id, each, order.wave, order.ticket_id)] * (order.quantity // each)
    if len(lines) > MOST_LINES:
        raise InvalidInput(f"{len(lines)} parcels are too many for one rollout: at most {MOST_LINES}")
    return lines


def require_line_ticket(ticket: RolloutTicket, rollout_ticket_id: int | None) -> None:
    """Refuse a ticket that cannot say what becomes of a line. Raises InvalidInput."""
    number = ticket.facts.number
    if ticket.facts.id == rollout_ticket_id:
        raise InvalidInput(f"ticket {number!r} is the one of the whole rollout", hint="Name one for the site alone.")
    if ticket.is_deleted:
        raise InvalidInput(f"ticket {number!r} was deleted by its source")
    if ticket.facts.type not in (TicketType.CHANGE, TicketType.REQUEST):
        raise InvalidInput(
            f"ticket {number!r} is of type {ticket.facts.type.value}, which is served by itself",
            hint="Name the change or request under which the unit is installed.",
        )


async def require_open_ticket(tx: Transaction, ticket_id: int) -> None:
    """Refuse a ticket that nothing can be rolled out under. Raises NotKnown, InvalidInput, IllegalTransition."""
    ticket = await rollout_ticket(tx, ticket_id)
    if ticket.facts.type not in (TicketType.CHANGE, TicketType.REQUEST):
        raise InvalidInput(
            f"ticket {ticket.facts.number!r} is of type {ticket.facts.type.value}: rollouts are done under a change or "
            "a request",
            hint="Name one of those, or none, and the hub makes a ticket of its own.",
        )
    if ticket.is_deleted or ticket.facts.state not in TICKET_OPEN:
        state = "deleted" if ticket.is_deleted else ticket.facts.state.value
        raise IllegalTransition(f"ticket {ticket.facts.number!r} is {state}: nothing is rolled out under it")
