"""How an explanation is told on the command line and over GraphQL, beyond what the decision itself says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from tests.composition.test_cli import here, run, run_json, undisturbed_logging
from tests.factories import (
    BERLIN,
    make_asset,
    make_hub,
    make_product,
    make_service_class,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)
from tests.fulfilment.test_approvals import policy as needing_a_yes
from tests.rules.cases import NOW, facts, holding, hub, policy, ticket_of

from connector.api.schema.explaining import explanation_of
from connector.cli.explain import due_lines
from connector.model.lifecycle import ApprovalState
from connector.model.refs import EntityKind
from connector.rules.facts.ticket import ServiceClassFacts
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision
from connector.storage import tables
from connector.storage.approvals.approvals import Ask, request_approval, settle_approval
from connector.storage.database.engine import open_engine, transaction
from connector.storage.stock.succession import move_reservation
from connector.storage.stock.units import ShelfKey
from connector.storage.tickets.decide import decide_and_reserve

__all__ = ["here", "undisturbed_logging"]

COMPUTED = "opened at 2026-11-25 09:00Z plus 240 min of 24x7 in Europe/Berlin (service class 'critical')"


def decision(stated: datetime | None, *, service_class: str | None = "critical") -> Decision:
    case = facts([hub(1)], [holding(1)])
    if service_class:
        case = replace(case, service_class=ServiceClassFacts(service_class, 1, "24x7"))
    return decide(replace(case, ticket=ticket_of(case, sla_due_at=stated)), policy(), NOW)


@pytest.mark.parametrize(
    ("made", "lines"),
    [
        (decision(None), [f"due Wed 25 Nov 13:00 UTC ({COMPUTED}), margin 210 min"]),
        (decision(None, service_class=None), []),
        (
            decision(datetime(2026, 11, 25, 13, 10, tzinfo=UTC)),
            [
                "due Wed 25 Nov 13:10 UTC (due time of the ticket), margin 220 min",
                f"computed due Wed 25 Nov 13:00 UTC ({COMPUTED})",
                "stated minus computed: +10 min, within the 15 min of tolerance",
            ],
        ),
        (
            decision(datetime(2026, 11, 25, 11, 0, tzinfo=UTC)),
            [
                "due Wed 25 Nov 11:00 UTC (due time of the ticket), margin 90 min",
                f"computed due Wed 25 Nov 13:00 UTC ({COMPUTED})",
                "stated minus computed: -120 min, DISPUTED, the policy tolerates 15 min",
            ],
        ),
        (
            decision(datetime(2026, 11, 25, 11, 0, tzinfo=UTC), service_class=None),
            [
                "due Wed 25 Nov 11:00 UTC (due time of the ticket), margin 90 min",
                "not compared with a computed due time: no service class is known, so any arrival counts as in time",
            ],
        ),
    ],
    ids=["computed", "neither", "agreed", "disputed", "stated"],
)
def test_the_command_line_tells_both_due_times(made: Decision, lines: list[str]):
    assert due_lines(explanation_of(made.explanation())) == lines


def test_graphql_tells_both_due_times_and_whose_holidays_count():
    found = explanation_of(decision(datetime(2026, 11, 25, 11, 0, tzinfo=UTC)).explanation())

    assert (found.due_at, found.stated_due_at) == (datetime(2026, 11, 25, 11, 0, tzinfo=UTC),) * 2
    assert (found.computed_due_at, found.computed_due_basis) == (datetime(2026, 11, 25, 13, 0, tzinfo=UTC), COMPUTED)
    assert (found.due_difference_minutes, found.due_tolerance_minutes, found.is_due_disputed) == (-120, 15, True)
    unknown = "with public holidays (the {} has no country and the policy no default_country)"
    assert found.site_access == "24x7 in Europe/Berlin"
    assert found.site_delivery == f"Mon-Fri 08:00-18:00 in Europe/Berlin {unknown.format('site')}"
    assert found.chosen is not None
    assert found.chosen.hours == f"24x7 in Europe/Berlin; couriers collect {unknown.format('hub')}"


def test_graphql_reads_explanations_that_were_kept_without_these():
    content = decision(None).explanation()
    del content["site"]
    content["sla"] = {name: content["sla"][name] for name in ("due_at", "basis", "margin_minutes")}
    for candidate in (content["chosen"], *content["candidates"]):
        del candidate["hours"]

    found = explanation_of(content)

    assert (found.due_at, found.computed_due_at, found.is_due_disputed, found.site_access) == (
        datetime(2026, 11, 25, 13, 0, tzinfo=UTC), None, False, "",
    )  # fmt: skip
    assert found.chosen is not None
    assert found.chosen.hours == ""


async def decided() -> None:
    """A ticket in the database of the working directory, with what the rules made of it."""
    engine = open_engine("sqlite:///hub.db")
    async with transaction(engine) as tx:
        near = await make_hub(tx, code="NEAR", **BERLIN)
        product = await make_product(tx, model="X1")
        await make_spares(tx, hub_id=near, product_id=product, count=1)
        site = await make_site(tx, code="S", service_class_id=await make_service_class(tx, "gold"))
        asset = await make_asset(tx, name="sw-1", product_id=product, site_id=site)
        ticket = await make_ticket(tx, source_id=await make_source(tx), number="INC-7", asset_id=asset)
        await decide_and_reserve(tx, ticket, policy(), now=NOW)
    await engine.dispose()


def test_the_command_tells_what_was_decided_and_decides_anew_only_when_asked(here: Path):
    assert run("sources").exit_code == 0  # makes the database
    asyncio.run(decided())

    told = run("explain", "INC-7").output
    kept = cast(dict[str, Any], run_json("explain", "INC-7"))
    anew = run("explain", "INC-7", "--now").output

    assert "(sourced), decided at 2026-11-25 09:00Z" in told
    assert " 1  NEAR  " in told
    assert "chosen" in told
    assert kept["decided_at"] == "2026-11-25T09:00:00Z"
    # it has its unit, and the shelf is empty now
    assert "as it would be decided now; nothing is done" in anew
    assert " 1  NEAR  " not in anew


async def moved() -> None:
    """The claim is moved to another hub the day after."""
    engine = open_engine("sqlite:///hub.db")
    async with transaction(engine) as tx:
        held = (await tx.execute(tables.reservation.select())).one()
        far = await make_hub(tx, code="FAR", **BERLIN)
        await make_spares(tx, hub_id=far, product_id=held.product_id, count=1)
        at = NOW + timedelta(days=1)
        await move_reservation(
            tx, held.id, ShelfKey(far, held.product_id, held.lane), reason="moved by ann: closer", actor="ann", at=at,
            expires_at=at + timedelta(hours=1),
        )  # fmt: skip
    await engine.dispose()


def test_the_command_tells_what_a_person_has_moved_since(here: Path):
    assert run("sources").exit_code == 0  # makes the database
    asyncio.run(decided())
    asyncio.run(moved())

    told = run("explain", "INC-7").output
    content = cast(dict[str, Any], run_json("explain", "INC-7"))

    assert "from NEAR to FAR at 2026-11-26 09:00Z, moved by ann: closer\n" in told
    assert content["moves"] == [
        {"at": "2026-11-26T09:00:00Z", "origin": "NEAR", "target": "FAR", "reason": "moved by ann: closer"}
    ]


async def waived() -> None:
    """What was claimed needed a yes, which a red channel did away with an hour later."""
    engine = open_engine("sqlite:///hub.db")
    async with transaction(engine) as tx:
        at = NOW + timedelta(hours=1)
        for subject in (EntityKind.RESERVATION, EntityKind.TASK):  # a task of the same id has nothing to do with it
            ask = Ask("spare", subject, 1, "Approve Acme X1", "rules")
            request = await request_approval(tx, ask, needing_a_yes("within_minutes: 120"), actor="rules", at=NOW)
            await settle_approval(
                tx, request, ApprovalState.WAIVED, by="channel:1", reason="recall", actor="channel:1", at=at
            )
    await engine.dispose()


def test_the_command_tells_what_became_of_the_approval_that_it_waited_for(here: Path):
    assert run("sources").exit_code == 0  # makes the database
    asyncio.run(decided())
    before = run("explain", "INC-7").output
    asyncio.run(waived())

    told = run("explain", "INC-7").output
    content = cast(dict[str, Any], run_json("explain", "INC-7"))

    assert "approval 'spare'" not in before
    assert "approval 'spare': waived at 2026-11-25 10:00Z by channel:1: recall\n" in told
    assert content["approvals"] == [
        {
            "name": "spare",
            "state": "waived",
            "at": "2026-11-25T10:00:00Z",
            "decided_by": "channel:1",
            "reason": "recall",
        }
    ]
