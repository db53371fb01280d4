"""Lifecycles as tables of legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise

import pytest

from connector.model.errors import IllegalTransition
from connector.model.lifecycle import (
    ASSET_MOVES,
    RESERVATION_LIVE,
    RESERVATION_MOVES,
    SHIPMENT_MOVES,
    TASK_MOVES,
    TICKET_MOVES,
    TICKET_OPEN,
    AssetState,
    ReservationState,
    ShipmentStatus,
    TaskState,
    TicketState,
    require_move,
)

TABLES: dict[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]]] = {
    AssetState: ASSET_MOVES, TicketState: TICKET_MOVES, ReservationState: RESERVATION_MOVES,
    ShipmentStatus: SHIPMENT_MOVES, TaskState: TASK_MOVES,
}  # fmt: skip
FIRST = {
    AssetState: AssetState.ORDERED, TicketState: TicketState.NEW, ReservationState: ReservationState.HELD,
    ShipmentStatus: ShipmentStatus.PENDING, TaskState: TaskState.OPEN,
}  # fmt: skip
FINAL = {
    AssetState: {"disposed"},
    TicketState: set(),
    ReservationState: {"fulfilled", "released", "expired"},
    ShipmentStatus: {"returned", "cancelled"},
    TaskState: {"done", "cancelled"},
}


@pytest.mark.parametrize("kind", TABLES)
def test_each_state_has_its_row_and_no_state_moves_to_itself(kind: type[StrEnum]):
    table = TABLES[kind]

    assert set(table) == set(kind)
    assert [state for state, targets in table.items() if state in targets] == []


@pytest.mark.parametrize("kind", TABLES)
def test_each_state_can_be_reached_from_the_first(kind: type[StrEnum]):
    table = TABLES[kind]
    reached, new = {FIRST[kind]}, {FIRST[kind]}
    while new:
        new = {target for state in new for target in table[state]} - reached
        reached |= new

    assert reached == set(kind)


@pytest.mark.parametrize("kind", TABLES)
def test_final_states_are_those_that_are_meant_to_be(kind: type[StrEnum]):
    assert {state.value for state, targets in TABLES[kind].items() if not targets} == FINAL[kind]


@pytest.mark.parametrize(
    "path",
    [
        "ordered in_stock reserved in_transit deployed return_pending quarantined wiping inspection in_stock",
        "deployed return_pending in_transit quarantined inspection repair inspection vendor_return retired disposed",
        "deployed lost quarantined",
    ],
)
def test_the_life_of_an_asset(path: str):
    states = [AssetState(word) for word in path.split()]

    for current, target in pairwise(states):
        require_move(ASSET_MOVES, current, target, what="asset 'FOC1'")


@pytest.mark.parametrize(
    ("current", "target", "message"),
    [
        (
            AssetState.QUARANTINED,
            AssetState.IN_STOCK,
            "asset 'FOC1' cannot go from quarantined to in_stock: "
            "legal next states are inspection, lost, retired, vendor_return, wiping.",
        ),
        (
            AssetState.DISPOSED,
            AssetState.IN_STOCK,
            "asset 'FOC1' cannot go from disposed to in_stock: legal next states are none, it is final.",
        ),
    ],
)
def test_an_illegal_move_names_the_legal_ones(current: AssetState, target: AssetState, message: str):
    with pytest.raises(IllegalTransition) as raised:
        require_move(ASSET_MOVES, current, target, what="asset 'FOC1'")

    assert (raised.value.code, str(raised.value)) == ("ILLEGAL_TRANSITION", message)


@pytest.mark.parametrize("kind", TABLES)
def test_staying_is_no_move(kind: type[StrEnum]):
    for state in kind:
        require_move(TABLES[kind], state, state, what="it")


def test_a_claim_lives_exactly_as_long_as_it_can_still_end():
    assert {state for state, targets in RESERVATION_MOVES.items() if targets} == RESERVATION_LIVE
    assert {TicketState.NEW, TicketState.IN_PROGRESS, TicketState.ON_HOLD} == TICKET_OPEN


def test_a_delivered_parcel_is_not_on_its_way_again():
    with pytest.raises(IllegalTransition):
        require_move(SHIPMENT_MOVES, ShipmentStatus.DELIVERED, ShipmentStatus.IN_TRANSIT, what="shipment '1Z'")
