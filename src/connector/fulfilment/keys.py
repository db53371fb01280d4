"""Names of workflows, steps and effects: the same after every restart, so that an effect happens once."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from connector.model.lifecycle import ProcurementState, RecoveryState
from connector.model.refs import IdempotencyKey

FULFIL: Final = "fulfil"
UNDO: Final = "undo"
DELIVERED: Final = "delivered"
ASKED: Final = "asked"
REFUSED: Final = "refused"
WAIVED: Final = "waived"
RECOVERY: Final = "recovery"
ORDER: Final = "order"
CALL_OFF: Final = "call-off"
FOLLOW: Final = "follow-order"
LATE: Final = "procurement-late"
SWAP: Final = "swap"
ORDER_SWAP: Final = "swap-order"

ACTOR: Final = "fulfilment"
"""Who is named in the change log."""


class Step(StrEnum):
    """Steps of a fulfilment, in their order; then what undoes them, in its order."""

    COMMIT = "commit"
    OFFER = "offer"
    LABEL = "label"
    TRACK = "track"
    TASK = "task"
    NOTE = "note"
    FIELDS = "fields"
    STATE = "state"

    UNDO_TASK = "undo-task"
    UNDO_LABEL = "undo-label"
    UNDO_STOCK = "undo-stock"
    UNDO_NOTE = "undo-note"


FORWARD: Final = (Step.COMMIT, Step.OFFER, Step.LABEL, Step.TRACK, Step.TASK, Step.NOTE, Step.FIELDS, Step.STATE)
BACKWARD: Final = (Step.UNDO_TASK, Step.UNDO_LABEL, Step.UNDO_STOCK, Step.UNDO_NOTE)

COSMETIC: Final = frozenset({Step.TRACK, Step.FIELDS, Step.STATE})
"""Steps whose failure is shown to a person but does not call back what was done: the unit is on its way."""


def fulfil_id(reservation_id: int) -> str:
    """The workflow that fulfils a reservation."""
    return f"{FULFIL}-{reservation_id}"


def undo_id(reservation_id: int) -> str:
    """The workflow that undoes what was done for a reservation."""
    return f"{UNDO}-{reservation_id}"


def delivered_id(shipment_id: int) -> str:
    """The workflow that tells the ticket of a delivery."""
    return f"{DELIVERED}-{shipment_id}"


def step_key(reservation_id: int, step: Step) -> IdempotencyKey:
    """The key of a step's effect, and of its receipt."""
    return f"{fulfil_id(reservation_id)}:{step.value}"


def effect_key(key: str, made_at: datetime) -> IdempotencyKey:
    """The key by which other systems know an effect: `key`, told apart from that of any other hub.

    made_at: when the reservation was made. Hubs count their reservations alike, and several may use one courier
    account or service desk, also one hub after its database was made anew; what one of them bought is not the
    other's.
    """
    return f"{key}:{made_at:%Y%m%dT%H%M%S.%fZ}"


def pickup_key(pickup_id: int) -> str:
    """What an order of a driver is known by."""
    return f"pickup-{pickup_id}"


def delivered_key(shipment_id: int) -> IdempotencyKey:
    """The key of the note that tells of a delivery."""
    return f"{delivered_id(shipment_id)}:note"


def procurement_workflow(state: ProcurementState) -> str:
    """The kind of workflow that tells a ticket that something that is got for it has come to a state."""
    return f"procurement-{state.value}"


def order_id(procurement_id: int) -> str:
    """The workflow that sends an order to its supplier."""
    return f"{ORDER}-{procurement_id}"


def call_off_id(procurement_id: int) -> str:
    """The workflow that calls an order off at its supplier."""
    return f"{CALL_OFF}-{procurement_id}"


def follow_id(procurement_id: int) -> str:
    """The workflow that has the courier report on the parcel of an order."""
    return f"{FOLLOW}-{procurement_id}"


def late_id(position: int) -> str:
    """The workflow that tells a ticket that something comes later, as the change at a position of the log says."""
    return f"{LATE}-{position}"


def swap_id(shipment_id: int) -> str:
    """The workflow that tells sources what a parcel replaced."""
    return f"{SWAP}-{shipment_id}"


def order_swap_id(procurement_id: int) -> str:
    """The workflow that tells sources what goods replaced that a supplier sent to their site."""
    return f"{ORDER_SWAP}-{procurement_id}"


def told_id(what: str, approval_id: int) -> str:
    """The workflow that tells a ticket of a request for approval. what: `ASKED`, `REFUSED` or `WAIVED`."""
    return f"{what}-{approval_id}"


def recovery_workflow(recovery_id: int, state: RecoveryState) -> str:
    """The workflow that tells the ticket what became of its parcel in trouble; one for each state."""
    return f"{RECOVERY}-{recovery_id}-{state.value}"


def recovery_key(recovery_id: int, state: RecoveryState) -> IdempotencyKey:
    """The key of the note that tells of it."""
    return f"{RECOVERY}-{recovery_id}-{state.value}:note"
