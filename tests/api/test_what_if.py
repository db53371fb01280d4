"""`whatIf`: decisions that are only looked at."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.schema.nodes import global_id
from connector.model.lifecycle import ReservationState
from connector.rules.policy.reading import default_policy, default_policy_text
from connector.storage.database.engine import reading, transaction
from connector.storage.tables import incident_group, metadata, reservation
from tests.api.conftest import Hub
from tests.api.seed import Seeded, seed
from tests.factories import NOW, insert_row

WHAT_IF = (Path(__file__).parents[2] / "graphql" / "operations" / "WhatIf.graphql").read_text(encoding="utf-8")
WITHOUT_EVENTS = re.sub(r"(?m)^grouping:\n(  .*\n)+", "", default_policy_text())
NEVER = default_policy_text().replace("hardware: replace", "hardware: none").replace("name: default", "name: never")


async def ask(hub: Hub, **variables: Any) -> dict[str, Any]:
    """The answer of `whatIf`."""
    answer: dict[str, Any] = (await hub.query(WHAT_IF, **variables))["whatIf"]
    return answer


async def refused(hub: Hub, **variables: Any) -> dict[str, Any]:
    """The one refusal of `whatIf`."""
    answer = await ask(hub, **variables)
    assert answer["explanation"] is None
    assert answer["active"] is None
    (refusal,) = answer["errors"]
    found: dict[str, Any] = refusal
    return found


async def rows(engine: AsyncEngine) -> dict[str, int]:
    """How many rows each table has."""
    async with reading(engine) as tx:
        return {
            table.name: int((await tx.execute(select(func.count()).select_from(table))).scalar_one())
            for table in metadata.sorted_tables
        }


def draft(seeded: Seeded, **values: Any) -> dict[str, Any]:
    return {"priority": "P1", "category": "hardware", "productId": seeded.id("Product"),
            "siteId": seeded.id("Site"), **values}  # fmt: skip


async def test_a_ticket_under_the_active_policy_is_decided_as_explain_does(hub: Hub):
    seeded = await seed(hub.engine)

    answer = await ask(hub, ticket=seeded.id("Ticket"))

    explained = await hub.query(
        "query ($t: ID!) { explain(ticketId: $t) { text rule policyVersion dueAt } }", t=seeded.id("Ticket")
    )
    assert answer["errors"] == []
    assert answer["explanation"]["outcome"] == "reserve"
    assert {name: answer["explanation"][name] for name in explained["explain"]} == explained["explain"]
    assert answer["active"]["text"] == answer["explanation"]["text"]


async def test_a_draft_about_a_device_that_has_a_unit_on_its_way_is_relieved(hub: Hub):
    seeded = await seed(hub.engine)
    has_unit = """query ($t: ID!) { ticket(id: $t) { asset { id } reservations { state } } }"""
    ticket = (await hub.query(has_unit, t=seeded.id("Ticket")))["ticket"]
    assert [held["state"] for held in ticket["reservations"]] == ["COMMITTED"]

    answer = await ask(
        hub,
        draft={"priority": "P1", "category": "hardware", "assetId": ticket["asset"]["id"], "siteId": seeded.id("Site")},
    )

    assert (answer["explanation"]["outcome"], answer["explanation"]["reason"]) == ("not_needed", "relieved")


async def test_a_draft_of_a_policy_decides_and_the_active_one_beside_it(hub: Hub):
    seeded = await seed(hub.engine)

    answer = await ask(hub, ticket=seeded.id("Ticket"), policy=NEVER)

    assert (answer["explanation"]["outcome"], answer["explanation"]["reason"]) == ("not_needed", "rule_says_none")
    assert answer["explanation"]["policyVersion"].startswith("never@")
    assert (answer["active"]["outcome"], answer["active"]["policyVersion"]) == ("reserve", default_policy().version)


async def test_a_draft_of_a_ticket_is_decided_like_the_ticket_that_says_the_same(hub: Hub):
    seeded = await seed(hub.engine)
    async with transaction(hub.engine) as tx:  # the ticket's own unit would relieve the draft
        await tx.execute(update(reservation).values(state=ReservationState.RELEASED))
    real = (await ask(hub, ticket=seeded.id("Ticket")))["explanation"]

    asked = draft(seeded, title="Switch is dead", slaDueAt="2026-11-25T13:00:00Z", assetId=seeded.id("Asset"))
    found = (await ask(hub, draft=asked))["explanation"]

    same = set(real) - {"inputs"}
    assert {name: found[name] for name in same} == {name: real[name] for name in same}
    for thing in ("asset", "site", "product", "service_class"):
        assert found["inputs"][thing] == real["inputs"][thing]
    assert found["inputs"]["ticket"] == {
        "number": "draft", "type": "incident", "priority": "P1", "quantity": 1, "state": "new",
        "title": "Switch is dead",
        "category": "hardware", "id": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("priority", "title", "found"),
    [
        ("P2", "No power: switch is offline", ("review", "grouped")),
        ("P1", "No power: switch is offline", ("reserve", "sourced")),
        ("P2", "Switch is dead", ("reserve", "sourced")),
    ],
)
async def test_a_draft_that_would_join_an_event_is_decided_as_its_tickets_are(
    hub: Hub, priority: str, title: str, found: tuple[str, str]
):
    seeded = await seed(hub.engine)
    async with transaction(hub.engine) as tx:
        group = {
            "kind": "site_event", "scope": f"site:{seeded.site}", "title": "3 devices at S1 within 30 min",
            "state": "proposed", "statistics": {}, "policy_version": "default", "serves": False,
            "expires_at": NOW + timedelta(hours=2), "created_at": NOW, "updated_at": NOW,
        }  # fmt: skip
        group_id = await insert_row(tx, incident_group, group)
    asked = draft(seeded, priority=priority, title=title)

    answer = await ask(hub, draft=asked, policy=WITHOUT_EVENTS)

    assert (answer["active"]["outcome"], answer["active"]["reason"]) == found
    assert (answer["explanation"]["outcome"], answer["explanation"]["reason"]) == ("reserve", "sourced")
    if found[1] == "grouped":
        assert answer["active"]["text"].startswith(f"Incident group {group_id} (3 devices at S1 within 30 min)")


async def test_the_site_of_a_draft_is_the_devices_and_its_source_what_it_says(hub: Hub):
    seeded = await seed(hub.engine)

    found = (await ask(hub, draft={"assetId": seeded.id("Asset"), "priority": "P1", "source": "jira"}))["explanation"]

    assert found["inputs"]["site"]["id"] == seeded.site
    assert found["inputs"]["ticket"]["source"] == "jira"


async def test_a_draft_is_opened_at_the_moment_that_is_asked_about(hub: Hub):
    seeded = await seed(hub.engine)

    found = (await ask(hub, draft=draft(seeded), at="2027-03-01T12:00:00+01:00"))["explanation"]

    assert found["decidedAt"] == "2027-03-01T11:00:00Z"
    assert found["dueBasis"].startswith("opened at 2027-03-01 11:00Z plus ")


async def test_more_units_than_a_hub_has_are_not_found_there(hub: Hub):
    seeded = await seed(hub.engine)

    found = (await ask(hub, draft=draft(seeded, quantity=3)))["explanation"]

    assert found["outcome"] == "review"
    assert [losers["code"] for losers in found["losers"]] == ["not_enough"]


async def test_an_empty_draft_is_answered_too(hub: Hub):
    found = (await ask(hub, draft={}))["explanation"]

    assert (found["outcome"], found["reason"]) == ("not_needed", "no_rule_matched")


async def test_nothing_is_written(hub: Hub):
    seeded = await seed(hub.engine)
    before = await rows(hub.engine)

    await ask(hub, ticket=seeded.id("Ticket"), policy=NEVER)
    await ask(hub, draft=draft(seeded), policy=default_policy_text())
    await refused(hub, draft=draft(seeded), policy="name: [")

    assert await rows(hub.engine) == before


async def test_every_mistake_of_a_policy_is_told_with_its_place(hub: Hub):
    seeded = await seed(hub.engine)
    wrong = NEVER.replace("ticket.type !=", "ticket.kind !=").replace("speed_kmh: 60", "speed_kmh: -1")

    refusal = await refused(hub, ticket=seeded.id("Ticket"), policy=wrong)

    assert (refusal["__typename"], refusal["code"]) == ("InvalidDraftRefusal", "INVALID_POLICY")
    assert len(refusal["problems"]) == 2
    lines = wrong.splitlines()
    kind, speed = (next(n for n, line in enumerate(lines, 1) if text in line) for text in ("ticket.kind", "kmh: -1"))
    assert refusal["problems"][0].startswith(f"policy:{kind}:11: rules[0].when: ")
    assert refusal["problems"][1].startswith(f"policy:{speed}:16: sourcing.drive.speed_kmh: ")


async def test_a_policy_that_is_no_yaml_is_refused_with_line_and_column(hub: Hub):
    refusal = await refused(hub, draft={}, policy="name: x\nrules: [\n")

    assert refusal["code"] == "INVALID_POLICY"
    assert refusal["problems"][0].startswith("policy:3:1: ")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x" * 100_001, "has 100,001 characters, 100,000 are allowed"),
        ("[" * 5_000, "is nested too deeply"),
        ("a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
            for before, name in zip("abcdefgh", "bcdefghi", strict=True)
        ), "with its aliases written out"),
        ("&a [*a]", "with its aliases written out"),
    ],
    ids=["long", "deep", "many aliases", "itself"],
)  # fmt: skip
async def test_a_policy_of_unreasonable_size_is_refused(hub: Hub, text: str, what: str):
    refusal = await refused(hub, draft={}, policy=text)

    assert refusal["code"] == "INVALID_POLICY"
    assert what in refusal["message"]


async def test_every_mistake_of_a_draft_is_told_with_its_place(hub: Hub):
    seeded = await seed(hub.engine)
    unknown = {"assetId": global_id("Asset", 998), "siteId": global_id("Site", 999), "quantity": 0}

    refusal = await refused(hub, draft=draft(seeded, **unknown))
    mixed_up = await refused(hub, draft={"assetId": seeded.id("Site"), "openedAt": "0001-01-01T00:00:00Z"})

    assert (refusal["__typename"], refusal["code"]) == ("InvalidDraftRefusal", "INVALID_DRAFT")
    assert refusal["problems"] == [
        "draft.assetId: there is no such asset",
        "draft.siteId: there is no such site",
        "draft.quantity: 0 units are none: ask for 1 or more",
    ]
    assert mixed_up["problems"] == [
        f"draft.assetId: id '{seeded.id('Site')}' is the id of a Site, not of a Asset",
        "draft.openedAt: 1-01-01 is not between 1970 and 2200",
    ]


async def test_a_product_that_is_not_the_devices_is_refused(hub: Hub):
    seeded = await seed(hub.engine)
    other = (await hub.query('{ products(filter: { model: { eq: "Bracket" } }) { nodes { id } } }'))["products"]

    refusal = await refused(hub, draft={"assetId": seeded.id("Asset"), "productId": other["nodes"][0]["id"]})

    assert refusal["problems"][0].startswith("draft.productId: the asset is a 'Acme ")


async def test_a_question_about_nothing_or_about_both_is_refused(hub: Hub):
    seeded = await seed(hub.engine)

    for question in ({}, {"ticket": seeded.id("Ticket"), "draft": {}}):
        refusal = await refused(hub, **question)
        assert (refusal["__typename"], refusal["message"]) == (
            "InvalidInputRefusal", "whatIf needs either `ticketId` or `draft`, and only one of them",
        )  # fmt: skip


async def test_a_ticket_that_does_not_exist_and_a_moment_of_no_calendar_are_refused(hub: Hub):
    missing = await refused(hub, ticket=global_id("Ticket", 999))
    long_ago = await refused(hub, draft={}, at="0999-01-01T00:00:00Z")

    assert (missing["__typename"], missing["message"]) == ("NotFoundRefusal", "there is no ticket with id 999")
    assert long_ago["message"] == "at: 999-01-01 is not between 1970 and 2200"
