"""Lifecycles as tables of legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from connector.model.errors import IllegalTransition


class AssetState(StrEnum):
    """Where a serialised device is in its life."""

    ORDERED = "ordered"
    IN_STOCK = "in_stock"
    RESERVED = "reserved"
    IN_TRANSIT = "in_transit"
    DEPLOYED = "deployed"
    RETURN_PENDING = "return_pending"
    QUARANTINED = "quarantined"
    WIPING = "wiping"
    INSPECTION = "inspection"
    REPAIR = "repair"
    VENDOR_RETURN = "vendor_return"
    RETIRED = "retired"
    DISPOSED = "disposed"
    LOST = "lost"


class TicketState(StrEnum):
    """State of an ITSM ticket, reduced to what sourcing needs."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class ReservationState(StrEnum):
    """State of a claim of stock for a ticket."""

    HELD = "held"
    COMMITTED = "committed"
    FULFILLED = "fulfilled"
    RELEASED = "released"
    EXPIRED = "expired"


class ProcurementState(StrEnum):
    """State of units that are got from outside. A backorder waits as requested until stock comes."""

    REQUESTED = "requested"
    APPROVED = "approved"
    ORDERED = "ordered"
    CONFIRMED = "confirmed"
    SHIPPED = "shipped"
    RECEIVED = "received"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class ShipmentStatus(StrEnum):
    """The one status vocabulary for all couriers; the vendor's own code is kept with each event."""

    PENDING = "pending"
    LABEL_CREATED = "label_created"
    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    READY_FOR_PICKUP = "ready_for_pickup"
    DELIVERED = "delivered"
    EXCEPTION = "exception"
    RETURNED = "returned"
    LOST = "lost"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    """State of a piece of work for a person."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    CANCELLED = "cancelled"


class ApprovalState(StrEnum):
    """State of a request for approval. `withdrawn`: what it was asked for is not wanted any more.

    `waived`: it is not needed any more, since a red channel was opened whose tickets need none.
    """

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    WAIVED = "waived"


APPROVAL_GIVEN = (ApprovalState.APPROVED, ApprovalState.WAIVED)
"""In these states of a request what it is about goes on."""


class RolloutState(StrEnum):
    """State of a rollout. Paused by a person, halted because too much of it failed; both are resumed by a person."""

    DRAFT = "draft"
    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class RolloutLineState(StrEnum):
    """Where one parcel of a rollout is. `short`: no hub has a unit for it that the rollout may use."""

    PLANNED = "planned"
    SHORT = "short"
    RESERVED = "reserved"
    STAGED = "staged"
    LABELLED = "labelled"
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    INSTALLED = "installed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ReviewState(StrEnum):
    """State of a record of which nobody knows whose it is. linked: it is about a device that the hub knew.

    separate: it is about a device of its own. dismissed: the record is left out until what is known of it changes.
    settled: what made it unclear has gone by itself, or the record was given up.
    """

    OPEN = "open"
    LINKED = "linked"
    SEPARATE = "separate"
    DISMISSED = "dismissed"
    SETTLED = "settled"


class GroupState(StrEnum):
    """State of tickets that may be about one cause. dismissed: a person says that they are not. closed: it is over."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    CLOSED = "closed"


class RecoveryState(StrEnum):
    """What became of a parcel in trouble.

    asked: a person was, or has taken the second unit back. sourced: a second unit is on its way. recalled: the first
    one turned up, the second was taken back. returning: the first one turned up after the second had left, and is to be
    brought back. settled: the site has one unit and nobody waits for the other.
    """

    ASKED = "asked"
    SOURCED = "sourced"
    RECALLED = "recalled"
    RETURNING = "returning"
    SETTLED = "settled"


class PickupState(StrEnum):
    """State of a driver whom a courier is to send to a hub.

    ordering: the courier is asked, and has not answered, or its answer was lost. refused: it sends nobody.
    """

    ORDERING = "ordering"
    ORDERED = "ordered"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class LoanState(StrEnum):
    """State of a unit that is lent to a ticket until its replacement is there.

    reserved: it has not left its hub. lent: it has. due_back: it must come back now. withdrawn: it never left.
    """

    RESERVED = "reserved"
    LENT = "lent"
    DUE_BACK = "due_back"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


