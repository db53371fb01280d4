"""Those who decide ask for the active policy with the facts: an activation counts for the next decision."""

from __future__ import annotations

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import NOW, make_asset, make_hub, make_product, make_site, make_source, make_spares, make_ticket

from connector.model.errors import NotKnown
from connector.rules.policy.reading import default_policy, default_policy_text
from connector.storage.database.engine import transaction
from connector.storage.policies.active import ActivePolicy
from connector.storage.policies.policies import activate_policy, rollback_policy
from connector.storage.tickets.decide import Sourced, decide_and_reserve, explain_ticket

CHANGED = default_policy_text().replace("hold_minutes: 60", "hold_minutes: 45")


@pytest.fixture
async def tickets(engine: AsyncEngine) -> list[int]:
    """Five tickets about devices of which there are spares."""
    async with transaction(engine) as tx:
        hub, product, site = await make_hub(tx), await make_product(tx), await make_site(tx, code="S")
        await make_spares(tx, hub_id=hub, product_id=product, count=5)
        source = await make_source(tx)
        assets = [await make_asset(tx, name=f"sw-{n}", product_id=product, site_id=site) for n in range(5)]
        return [
            await make_ticket(tx, source_id=source, number=f"INC-{n}", asset_id=asset) for n, asset in enumerate(assets)
        ]


async def decided(engine: AsyncEngine, ticket: int, policy: ActivePolicy) -> Sourced:
    async with transaction(engine) as tx:
        return await decide_and_reserve(tx, ticket, policy, now=NOW)


def version_of(sourced: Sourced) -> str:
    assert sourced.decision is not None
    return sourced.decision.policy_version


async def test_an_activation_counts_for_the_next_decision_and_a_rollback_as_well(
    engine: AsyncEngine, tickets: list[int]
):
    policy, shipped = ActivePolicy(), default_policy().version
    async with transaction(engine) as tx:
        await activate_policy(tx, default_policy_text(), author="ada", at=NOW)
    first = version_of(await decided(engine, tickets[0], policy))
    async with transaction(engine) as tx:
        changed = await activate_policy(tx, CHANGED, author="ada", at=NOW)
    second = await decided(engine, tickets[1], policy)
    async with transaction(engine) as tx:
        await rollback_policy(tx, author="ada", at=NOW)
    third = version_of(await decided(engine, tickets[2], policy))

    assert (first, version_of(second), third) == (shipped, changed.version, shipped)
    assert second.decision is not None
    assert second.decision.hold_minutes == 45


async def test_within_the_activating_transaction_the_new_policy_counts_and_outside_not_before_its_commit(
    engine: AsyncEngine, tickets: list[int]
):
    policy = ActivePolicy()
    async with transaction(engine) as tx:
        await activate_policy(tx, default_policy_text(), author="ada", at=NOW)
    async with engine.connect() as tx:
        changed = await activate_policy(tx, CHANGED, author="ada", at=NOW)
        inside = await explain_ticket(tx, tickets[0], policy, NOW)
        await tx.rollback()

    assert inside.policy_version == changed.version
    assert version_of(await decided(engine, tickets[0], policy)) == default_policy().version


async def test_the_active_policy_costs_no_statement_once_it_is_known(engine: AsyncEngine, tickets: list[int]):
    policy, statements = ActivePolicy(), []
    async with transaction(engine) as tx:
        await activate_policy(tx, default_policy_text(), author="ada", at=NOW)
    for known in (default_policy(), policy):
        await decided(engine, tickets.pop(), known)

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        statements[-1].append(statement.split()[0])

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    for known in (default_policy(), policy):
        statements.append([])
        await decided(engine, tickets.pop(), known)

    assert statements[0] == statements[1]
    assert len(statements[0]) > 3


async def test_nothing_is_decided_without_a_policy(engine: AsyncEngine, tickets: list[int]):
    with pytest.raises(NotKnown, match="no policy is active"):
        await decided(engine, tickets[0], ActivePolicy())
