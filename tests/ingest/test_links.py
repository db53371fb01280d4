"""Links between tickets: either of the two may come first, and each may go."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from tests.ingest.conftest import Intake
from tests.ingest.records import gone, ref, ticket

from connector.model.kinds import LinkKind
from connector.storage.database.engine import reading
from connector.storage.tables import ticket_link

FIRST, SECOND = ref("ticket", "1"), ref("ticket", "2")


async def links(intake: Intake) -> list[tuple[Any, ...]]:
    c = ticket_link.c
    async with reading(intake.engine) as tx:
        rows = await tx.execute(select(c.ticket_id, c.kind, c.external_id, c.other_id).order_by(c.id))
        return [tuple(row) for row in rows]


async def ids(intake: Intake) -> dict[str, int]:
    return {row["external_id"]: row["id"] for row in await intake.rows("ticket")}


async def test_a_link_to_a_ticket_that_is_known_leads_to_it(intake: Intake):
    await intake(ticket("1"), source="itsm")
    await intake(ticket("2", duplicate_of=FIRST), source="itsm")

    known = await ids(intake)
    assert await links(intake) == [(known["2"], LinkKind.DUPLICATE_OF, "1", known["1"])]
    assert (await intake.changes("ticket"))[-1]["fields"]["duplicate_of"] == [None, "1"]


async def test_a_link_to_a_ticket_that_comes_later_waits_for_it_and_then_is_a_change(intake: Intake):
    await intake(ticket("2", duplicate_of=FIRST), source="itsm")
    assert [row[3] for row in await links(intake)] == [None]

    await intake(ticket("1"), source="other")
    assert [row[3] for row in await links(intake)] == [None]
    await intake(ticket("1"), source="itsm")

    rows = await intake.rows("ticket")
    assert [row[3] for row in await links(intake)] == [rows[2]["id"]]
    change = (await intake.changes("ticket"))[-1]
    assert (change["entity_id"], change["fields"]) == (rows[0]["id"], {"duplicate_of": ["1", "1"]})


async def test_tickets_of_one_batch_find_each_other_even_in_a_circle(intake: Intake):
    await intake(ticket("1", duplicate_of=SECOND, related=(SECOND, SECOND)), ticket("2", parent=FIRST), source="itsm")

    known = await ids(intake)
    assert sorted(await links(intake)) == [
        (known["1"], LinkKind.DUPLICATE_OF, "2", known["2"]),
        (known["1"], LinkKind.RELATED, "2", known["2"]),
        (known["2"], LinkKind.PARENT, "1", known["1"]),
    ]


async def test_a_link_that_the_source_states_no_more_goes_and_is_a_change(intake: Intake):
    await intake(ticket("1"), ticket("2", duplicate_of=FIRST, parent=FIRST), source="itsm")

    await intake(ticket("2", v=2, parent=FIRST), source="itsm")

    known = await ids(intake)
    assert await links(intake) == [(known["2"], LinkKind.PARENT, "1", known["1"])]
    assert (await intake.changes("ticket"))[-1]["fields"] == {"duplicate_of": ["1", None]}


async def test_what_is_said_again_changes_nothing(intake: Intake):
    await intake(ticket("1"), ticket("2", duplicate_of=FIRST, related=(ref("ticket", "9"),)), source="itsm")
    before = await intake.count_changes()

    await intake(ticket("2", v=2, duplicate_of=FIRST, related=(ref("ticket", "9"),)), source="itsm")

    assert await intake.count_changes() == before


async def test_a_ticket_that_was_deleted_and_is_back_is_found_by_the_links_that_waited_for_it(intake: Intake):
    await intake(ticket("1"), source="itsm")
    await intake(gone("ticket", "1", v=2), source="itsm")
    await intake(ticket("2", duplicate_of=FIRST), source="itsm")
    assert [row[3] for row in await links(intake)] == [None]

    await intake(ticket("1", v=3), source="itsm")

    assert [row[3] for row in await links(intake)] == [(await ids(intake))["1"]]


async def test_a_ticket_is_not_linked_to_itself(intake: Intake):
    await intake(ticket("1", duplicate_of=FIRST), source="itsm")

    assert await links(intake) == []


def test_a_ticket_is_linked_to_tickets_only():
    with pytest.raises(ValidationError, match="asset:1 is no ticket: a ticket is linked to tickets only"):
        ticket("2", parent=ref("asset", "1"))