class ReplenishmentState(StrEnum):
    """State of filling up a shelf.

    approved: units are claimed and ordered, none has left or was placed. under_way: something has. received: what has
    come is on the shelf, and nothing else is to come. rejected: a person does not want it. cancelled: nothing came.
    """

    PROPOSED = "proposed"
    APPROVED = "approved"
    UNDER_WAY = "under_way"
    RECEIVED = "received"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class RmaState(StrEnum):
    """Where the return of a failed unit stands.

    expected: it is at its site still. in_transit: it has left it. received: a hub has it, in quarantine. cancelled: it
    does not come back.
    """

    EXPECTED = "expected"
    IN_TRANSIT = "in_transit"
    RECEIVED = "received"
    CANCELLED = "cancelled"


A, T, R, S, K = AssetState, TicketState, ReservationState, ShipmentStatus, TaskState
W, L = RolloutState, RolloutLineState

GROUP_MOVES: Mapping[GroupState, frozenset[GroupState]] = {
    GroupState.PROPOSED: frozenset({GroupState.CONFIRMED, GroupState.DISMISSED}),
    GroupState.CONFIRMED: frozenset({GroupState.DISMISSED, GroupState.CLOSED}),
    GroupState.DISMISSED: frozenset(),
    GroupState.CLOSED: frozenset(),
}

RECOVERY_MOVES: Mapping[RecoveryState, frozenset[RecoveryState]] = {
    RecoveryState.ASKED: frozenset({RecoveryState.SOURCED, RecoveryState.SETTLED}),
    RecoveryState.SOURCED: frozenset(
        {RecoveryState.ASKED, RecoveryState.RECALLED, RecoveryState.RETURNING, RecoveryState.SETTLED}
    ),
    RecoveryState.RECALLED: frozenset(),
    RecoveryState.RETURNING: frozenset({RecoveryState.SETTLED}),
    RecoveryState.SETTLED: frozenset({RecoveryState.RETURNING}),
}

PICKUP_MOVES: Mapping[PickupState, frozenset[PickupState]] = {
    PickupState.ORDERING: frozenset({PickupState.ORDERED, PickupState.REFUSED, PickupState.CANCELLED}),
    PickupState.ORDERED: frozenset({PickupState.CANCELLED}),
    PickupState.REFUSED: frozenset(),
    PickupState.CANCELLED: frozenset(),
}

PICKUP_OPEN = frozenset({PickupState.ORDERING, PickupState.ORDERED})
"""A driver comes, or may come."""

LOAN_MOVES: Mapping[LoanState, frozenset[LoanState]] = {
    LoanState.RESERVED: frozenset({LoanState.LENT, LoanState.WITHDRAWN}),
    LoanState.LENT: frozenset({LoanState.DUE_BACK, LoanState.RETURNED}),
    LoanState.DUE_BACK: frozenset({LoanState.RETURNED}),
    LoanState.RETURNED: frozenset(),
    LoanState.WITHDRAWN: frozenset(),
}

LOAN_OUT = frozenset({LoanState.LENT, LoanState.DUE_BACK})
"""The unit is not at a hub, and is expected back."""

LOAN_OPEN = LOAN_OUT | {LoanState.RESERVED}
"""The ticket has a unit on loan, or is about to."""

RMA_MOVES: Mapping[RmaState, frozenset[RmaState]] = {
    RmaState.EXPECTED: frozenset({RmaState.IN_TRANSIT, RmaState.RECEIVED, RmaState.CANCELLED}),
    RmaState.IN_TRANSIT: frozenset({RmaState.RECEIVED, RmaState.CANCELLED}),
    RmaState.RECEIVED: frozenset(),
    RmaState.CANCELLED: frozenset(),
}

RMA_OPEN = frozenset({RmaState.EXPECTED, RmaState.IN_TRANSIT})
"""The unit is still to come back."""

ASSET_MOVES: Mapping[AssetState, frozenset[AssetState]] = {
    A.ORDERED: frozenset({A.IN_STOCK, A.IN_TRANSIT, A.DEPLOYED, A.LOST}),
    A.IN_STOCK: frozenset({A.RESERVED, A.IN_TRANSIT, A.DEPLOYED, A.QUARANTINED, A.RETIRED, A.LOST}),
    A.RESERVED: frozenset({A.IN_STOCK, A.IN_TRANSIT, A.DEPLOYED, A.QUARANTINED, A.LOST}),
    A.IN_TRANSIT: frozenset({A.DEPLOYED, A.IN_STOCK, A.RETURN_PENDING, A.QUARANTINED, A.LOST}),
    A.DEPLOYED: frozenset({A.RETURN_PENDING, A.QUARANTINED, A.RETIRED, A.LOST}),
    A.RETURN_PENDING: frozenset({A.IN_TRANSIT, A.QUARANTINED, A.DEPLOYED, A.LOST}),
    A.QUARANTINED: frozenset({A.WIPING, A.INSPECTION, A.VENDOR_RETURN, A.RETIRED, A.LOST}),
    A.WIPING: frozenset({A.INSPECTION, A.QUARANTINED, A.RETIRED, A.LOST}),
    A.INSPECTION: frozenset({A.IN_STOCK, A.REPAIR, A.VENDOR_RETURN, A.RETIRED, A.LOST}),
    A.REPAIR: frozenset({A.INSPECTION, A.VENDOR_RETURN, A.RETIRED, A.LOST}),
    A.VENDOR_RETURN: frozenset({A.IN_STOCK, A.RETIRED, A.LOST}),
    A.RETIRED: frozenset({A.DISPOSED, A.QUARANTINED, A.LOST}),
    A.DISPOSED: frozenset(),
    A.LOST: frozenset({A.QUARANTINED, A.RETIRED}),
}

