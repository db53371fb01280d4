"""People and links of tickets, and relations of devices: rows of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from connector.sdk import AssetRelation, Invalid, RelationKind, SetTicketFields
from connector.sdk.testing import Connected, MovableClock, by_ref
from connector_glpi.mapping import asset_ref
from connector_glpi.sandbox import GlpiSandbox, GlpiV2Sandbox

from .conftest import Opened


@pytest.fixture
def person(sandbox: GlpiSandbox) -> int:
    number: int = sandbox.inventory.add("User", name="kim", realname="Kim", firstname="Lee")["id"]
    return number


async def test_a_ticket_is_assigned_by_login_once_beside_a_column(
    source: Connected, sandbox: GlpiSandbox, person: int
) -> None:
    ref = sandbox.new_ticket()
    operation = SetTicketFields("k-1", ref, {"assignee": "KIM", "externalid": "0034"})

    assert await source.adapter.find(operation) is None
    await source.adapter.push(operation)
    await source.adapter.push(operation)

    assert [(row["users_id"], row["type"]) for row in sandbox.inventory.tables["Ticket_User"].values()] == [(person, 2)]
    assert by_ref(await source.pull("tickets"))[ref].assignee == "Kim Lee"
    assert sandbox.field_of(ref, "externalid") == "0034"


async def test_a_group_is_assigned_by_id(source: Connected, sandbox: GlpiSandbox) -> None:
    group = sandbox.inventory.add("Group", name="Field service")["id"]
    ref = sandbox.new_ticket()

    await source.adapter.push(SetTicketFields("k-1", ref, {"assigned_group": str(group)}))

    assert by_ref(await source.pull("tickets"))[ref].assignee == "Field service"


async def test_links_are_added_once_and_shown_by_both_ends(source: Connected, sandbox: GlpiSandbox) -> None:
    ref, parent, original, other = (sandbox.new_ticket() for _ in range(4))
    fields = {
        "parent": parent.external_id, "duplicate_of": f"#{original.external_id}", "related": other.external_id,
    }  # fmt: skip

    await source.adapter.push(SetTicketFields("k-1", ref, fields))
    await source.adapter.push(SetTicketFields("k-2", ref, {"related": f"{other.external_id} {parent.external_id}"}))

    tickets = by_ref(await source.pull("tickets"))
    assert (tickets[ref].parent, tickets[ref].duplicate_of, tickets[ref].related) == (parent, original, (other,))
    assert (await source.adapter.fetch(other)).related == (ref,)
    assert len(sandbox.inventory.tables["Ticket_Ticket"]) == 4


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("assignee", "nobody", "GLPI knows no user 'nobody'"),
        ("parent", "INC-1", "'INC-1' is no number of a ticket"),
        ("related", "", "'' is no number of a ticket"),
    ],
)
async def test_who_or_what_cannot_be_meant_is_refused_before_anything_is_written(
    source: Connected, sandbox: GlpiSandbox, field: str, value: str, why: str
) -> None:
    ref = sandbox.new_ticket()

    with pytest.raises(Invalid) as raised:
        await source.adapter.push(SetTicketFields("k-1", ref, {"externalid": "0034", field: value}))

    assert raised.value.fields == {field: why}
    assert sandbox.row(ref)["externalid"] is None


async def test_a_ticket_that_is_not_there_cannot_be_linked_to(source: Connected, sandbox: GlpiSandbox) -> None:
    with pytest.raises(Invalid) as raised:
        await source.adapter.push(SetTicketFields("k-1", sandbox.new_ticket(), {"parent": "4711"}))

    assert list(raised.value.fields) == ["parent"]


@pytest.fixture
async def second(clock: MovableClock) -> AsyncIterator[tuple[GlpiV2Sandbox, Connected]]:
    sandbox = GlpiV2Sandbox(clock)
    async with Connected("glpi", sandbox.app(), sandbox.settings(), clock) as connected:
        yield sandbox, connected


async def test_v2_assigns_by_id_and_links_nothing(second: tuple[GlpiV2Sandbox, Connected]) -> None:
    sandbox, source = second
    person, ref = sandbox.inventory.add("User", name="kim")["id"], sandbox.new_ticket()

    await source.adapter.push(SetTicketFields("k-1", ref, {"assignee": str(person)}))

    assert by_ref(await source.pull("tickets"))[ref].assignee == "kim"
    with pytest.raises(Invalid, match="the high-level API of GLPI links no tickets"):
        await source.adapter.push(SetTicketFields("k-2", ref, {"parent": sandbox.new_ticket().external_id}))
    with pytest.raises(Invalid, match="GLPI knows no user 'kim'"):
        await source.adapter.push(SetTicketFields("k-3", ref, {"assignee": "kim"}))


async def test_devices_are_related_by_what_is_connected_and_by_the_impact_analysis(
    opened: Opened, sandbox: GlpiSandbox
) -> None:
    computer, screen = sandbox.device(), sandbox.device(kind="Monitor")
    switch = sandbox.device(kind="NetworkEquipment")
    sandbox.inventory.add("Computer_Item", computers_id=computer["id"], itemtype="Monitor", items_id=screen["id"])
    sandbox.inventory.add("Computer_Item", computers_id=computer["id"], itemtype="Cable", items_id=1)
    sandbox.inventory.add(
        "ImpactRelation", itemtype_source="NetworkEquipment", items_id_source=switch["id"],
        itemtype_impacted="Computer", items_id_impacted=computer["id"],
    )  # fmt: skip
    types = {"device_types": ["Computer", "Monitor", "NetworkEquipment"]}
    source = opened(**types, read_relations=True)
    at_computer, at_screen = asset_ref("Computer", computer["id"]), asset_ref("Monitor", screen["id"])
    at_switch = asset_ref("NetworkEquipment", switch["id"])

    devices = by_ref(await source.pull("hardware"))

    related = (
        AssetRelation.to(RelationKind.CONNECTED_TO, at_screen.external_id),
        AssetRelation.to(RelationKind.DEPENDS_ON, at_switch.external_id),
    )
    assert devices[at_computer].relations == related
    assert devices[at_screen].relations == (AssetRelation.to(RelationKind.CONNECTED_TO, at_computer.external_id),)
    assert devices[at_switch].relations == ()
    assert (await source.adapter.fetch(at_computer)).relations == related
    assert by_ref(await opened(**types, read_relations=False).pull("hardware"))[at_computer].relations is None


async def test_relations_that_the_profile_may_not_see_say_nothing(opened: Opened, sandbox: GlpiSandbox) -> None:
    computer = sandbox.device()
    sandbox.server.without_right |= {"Computer_Item", "ImpactRelation"}

    devices = by_ref(await opened(read_relations=True).pull("hardware"))

    assert devices[asset_ref("Computer", computer["id"])].relations is None
