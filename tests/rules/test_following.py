"""Which ticket another one follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model.kinds import LinkKind
from connector.model.lifecycle import ReservationState, TicketState
from connector.rules.events.following import followed, served_by_duplicate
from connector.rules.facts.standing import LinkedTicket, Links, Relief
from connector.rules.policy.grouping import Links as LinkPolicy

FOLLOW = LinkPolicy(duplicates="follow", children="follow")
UNIT = Relief("INC-1", 8, ReservationState.COMMITTED, "BER")


def ticket(id: int, duplicate_of: int | None = None, state: TicketState = TicketState.NEW, **values: object):
    return LinkedTicket(id, f"INC-{id}", state, duplicate_of=duplicate_of, **values)  # type: ignore[arg-type]


def masters(*family: LinkedTicket) -> dict[int, int | None]:
    found = {item.id: followed(item.id, Links(family), FOLLOW) for item in family}
    return {key: following.ticket_id if following else None for key, following in found.items()}


def test_duplicates_of_duplicates_follow_the_same_master():
    assert masters(ticket(1), ticket(2, 1), ticket(3, 2)) == {1: None, 2: 1, 3: 1}


def test_of_tickets_in_a_circle_the_oldest_is_the_master_also_for_those_that_lead_into_it():
    assert masters(ticket(2, 3), ticket(3, 4), ticket(4, 2), ticket(5, 4)) == {2: None, 3: 2, 4: 2, 5: 2}


@pytest.mark.parametrize(
    "gone", [{"state": TicketState.CANCELLED}, {"is_deleted": True}, {"state": TicketState.CLOSED}]
)
def test_a_master_that_is_gone_is_followed_by_the_next_one_before_it(gone: dict[str, object]):
    assert masters(ticket(1, **gone), ticket(2, 1), ticket(3, 2))[3] == 2  # type: ignore[arg-type]
    assert masters(ticket(1, **gone), ticket(2, 1), ticket(3, 2))[2] is None  # type: ignore[arg-type]


def test_a_master_that_was_resolved_by_a_unit_serves_its_duplicates_still():
    family = (ticket(1, state=TicketState.RESOLVED, relief=UNIT), ticket(2, 1))

    following = followed(2, Links(family), FOLLOW)

    assert following is not None
    assert following.text == (
        "This ticket is a duplicate of INC-1, which is resolved and has a unit from BER (reservation 8, committed): "
        "it is decided by itself when the link goes, or when that one ends without a unit."
    )


def test_a_master_is_served_by_a_duplicate_that_had_its_unit_before_the_link_came():
    family = (ticket(1), ticket(2, 1, relief=UNIT))

    assert followed(1, Links(family), FOLLOW) is None
    assert served_by_duplicate(1, Links(family), FOLLOW) == family[1]
    assert served_by_duplicate(1, Links(family), LinkPolicy(duplicates="decide")) is None


def test_a_child_follows_its_parent_only_where_the_policy_says_so():
    links = Links(parent=ticket(1))

    assert followed(2, links, LinkPolicy()) is None
    following = followed(2, links, FOLLOW)
    assert following is not None
    assert (following.how, following.number) == (LinkKind.PARENT, "INC-1")
    assert followed(2, Links(parent=ticket(1, state=TicketState.CLOSED)), FOLLOW) is None


@given(
    st.integers(1, 7).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n), st.booleans()), min_size=n, max_size=n))
)
def test_whatever_the_links_every_open_ticket_is_served_by_one_that_decides_for_itself(edges: list[tuple[int, bool]]):
    family = tuple(
        ticket(number, other or None, TicketState.NEW if is_open else TicketState.CANCELLED)
        for number, (other, is_open) in enumerate(edges, 1)
    )
    found = masters(*family)

    for item in family:
        master = found[item.id]
        if item.state is TicketState.NEW and master is not None:
            assert master != item.id
            assert found[master] is None, "who is followed follows nobody"
            assert family[master - 1].state is TicketState.NEW