TICKET_MOVES: Mapping[TicketState, frozenset[TicketState]] = {
    T.NEW: frozenset({T.IN_PROGRESS, T.ON_HOLD, T.RESOLVED, T.CLOSED, T.CANCELLED}),
    T.IN_PROGRESS: frozenset({T.NEW, T.ON_HOLD, T.RESOLVED, T.CLOSED, T.CANCELLED}),
    T.ON_HOLD: frozenset({T.NEW, T.IN_PROGRESS, T.RESOLVED, T.CLOSED, T.CANCELLED}),
    T.RESOLVED: frozenset({T.NEW, T.IN_PROGRESS, T.ON_HOLD, T.CLOSED, T.CANCELLED}),
    T.CLOSED: frozenset({T.NEW, T.IN_PROGRESS}),
    T.CANCELLED: frozenset({T.NEW, T.IN_PROGRESS}),
}

RESERVATION_MOVES: Mapping[ReservationState, frozenset[ReservationState]] = {
    R.HELD: frozenset({R.COMMITTED, R.RELEASED, R.EXPIRED}),
    R.COMMITTED: frozenset({R.FULFILLED, R.RELEASED}),
    R.FULFILLED: frozenset(),
    R.RELEASED: frozenset(),
    R.EXPIRED: frozenset(),
}

_UNDER_WAY = frozenset(
    {S.PICKED_UP, S.IN_TRANSIT, S.OUT_FOR_DELIVERY, S.READY_FOR_PICKUP, S.DELIVERED, S.EXCEPTION, S.RETURNED}
) | {S.LOST}

SHIPMENT_MOVES: Mapping[ShipmentStatus, frozenset[ShipmentStatus]] = {
    S.PENDING: _UNDER_WAY | {S.LABEL_CREATED, S.CANCELLED},
    S.LABEL_CREATED: _UNDER_WAY | {S.CANCELLED},
    S.PICKED_UP: _UNDER_WAY - {S.PICKED_UP},
    S.IN_TRANSIT: _UNDER_WAY - {S.IN_TRANSIT, S.PICKED_UP},
    S.OUT_FOR_DELIVERY: _UNDER_WAY - {S.OUT_FOR_DELIVERY, S.PICKED_UP},
    S.READY_FOR_PICKUP: frozenset({S.DELIVERED, S.EXCEPTION, S.RETURNED, S.LOST}),
    S.EXCEPTION: _UNDER_WAY - {S.EXCEPTION},
    S.DELIVERED: frozenset({S.RETURNED}),
    S.RETURNED: frozenset(),
    S.LOST: frozenset({S.IN_TRANSIT, S.DELIVERED, S.RETURNED}),
    S.CANCELLED: frozenset(),
}

TASK_MOVES: Mapping[TaskState, frozenset[TaskState]] = {
    K.OPEN: frozenset({K.IN_PROGRESS, K.DONE, K.CANCELLED}),
    K.IN_PROGRESS: frozenset({K.OPEN, K.DONE, K.CANCELLED}),
    K.DONE: frozenset(),
    K.CANCELLED: frozenset(),
}

ROLLOUT_MOVES: Mapping[RolloutState, frozenset[RolloutState]] = {
    W.DRAFT: frozenset({W.PLANNED, W.CANCELLED}),
    W.PLANNED: frozenset({W.RUNNING, W.CANCELLED}),
    W.RUNNING: frozenset({W.PAUSED, W.HALTED, W.COMPLETED, W.CANCELLED}),
    W.PAUSED: frozenset({W.RUNNING, W.HALTED, W.CANCELLED}),
    W.HALTED: frozenset({W.RUNNING, W.CANCELLED}),
    W.COMPLETED: frozenset(),
    W.CANCELLED: frozenset(),
}

_GIVEN_BACK = frozenset({L.PLANNED, L.FAILED, L.CANCELLED})
_SENT = frozenset({L.DISPATCHED, L.DELIVERED})

