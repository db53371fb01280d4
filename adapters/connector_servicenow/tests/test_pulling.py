"""Lists that ServiceNow gives otherwise than one would think, one test each."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from connector.sdk import (
    AssetRelation,
    ConfigError,
    Deferred,
    EntityKind,
    RelationKind,
    SourceRef,
    UnexpectedResponse,
)
from connector.sdk.testing import Connected, MovableClock, by_ref, ids
from connector_servicenow.sandbox import Instance, ServiceNowSandbox

from .conftest import NOON, Opened

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def queries(source: Connected, table: str) -> list[str]:
    paths = [request.url for request in source.requests]
    return [url.params["sysparm_query"] for url in paths if url.path.endswith(f"/table/{table}")]


async def test_rows_that_share_the_second_of_the_last_one_read_are_not_lost(
    source: Connected, sandbox: ServiceNowSandbox
):
    """The well-known loss: a bulk update stamps more rows with one second than a page holds, and `>` passes over it."""
    sandbox.seed("hardware", 1, at=NOON - 2 * HOUR, step=MINUTE)
    since = (await source.pull("hardware"))[-1].resume
    imported = {ref.external_id for ref in sandbox.seed("hardware", 20, at=NOON - HOUR, step=timedelta(0))}

    seen: list[str] = []
    while not imported <= set(seen) and len(seen) < 50:  # cut off after each batch
        async for batch in source.adapter.pull(source.stream("hardware"), since):
            seen += [record.ref.external_id for record in batch.records]
            since = batch.resume
            break

    assert sorted(each for each in seen if each in imported) == sorted(imported)
    behind = [query for query in queries(source, "alm_hardware") if "^ORsys_id>" in query]
    assert behind[0].startswith("sys_updated_on>=2026-11-25 11:00:00^sys_updated_on>2026-11-25 11:00:00^ORsys_id>")
    assert behind[0].endswith("^ORDERBYsys_updated_on^ORDERBYsys_id")


@pytest.mark.parametrize("is_first", [True, False])
async def test_pages_that_are_empty_since_all_their_rows_are_hidden_do_not_end_a_pull(
    source: Connected, sandbox: ServiceNowSandbox, instance: Instance, is_first: bool
):
    since = None
    if not is_first:
        sandbox.seed("hardware", 1, at=NOON - 9 * HOUR, step=MINUTE)
        since = (await source.pull("hardware"))[-1].resume
    refs = sandbox.seed("hardware", 30, at=NOON - HOUR, step=timedelta(seconds=1))
    order = sorted(ref.external_id for ref in refs) if is_first else [ref.external_id for ref in refs]
    instance.hidden.update(order[3:24])  # three whole pages of six among them

    found = ids(await source.pull("hardware", since))

    assert set(order) & set(found) == set(order) - instance.hidden


async def test_a_condition_that_is_passed_over_stops_the_pull(
    source: Connected, sandbox: ServiceNowSandbox, instance: Instance
):
    sandbox.seed("hardware", 8, at=NOON - HOUR, step=MINUTE)
    since = (await source.pull("hardware"))[-1].resume

    def without_conditions(request: httpx.Request) -> None:
        assert len(source.requests) < 20, "the pull does not end"
        request.url = request.url.copy_set_param("sysparm_query", "ORDERBYsys_created_on")

    source.wire.change = without_conditions  # type: ignore[assignment]
    with pytest.raises(UnexpectedResponse, match="rows of 'alm_hardware' do not come as they were asked for"):
        await source.pull("hardware", since)


async def test_an_idle_instance_costs_no_row_after_the_overlap(
    source: Connected, sandbox: ServiceNowSandbox, clock: MovableClock
):
    sandbox.seed("tickets", 3, at=NOON - MINUTE, step=timedelta(seconds=1))
    since = (await source.pull("tickets"))[-1].resume
    clock.advance(6 * MINUTE)
    since = (await source.pull("tickets", since))[-1].resume

    batches = await source.pull("tickets", since)

    assert ids(batches) == []
    assert "sys_updated_on>=2026-11-25 11:59:03" in queries(source, "incident")[-1]  # the second after the last one


async def test_a_renamed_manufacturer_brings_its_models(
    source: Connected, sandbox: ServiceNowSandbox, instance: Instance
):
    [first, _] = sandbox.seed("models", 2, at=NOON - 9 * HOUR, step=HOUR)
    since = (await source.pull("models"))[-1].resume
    maker = instance.rows[first.external_id]["manufacturer"]
    instance.change(maker, NOON - HOUR, name="Cisco Systems")

    found = by_ref(await source.pull("models", since))

    assert len(found) == 2
    assert (found[first].key.manufacturer, found[first].updated_at) == ("Cisco Systems", NOON - HOUR)


async def test_a_moved_location_brings_its_stockrooms(source: Connected, instance: Instance):
    location = instance.add("cmn_location", NOON - 9 * HOUR, name="Depot", latitude="48.2", longitude="16.3")
    stockroom = instance.add("alm_stockroom", NOON - 9 * HOUR, name="Depot 1", location=location)
    instance.add("alm_stockroom", NOON - 8 * HOUR, name="Depot 2")  # the overlap does not reach the first one
    since = (await source.pull("places"))[-1].resume
    instance.change(location, NOON - HOUR, latitude="48.3")

    hub = by_ref(await source.pull("places", since))[SourceRef(kind=EntityKind.HUB, external_id=stockroom)]

    assert (hub.point.latitude, hub.updated_at) == (48.3, NOON - HOUR)


async def test_an_sla_that_moves_brings_its_ticket(source: Connected, sandbox: ServiceNowSandbox, instance: Instance):
    [ref, _] = sandbox.seed("tickets", 2, at=NOON - 9 * HOUR, step=HOUR)
    definition = instance.add("contract_sla", NOON - 99 * HOUR, name="P2 resolution", target="resolution")
    sla = instance.add(
        "task_sla", NOON - 9 * HOUR, task=ref.external_id, sla=definition, stage="in_progress",
        planned_end_time="2026-11-25 18:00:00",
    )  # fmt: skip
    since = (await source.pull("tickets"))[-1].resume
    instance.change(sla, NOON - HOUR, planned_end_time="2026-11-25 20:00:00")

    ticket = by_ref(await source.pull("tickets", since))[ref]

    assert (ticket.sla_due_at, ticket.updated_at) == (NOON + 8 * HOUR, NOON - HOUR)
    assert await source.adapter.fetch(ref) == ticket


async def test_only_what_the_instance_is_used_for_is_asked(opened: Opened, sandbox: ServiceNowSandbox):
    [ref] = sandbox.seed("tickets", 1, at=NOON - HOUR, step=MINUTE)
    source = opened(roles=["itsm"], read_slas=False, ticket_tables=["incident"], read_deletions=False)

    found = {name: await source.pull(name) for name in ("places", "models", "hardware", "tickets", "deletions")}

    assert [ids(batches) for batches in found.values()] == [[], [], [], [ref.external_id], []]
    assert not any(batches[-1].complete for batches in found.values())
    assert [request.url.path for request in source.requests] == ["/api/now/v2/table/incident"]
    assert not source.adapter.may_write_assets()


async def test_a_whole_pull_is_complete_of_hardware_and_not_of_tickets(source: Connected, sandbox: ServiceNowSandbox):
    sandbox.seed("hardware", 1, at=NOON - HOUR, step=MINUTE)

    first = await source.pull("hardware")
    second = await source.pull("hardware", first[-1].resume)
    tickets = await source.pull("tickets")

    assert [each[-1].complete for each in (first, second, tickets)] == [True, False, False]


async def test_tickets_and_deletions_are_read_as_far_back_as_the_settings_say(
    opened: Opened, sandbox: ServiceNowSandbox
):
    [old, new] = sandbox.seed("tickets", 2, at=NOON - 40 * 24 * HOUR, step=20 * 24 * HOUR)
    gone = sandbox.seed("deletions", 2, at=NOON - 40 * 24 * HOUR, step=20 * 24 * HOUR)
    source = opened(history="P30D")

    assert ids(await source.pull("tickets")) == [new.external_id]
    assert ids(await source.pull("deletions")) == [gone[1].external_id]
    assert (await source.adapter.fetch(old)).ref == old


async def test_another_condition_on_devices_makes_the_next_pull_read_everything(
    opened: Opened, sandbox: ServiceNowSandbox, instance: Instance
):
    refs = sandbox.seed("hardware", 3, at=NOON - 9 * HOUR, step=MINUTE)
    instance.rows[refs[0].external_id]["u_lane"] = "loaner"
    since = (await opened(device_query="u_lane=loaner").pull("hardware"))[-1].resume

    found = ids(await opened().pull("hardware", since))

    assert sorted(found) == sorted(ref.external_id for ref in refs)


async def test_a_device_that_did_not_change_has_the_digest_that_it_had(opened: Opened, sandbox: ServiceNowSandbox):
    sandbox.seed("hardware", 1, at=NOON - HOUR, step=MINUTE)

    async def digest(**changes: object) -> bytes:
        source = opened(**changes)
        [item] = [
            each async for batch in source.adapter.pull(source.stream("hardware"), None) for each in batch.records
        ]
        assert isinstance(item, Deferred)
        return item.digest

    first = await digest()
    assert await digest() == first
    assert await digest(states={"1": "in_stock"}, in_use_status="9", failed_status="3", write_back=False) != first


async def test_deletions_are_asked_for_by_the_tables_that_are_read(opened: Opened, instance: Instance):
    for table, name in (("cmdb_ci_ip_switch", "sw"), ("kb_knowledge", "kb"), ("cmdb_hardware_product_model", "m")):
        instance.add("sys_audit_delete", NOON - HOUR, tablename=table, documentkey=name)

    found = ids(await opened(device_table="cmdb_ci_hardware").pull("deletions"))
    without = ids(await opened(roles=["itsm"]).pull("deletions"))

    assert (sorted(found), without) == (["m", "sw"], [])


async def test_a_table_that_does_not_exist_stops_the_source(opened: Opened):
    with pytest.raises(ConfigError, match="refuses to read table 'u_models': Invalid table u_models"):
        await opened(model_table="u_models").pull("models")


async def test_relations_between_items_are_the_devices_and_a_new_one_brings_its_device(
    opened: Opened, sandbox: ServiceNowSandbox, instance: Instance
):
    refs = chassis, blade, power = sandbox.seed("hardware", 3, at=NOON - 9 * HOUR, step=MINUTE)
    items = [instance.add("cmdb_ci_hardware", NOON - 99 * HOUR, asset=ref.external_id) for ref in refs]
    for ref, item in zip(refs, items, strict=True):
        instance.rows[ref.external_id]["ci"] = item
    instance.rows[blade.external_id]["parent"] = power.external_id
    service = instance.add("cmdb_ci", NOON - 99 * HOUR, name="Mail")
    types = {
        name: instance.add("cmdb_rel_type", name=name)
        for name in ("Contains::Contained by", "Depends on::Used by", "Sends data to::Receives data from")
    }

    def relate(parent: str, name: str, child: str) -> None:
        instance.add("cmdb_rel_ci", NOON - HOUR, parent=parent, type=types[name], child=child)

    relate(items[0], "Contains::Contained by", items[1])
    relate(items[0], "Depends on::Used by", service)  # no device
    relate(items[0], "Sends data to::Receives data from", items[2])  # of a type that says nothing here
    source = opened()
    batches = await source.pull("hardware")
    found = {ref: record.relations for ref, record in by_ref(batches).items()}
    assert found == {
        chassis: (), power: (),
        blade: tuple(AssetRelation.to(RelationKind.PART_OF, each) for each in sorted(
            [chassis.external_id, power.external_id])),
    }  # fmt: skip

    since = (await source.pull("hardware", batches[-1].resume))[-1].resume
    instance.clock.advance(2 * HOUR)
    instance.add(
        "cmdb_rel_ci", NOON + HOUR, parent=items[2], type=types["Depends on::Used by"], child=items[0]
    )  # fmt: skip

    later = by_ref(await source.pull("hardware", since))
    depends = (AssetRelation.to(RelationKind.DEPENDS_ON, chassis.external_id),)
    assert later[power].relations == depends == (await source.adapter.fetch(power)).relations

    none = opened(relations={})
    del source.requests[:]
    assert all(record.relations is not None for record in by_ref(await none.pull("hardware")).values())
    assert not any("cmdb_rel_ci" in request.url.path for request in none.requests)
