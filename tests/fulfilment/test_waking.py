"""Whatever a decision reads wakes the tickets that wait: for a fact that was missing, a hub, or other rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.factories import NOW, insert_row, make_asset, make_product, make_service_class
from tests.fulfilment.conftest import Launch
from tests.fulfilment.scene import Scene, make_scene

from connector.fulfilment.line import DECIDING, LINKS
from connector.model.refs import EntityKind
from connector.rules.policy.conditions import SAMPLE
from connector.rules.policy.reading import read_policy
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.policies.active import ActivePolicy
from connector.storage.policies.policies import activate_policy
from connector.storage.quality.days import measure_day
from connector.storage.quality.populations import Terms

PERSON = """name: {name}
rules:
  - {{name: any, when: "{when}", hardware: replace}}
sourcing:
  courier: {{transit: [{{hours: 24}}]}}
  missing: {{{missing}}}
"""
ALWAYS: Final = "true"

FIXED: Final = {"source", "known"}
"""What conditions read and nothing changes: the system that a ticket lives in; that something is there at all."""
WORKED_OUT: Final = {
    "warranty_known": "warranty_ends_on", "in_warranty": "warranty_ends_on", "warranty_days_left": "warranty_ends_on",
    "service_class": "service_class_id",
}  # fmt: skip
"""What conditions read, and the column that it is worked out of."""
OF_THE_UNIT: Final = {"state"}
"""Of an asset, what each claim of it changes: no news for those who wait for something else."""


def policy(when: str = ALWAYS, missing: str = "") -> Any:
    return read_policy(PERSON.format(name="test", when=when, missing=missing))


async def waits_because(scene: Scene, reason: str) -> None:
    """Until a person is asked about the only ticket, for this reason."""

    async def is_asked() -> bool:
        return any(row["key"].endswith(f":{reason}") for row in await scene.rows(tables.task, state="open"))

    await eventually(is_asked)


async def is_served(scene: Scene) -> None:
    await scene.finished(1)
    assert [state for kind, state in await scene.tasks() if kind == "review"] == ["done"]


async def test_a_site_that_gets_its_service_class_serves_the_ticket_that_asked_for_it(
    engine: AsyncEngine, launch: Launch
):
    scene = await make_scene(engine)
    async with transaction(engine) as tx:
        critical = await make_service_class(tx)
    await launch(policy=policy(missing="service_class: person"))
    await scene.open_ticket()
    await waits_because(scene, "service_class_unknown")

    await scene.change(tables.site, EntityKind.SITE, scene.site_id, service_class_id=critical)

    await is_served(scene)


async def test_a_hub_that_can_be_planned_with_at_last_serves_those_who_wait_for_what_it_has(
    engine: AsyncEngine, launch: Launch
):
    scene = await make_scene(engine)
    await scene.change(tables.hub, EntityKind.HUB, scene.hub_id, latitude=None, longitude=None)
    await launch(policy=policy())
    await scene.open_ticket()
    await waits_because(scene, "nothing_reachable")

    await scene.change(tables.hub, EntityKind.HUB, scene.hub_id, latitude=52.52, longitude=13.405)

    await is_served(scene)


async def test_a_site_whose_data_was_mended_and_measured_serves_the_ticket_that_waited_for_that(
    engine: AsyncEngine, launch: Launch
):
    scene = await make_scene(engine)
    await launch(policy=read_policy(PERSON.format(name="test", when=ALWAYS, missing="").replace(
        "hardware: replace", "hardware: replace, min_data_quality: {site: 50}"
    )))  # fmt: skip
    terms, kept = Terms(NOW), timedelta(days=1)
    await scene.change(tables.site, EntityKind.SITE, scene.site_id, address=None)
    await measure_day(engine, terms, kept=kept)
    await scene.open_ticket()
    await waits_because(scene, "data_quality")

    address = {"line1": "1 Road", "city": "Berlin", "postal_code": "10115", "country": "DE"}
    await scene.change(tables.site, EntityKind.SITE, scene.site_id, address=address)
    await measure_day(engine, terms, kept=kept)

    await is_served(scene)


async def test_a_ticket_that_names_a_part_waits_for_its_device_and_gets_that(engine: AsyncEngine, launch: Launch):
    scene = await make_scene(engine, spares=0)
    async with transaction(engine) as tx:
        part = await make_product(tx, model="SFP", part_number="SFP-1")
    await launch(policy=policy())
    await scene.open_ticket(product_id=part)  # the affected device says what is needed, before the ticket does
    await waits_because(scene, "no_compatible_stock")

    async with transaction(engine) as tx:
        await make_asset(tx, hub_id=scene.hub_id, product_id=scene.product_id, state="in_stock")
    stock = await scene.row(tables.stock, product_id=scene.product_id)
    await scene.change(tables.stock, EntityKind.STOCK, stock["id"], on_hand=1)

    await is_served(scene)
    assert (await scene.row(tables.reservation))["requested_product_id"] == scene.product_id


async def test_a_ticket_is_decided_about_when_it_comes_to_those_whose_tickets_the_rule_is_about(
    engine: AsyncEngine, launch: Launch
):
    scene = await make_scene(engine)
    await launch(policy=policy(when="ticket.assignee == 'field service'"))
    ticket = await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.decision, reason="no_rule_matched"))

    await scene.change(tables.ticket, EntityKind.TICKET, ticket, assignee="field service")

    await scene.finished(1)
    assert [row["reason"] for row in await scene.rows(tables.decision)] == ["no_rule_matched", "sourced"]


async def test_another_policy_decides_what_a_person_was_asked_about_and_leaves_other_tickets_alone(
    engine: AsyncEngine, launch: Launch
):
    scene = await make_scene(engine, latitude=None, longitude=None)
    texts = [PERSON.format(name=name, when=ALWAYS, missing=f"site_coordinates: {what}") for name, what in
             (("first", "person"), ("second", "assume"))]  # fmt: skip
    async with transaction(engine) as tx:
        await activate_policy(tx, texts[0], author="ada", at=NOW)
        bystander = await insert_row(
            tx, tables.ticket,
            {"source_id": scene.source_id, "external_id": "1", "number": "1", "type": "incident", "state": "new",
             "title": "Nobody waits", "created_at": NOW, "updated_at": NOW},
        )  # fmt: skip
    await launch(policy=ActivePolicy())
    ticket = await scene.open_ticket("4711", asset_id=scene.failed_id)
    await waits_because(scene, "site_without_coordinates")

    async with transaction(engine) as tx:
        await activate_policy(tx, texts[1], author="ada", at=NOW)

    await is_served(scene)
    decisions = await scene.rows(tables.decision)
    assert [(row["ticket_id"], row["reason"], row["policy_version"].split("@")[0]) for row in decisions] == [
        (ticket, "site_without_coordinates", "first"), (ticket, "sourced", "second"),
    ]  # fmt: skip
    assert bystander not in {row["ticket_id"] for row in decisions}


async def test_another_policy_gets_from_outside_what_a_ticket_stood_in_the_queue_for(
    engine: AsyncEngine, launch: Launch
):
    scene = await make_scene(engine, spares=0)
    ladder = """name: test