ROLLOUT_LINE_MOVES: Mapping[RolloutLineState, frozenset[RolloutLineState]] = {
    L.PLANNED: frozenset({L.SHORT, L.RESERVED, L.CANCELLED}),
    L.SHORT: frozenset({L.PLANNED, L.RESERVED, L.CANCELLED}),
    L.RESERVED: _GIVEN_BACK | {L.STAGED},
    L.STAGED: _GIVEN_BACK | _SENT | {L.LABELLED},
    L.LABELLED: _GIVEN_BACK | _SENT,
    L.DISPATCHED: frozenset({L.DELIVERED, L.INSTALLED, L.FAILED}),
    L.DELIVERED: frozenset({L.INSTALLED, L.FAILED}),
    L.INSTALLED: frozenset({L.FAILED}),
    L.FAILED: frozenset(),
    L.CANCELLED: frozenset(),
}

ROLLOUT_LINE_OPEN = frozenset({L.PLANNED, L.SHORT})
"""A line in one of these states has no unit yet."""

ROLLOUT_LINE_AT_HUB = frozenset({L.RESERVED, L.STAGED, L.LABELLED})
"""A line in one of these states holds a unit that has not left its hub: it can be given back."""

_P = ProcurementState

PROCUREMENT_MOVES: Mapping[ProcurementState, frozenset[ProcurementState]] = {
    _P.REQUESTED: frozenset({_P.APPROVED, _P.ORDERED, _P.RECEIVED, _P.REFUSED, _P.CANCELLED}),
    _P.APPROVED: frozenset({_P.ORDERED, _P.CONFIRMED, _P.SHIPPED, _P.RECEIVED, _P.REFUSED, _P.CANCELLED}),
    _P.ORDERED: frozenset({_P.CONFIRMED, _P.SHIPPED, _P.RECEIVED, _P.REFUSED, _P.CANCELLED}),
    _P.CONFIRMED: frozenset({_P.SHIPPED, _P.RECEIVED, _P.REFUSED, _P.CANCELLED}),
    _P.SHIPPED: frozenset({_P.RECEIVED, _P.REFUSED}),
    _P.RECEIVED: frozenset(),
    _P.REFUSED: frozenset(),
    _P.CANCELLED: frozenset(),
}

PROCUREMENT_OPEN = frozenset({_P.REQUESTED, _P.APPROVED, _P.ORDERED, _P.CONFIRMED, _P.SHIPPED})
"""Something is still to come."""

PROCUREMENT_OF_HUB = frozenset({_P.REQUESTED, _P.APPROVED})
"""No supplier says so of an order: it has none yet."""

_N = ReplenishmentState

REPLENISHMENT_MOVES: Mapping[ReplenishmentState, frozenset[ReplenishmentState]] = {
    _N.PROPOSED: frozenset({_N.APPROVED, _N.REJECTED, _N.CANCELLED}),
    _N.APPROVED: frozenset({_N.UNDER_WAY, _N.RECEIVED, _N.CANCELLED}),
    _N.UNDER_WAY: frozenset({_N.RECEIVED, _N.CANCELLED}),
    _N.RECEIVED: frozenset(),
    _N.REJECTED: frozenset(),
    _N.CANCELLED: frozenset(),
}

REPLENISHMENT_OPEN = frozenset({_N.PROPOSED, _N.APPROVED, _N.UNDER_WAY})
"""It is to be decided about, or something is still to come; a shelf has one such replenishment at most."""

PROCUREMENT_UNPLACED = frozenset({_P.REQUESTED, _P.APPROVED})
"""Nobody outside knows of it yet, so it is cancelled without asking."""

TICKET_OPEN = frozenset({T.NEW, T.IN_PROGRESS, T.ON_HOLD})
"""A ticket in one of these states still wants its hardware."""

RESERVATION_LIVE = frozenset({R.HELD, R.COMMITTED})
"""A reservation in one of these states holds stock that nobody else may have."""

StateT = TypeVar("StateT", bound=StrEnum)


def require_move(moves: Mapping[StateT, frozenset[StateT]], current: StateT, target: StateT, *, what: str) -> None:
    """Refuse a move that the table does not hold; staying where one is, is no move and always legal.

    what: names the object in the message, for example "asset 'FOC1'".
    Raises IllegalTransition naming the legal next states.
    """
    if target == current or target in moves[current]:
        return
    legal = ", ".join(sorted(state.value for state in moves[current])) or "none, it is final"
    raise IllegalTransition(f"{what} cannot go from {current.value} to {target.value}: legal next states are {legal}.")
