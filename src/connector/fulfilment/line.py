"""Who is decided about because of a batch of changes, and in what order: one line for all of them.

Those that wait for what has changed stand in it with those that have changed themselves, so that what has arrived goes
to whoever comes first, not to whoever was written last. See `connector.rules.policy.competition` for the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from connector.fulfilment.work import Work
from connector.model.kinds import LinkKind
from connector.model.lifecycle import TICKET_OPEN, ApprovalState, ProcurementState, ReservationState, TicketState
from connector.model.refs import EntityKind
from connector.rules.policy.competition import in_line
from connector.rules.policy.document import Policy
from connector.rules.sourcing.decide import is_in_channel
from connector.storage.approvals.channels import open_channels, tickets_in
from connector.storage.database.changes import LoggedChange
from connector.storage.database.engine import Transaction, reading
from connector.storage.facts.facts import facts_of_tickets
from connector.storage.facts.linked_tickets import tickets_linked
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.stock.brought import products_on
from connector.storage.tickets.incident_groups import members_waiting
from connector.storage.tickets.standing import (
    tickets_behind,
    tickets_forfeited,
    tickets_of,
    tickets_relieved,
    waiting_line,
    waiting_tickets,
)

DECIDING: Final = frozenset(
    {
        "priority", "state", "type", "title", "description", "category", "asset_id", "site_id", "product_id",
        "asset_hint", "site_hint", "product_hint", "opened_at", "sla_due_at", "quantity", "requester", "assignee",
        "number", "retired_at", "duplicate_of", "parent",
    }
)  # fmt: skip
"""Fields of a ticket that a decision looks at."""
LINKS: Final = {
    EntityKind.ASSET: frozenset(
        {"product_id", "site_id", "revision", "warranty_ends_on", "name", "serial", "asset_tag", "holder"}
    ),
    EntityKind.SITE: frozenset(
        {
            "latitude",
            "longitude",
            "time_zone",
            "access_hours",
            "address",
            "country",
            "region",
            "service_class_id",
            "name",
            "code",
            "data_quality",
        }
    ),
    EntityKind.PRODUCT: frozenset(
        {
            "manufacturer",
            "model",
            "part_number",
            "sku",
            "asset_class",
            "criticality",
            "unit_cost_cents",
            "weight_g",
            "is_data_bearing",
            "status",
            "data_quality",
        }
    ),
    EntityKind.HUB: frozenset(
        {
            "tier",
            "latitude",
            "longitude",
            "time_zone",
            "opening_hours",
            "courier_cut_offs",
            "handling_minutes",
            "pick_minutes",
            "qa_minutes",
            "pack_minutes",
            "is_mobile",
            "address",
            "country",
            "region",
            "code",
            "retired_at",
        }
    ),
    EntityKind.STOCK: frozenset({"on_hand", "reserved"}),
    EntityKind.COMPATIBILITY: frozenset({"product_id", "substitute_id", "condition", "retired_at"}),
    EntityKind.KIT: frozenset({"product_id", "components", "retired_at"}),
}
"""Fields of other things whose change may give a waiting ticket what it lacks: all that rules and arrivals read."""
_APPROVAL, _PROCUREMENT, _RESERVATION = EntityKind.APPROVAL, EntityKind.PROCUREMENT, EntityKind.RESERVATION
AT_ONCE: Final = 500
"""Tickets whose facts are read at once."""


class Line:
    """The order in which tickets are decided about."""

    def __init__(self, work: Work, policy: PolicySource) -> None:
        self._work = work
        self._policy = policy

    async def of(self, changes: Sequence[LoggedChange], *, beyond: int) -> list[int]:
        """The tickets to decide about before each change is dealt with by itself, the first to be served first.

        Those that may have got what they lacked; of a red channel that was opened or extended all that wait, however
        old; and with them those that have changed. Empty when at most `beyond` tickets have changed, none of which is
        in a red channel, and nobody waits for anything of it: then each change's turn is early enough.
        """
        now = self._work.clock.now()
        changed = {item.entity_id for item in changes if item.kind is EntityKind.TICKET and _may_want(item)}
        touched = {item.entity_id for item in changes if item.kind is EntityKind.RED_CHANNEL}
        async with reading(self._work.database) as tx:
            waiting = await self._helped(tx, changes)
            if not waiting and not changed and not touched:
                return []
            channels = [item for item in await open_channels(tx) if item.opened_at <= now < item.ends_at]
            for channel in channels:
                if channel.id in touched:
                    waiting |= set(await tickets_in(tx, channel.id))
            ids = waiting | changed
            scoped = [key for channel in channels for key in await tickets_in(tx, channel.id, only=ids)]
            if not waiting and not scoped and len(changed) <= beyond:
                return []
            supplied = await _behind(tx, changes, _has_come_in)
            ids |= supplied | await _behind(tx, changes, _decides_another)
            policy = await policy_now(tx, self._policy)
            red = await self._red(tx, list(dict.fromkeys(scoped)), policy)
            standing = await waiting_line(tx, ids)
        regions = policy.break_glass
        line = (
            replace(
                item,
                is_red=item.ticket_id in red,
                region_rank=regions.rank(region) if regions is not None else 0,
            )
            for item, region in standing
        )
        numbers = [item.ticket_id for item in in_line(line, policy.fairness, now)]
        return sorted(numbers, key=lambda number: number not in supplied)  # what was ordered for somebody is theirs

    async def _red(self, tx: Transaction, ticket_ids: Sequence[int], policy: Policy) -> set[int]:
        """Those of these tickets, which lie in the scope of an open channel, that go through it."""
        now, found = self._work.clock.now(), set()
        for first in range(0, len(ticket_ids), AT_ONCE):
            facts = await facts_of_tickets(tx, ticket_ids[first : first + AT_ONCE])
            found |= {number for number, item in facts.items() if is_in_channel(item, policy, now)}
        return found

    async def _helped(self, tx: Transaction, changes: Sequence[LoggedChange]) -> set[int]:
        """Tickets that may have got what they lacked, or whose device or master lost what was on its way for them."""
        given_back = {change.entity_id for change in changes if gives_back(change)}
        touched: dict[EntityKind, set[int]] = {kind: set() for kind in LINKS}
        for change in changes:
            if change.kind in LINKS and (LINKS[change.kind] & change.fields.keys()) and _may_help(change):
                touched[change.kind].add(change.entity_id)
        ended = {change.entity_id for change in changes if _frees_linked(change)}
        answered = {change.entity_id for change in changes if _answers_group(change)}
        found: set[int] = set()
        if given_back:
            found |= {*await tickets_relieved(tx, given_back), *await tickets_forfeited(tx, given_back)}
            ended |= await tickets_of(tx, given_back)
        if ended:
            found |= set(await tickets_linked(tx, ended))
        if answered:
            found |= set(await members_waiting(tx, answered))
        is_ruled_anew = any(map(_is_activation, changes))
        if is_ruled_anew or any(touched.values()):
            products = await products_on(
                tx,
                stock_ids=touched[EntityKind.STOCK],
                compatibility_ids=touched[EntityKind.COMPATIBILITY],
                unit_ids={change.entity_id for change in changes if _is_of_another_revision(change)},
                kit_ids=touched[EntityKind.KIT],
                hub_ids=touched[EntityKind.HUB],
            )
            products |= _without_kit(changes) | touched[EntityKind.PRODUCT]
            found |= set(
                await waiting_tickets(
                    tx,
                    asset_ids=touched[EntityKind.ASSET],
                    site_ids=touched[EntityKind.SITE],
                    product_ids=products,
                    is_ruled_anew=is_ruled_anew,
                )
            )
        return found


async def _behind(tx: Transaction, changes: Sequence[LoggedChange], counts: Callable[[LoggedChange], bool]) -> set[int]:
    """The tickets that are decided about because something else of theirs has changed."""
    ids: dict[EntityKind, set[int]] = {kind: set() for kind in (_APPROVAL, _PROCUREMENT, _RESERVATION)}
    for change in changes:
        if change.kind in ids and counts(change):
            ids[change.kind].add(change.entity_id)
    return await tickets_behind(
        tx, approval_ids=ids[_APPROVAL], procurement_ids=ids[_PROCUREMENT], reservation_ids=ids[_RESERVATION]
    )


def _without_kit(changes: Sequence[LoggedChange]) -> set[int]:
    """The products that a kit was of before it changed."""
    named = [change.fields.get("product_id") for change in changes if change.kind is EntityKind.KIT]
    return {pair[0] for pair in named if pair is not None and pair[0] is not None}


def _has_come_in(change: LoggedChange) -> bool:
    """Whether what was ordered for a ticket has arrived."""
    return change.kind is _PROCUREMENT and _new_state(change) == ProcurementState.RECEIVED


def _decides_another(change: LoggedChange) -> bool:
    """Whether a ticket was refused something, or lost it: by a no, by a supplier, to another ticket."""
    match change.kind:
        case EntityKind.APPROVAL:
            return _new_state(change) == ApprovalState.REJECTED
        case EntityKind.PROCUREMENT:
            return _new_state(change) == ProcurementState.REFUSED
        case _:
            return change.operation == "created" and "replaces_id" in change.fields


def _new_state(change: LoggedChange) -> str | None:
    state = change.fields.get("state") if change.operation == "updated" else None
    return state[1] if state else None


def concerns_decision(change: LoggedChange) -> bool:
    """Whether a decision could come out differently.

    A move between open states does not count, nor a ticket that comes in closed.
    """
    fields = DECIDING & change.fields.keys()
    if change.operation == "created":
        return TicketState(change.fields["state"][1]) in TICKET_OPEN
    if fields != {"state"}:
        return bool(fields) or change.operation == "deleted"
    before, after = (TicketState(value) if value else None for value in change.fields["state"])
    return (before in TICKET_OPEN) != (after in TICKET_OPEN) or after is TicketState.CANCELLED


def _may_want(change: LoggedChange) -> bool:
    """Whether the ticket may want something now; one that cannot be told is left to its own turn."""
    try:
        return change.operation != "deleted" and concerns_decision(change)
    except (KeyError, ValueError):
        return False


def gives_back(change: LoggedChange) -> bool:
    """Whether a change ends a reservation without the unit having been sent."""
    state = change.fields.get("state") if change.kind is EntityKind.RESERVATION else None
    return state is not None and state[1] in (ReservationState.RELEASED, ReservationState.EXPIRED)


def _frees_linked(change: LoggedChange) -> bool:
    """Whether a ticket ends, or is a duplicate of another one than before, so that those linked to it decide anew."""
    if change.kind is not EntityKind.TICKET or change.operation == "created":
        return False
    before, after = change.fields.get("state") or (None, None)
    ends = before is not None and before in TICKET_OPEN and after not in TICKET_OPEN
    return ends or not {"retired_at", LinkKind.DUPLICATE_OF.value}.isdisjoint(change.fields)


def _answers_group(change: LoggedChange) -> bool:
    """Whether somebody has said what a group of tickets is, which they may have waited for."""
    return change.kind is EntityKind.INCIDENT_GROUP and change.operation == "updated" and "state" in change.fields


def _is_of_another_revision(change: LoggedChange) -> bool:
    """Whether a unit turns out to be of another revision, which somebody may wait for."""
    return change.kind is EntityKind.ASSET and change.operation == "updated" and "revision" in change.fields


def _is_activation(change: LoggedChange) -> bool:
    """Whether another policy has become the active one."""
    return change.kind is EntityKind.POLICY and change.fields.get("is_active", (None, None))[1] is True


def _may_help(change: LoggedChange) -> bool:
    """Whether a change can give a waiting ticket what it lacks: of stock, only more of it.

    Nobody waits for a product or a hub that is new: the device that it is of is linked to it, its stock comes later.
    """
    if change.kind in (EntityKind.PRODUCT, EntityKind.HUB):
        return change.operation == "updated"
    if change.kind is not EntityKind.STOCK:
        return True
    more = [(change.fields.get(name) or [0, 0]) for name in ("on_hand", "reserved")]
    (held, holds), (claimed, claims) = more
    return (holds or 0) > (held or 0) or (claims or 0) < (claimed or 0)