rules:
  - {name: any, when: "true", hardware: replace, ladder: LADDER}
sourcing:
  courier: {transit: [{hours: 24}]}
  suppliers: {acme: {offers: [vendor_replacement], lead_hours: 24}}
"""
    async with transaction(engine) as tx:
        await activate_policy(tx, ladder.replace("LADDER", "[stock, backorder]"), author="ada", at=NOW)
    await launch(policy=ActivePolicy())
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.procurement, kind="backorder"))

    async with transaction(engine) as tx:
        await activate_policy(
            tx, ladder.replace("LADDER", "[stock, vendor_replacement, backorder]"), author="ada", at=NOW
        )

    await eventually(lambda: scene.rows(tables.procurement, kind="vendor_replacement"))
    ordered = {row["kind"].value: row["state"].value for row in await scene.rows(tables.procurement)}
    assert ordered == {"backorder": "cancelled", "vendor_replacement": "approved"}


@pytest.mark.parametrize(
    ("variable", "kind", "table", "exempt"),
    [
        ("ticket", EntityKind.TICKET, tables.ticket, FIXED),
        ("asset", EntityKind.ASSET, tables.asset, FIXED | OF_THE_UNIT),
        ("site", EntityKind.SITE, tables.site, FIXED),
        ("product", EntityKind.PRODUCT, tables.product, FIXED),
    ],
)
def test_every_fact_that_a_condition_reads_is_one_whose_change_is_looked_at(
    variable: str, kind: EntityKind, table: Table, exempt: set[str]
):
    read = {WORKED_OUT.get(name, name) for name in SAMPLE[variable].keys() - exempt}
    looked_at = DECIDING if kind is EntityKind.TICKET else LINKS[kind]

    assert read <= set(table.c.keys()), "a condition reads something that is no column"
    assert read - looked_at == set()


def test_every_column_of_a_hub_that_arrivals_are_planned_with_is_looked_at():
    nothing_to_plan_with = {"id", "name", "created_at", "updated_at"}

    assert set(tables.hub.c.keys()) - nothing_to_plan_with == LINKS[EntityKind.HUB]
