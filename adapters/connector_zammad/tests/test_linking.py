"""Links, which are written as fields are and are no attributes."""

from __future__ import annotations

import pytest

from connector.sdk import Invalid, SetTicketFields, TicketRecord
from connector_zammad.mapping import ticket_ref

from .conftest import NOON, Hub


async def test_links_are_added_once_and_shown_beside_an_attribute(hub: Hub) -> None:
    for _ in range(4):
        hub.desk.open(NOON)
    operation = SetTicketFields("k-1", ticket_ref(1), {"parent": "2", "related": "#3, 4", "tracking_number": "JD01"})

    assert await hub.adapter().find(operation) is None
    await hub.adapter().push(operation)
    await hub.adapter().push(operation)
    await hub.adapter().push(SetTicketFields("k-2", ticket_ref(1), {"parent": "2"}))

    assert hub.desk.links == [("parent", 2, 1), ("normal", 3, 1), ("normal", 4, 1)]
    record = {each.ref: each for each in (await hub.pull())[0]}[ticket_ref(1)]
    assert isinstance(record, TicketRecord)
    assert (record.parent, record.related) == (ticket_ref(2), (ticket_ref(3), ticket_ref(4)))
    assert hub.desk.tickets[1]["tracking_number"] == "JD01"
    assert await hub.adapter().find(SetTicketFields("k-3", ticket_ref(1), {"related": "4"})) is not None


@pytest.mark.parametrize(
    ("value", "why"),
    [("", "'' is no id of a ticket"), ("INC-1", "'INC-1' is no id of a ticket"), ("99", "there is no ticket 99")],
)
async def test_what_is_no_ticket_is_refused_before_an_attribute_is_written(hub: Hub, value: str, why: str) -> None:
    hub.desk.open(NOON)

    with pytest.raises(Invalid) as raised:
        await hub.adapter().push(SetTicketFields("k-1", ticket_ref(1), {"parent": value, "tracking_number": "JD01"}))

    assert raised.value.fields == {"parent": why}
    assert hub.desk.tickets[1]["tracking_number"] != "JD01"
