"""Versions of policies, their activation, and those who decide by the active one."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import NOW

from connector.model.errors import IllegalTransition, NotKnown, StaleWrite
from connector.model.kinds import ActivationKind
from connector.model.refs import EntityKind
from connector.rules.checks.policy_tests import PolicyTestsFailed
from connector.rules.policy.reading import InvalidPolicy, default_policy_text, read_policy
from connector.storage import tables
from connector.storage.database.changes import publish_changes, read_changes
from connector.storage.database.engine import open_engine, reading, transaction
from connector.storage.policies.active import ActivePolicy
from connector.storage.policies.policies import (
    Activation,
    activate_policy,
    list_policies,
    policy_version,
    rollback_policy,
    take_in_policy,
)

DOCUMENT = """name: {name}
rules: [{{name: any, when: "ticket.type == 'incident'", hardware: replace}}]
sourcing: {{courier: {{transit: [{{hours: 24}}]}}}}
service_classes: {{gold: {{maximum_outage_minutes: {minutes}}}}}
"""
FAILING = "tests: [{name: wrong, expect: {rule: null}}]\n"


def text(name: str, minutes: int = 60) -> str:
    return DOCUMENT.format(name=name, minutes=minutes)


def version(name: str, minutes: int = 60) -> str:
    return read_policy(text(name, minutes)).version


async def activate(engine: AsyncEngine, document: str, **values: str) -> Activation:
    async with transaction(engine) as tx:
        return await activate_policy(tx, document, author="ada", at=NOW, **values)


async def rollback(engine: AsyncEngine, **values: str) -> Activation:
    async with transaction(engine) as tx:
        return await rollback_policy(tx, author="ben", at=NOW, **values)


async def take_in(engine: AsyncEngine, document: str) -> Activation | None:
    async with transaction(engine) as tx:
        return await take_in_policy(tx, document, source="policy.yaml", author="configuration", at=NOW)


async def active(engine: AsyncEngine, source: ActivePolicy | None = None) -> str:
    async with reading(engine) as tx:
        return (await (source or ActivePolicy()).now(tx)).version


async def test_an_activated_policy_is_the_active_one_with_its_service_classes(engine: AsyncEngine):
    first = await activate(engine, text("a"))
    second = await activate(engine, text("b", minutes=90), comment="longer")
    again = await activate(engine, text("b", minutes=90))

    assert (first.version, first.previous, first.is_new) == (version("a"), None, True)
    assert (second.previous, second.is_new) == (version("a"), True)
    assert (again.version, again.is_new) == (version("b", 90), False)
    assert await active(engine) == version("b", 90)
    async with transaction(engine) as tx:
        await publish_changes(tx)
    async with reading(engine) as tx:
        outage = await tx.scalar(select(tables.service_class.c.maximum_outage_minutes))
        listed = await list_policies(tx)
        changes = await read_changes(tx, 0, kinds=[EntityKind.POLICY])
    assert outage == 90
    assert [(p.version, p.is_active, p.author, p.comment, p.activated_by, p.activated_at) for p in listed] == [
        (version("b", 90), True, "ada", "longer", "ada", NOW), (version("a"), False, "ada", None, "ada", NOW),
    ]  # fmt: skip
    assert [(c.entity_id, c.operation, sorted(c.fields), c.actor, c.cause) for c in changes] == [
        (1, "created", ["author", "name", "version"], "ada", None),
        (1, "updated", ["is_active"], "ada", None),
        (2, "created", ["author", "comment", "name", "version"], "ada", "longer"),
        (1, "updated", ["is_active"], "ada", "longer"),
        (2, "updated", ["is_active"], "ada", "longer"),
    ]


async def test_a_rollback_goes_back_one_activation_at_a_time(engine: AsyncEngine):
    for name in "abc":
        await activate(engine, text(name))

    back = [(await rollback(engine)).version for _ in range(2)]
    with pytest.raises(IllegalTransition, match="there is no policy to go back to"):
        await rollback(engine)
    await activate(engine, text("c"))
    once_more = await rollback(engine, expected=version("c"))

    assert back == [version("b"), version("a")]
    assert (once_more.version, once_more.previous) == (version("a"), version("c"))
    with pytest.raises(StaleWrite, match=r"policy 'c@.*' is not the active one: it is 'a@"):
        await rollback(engine, expected=version("c"))


async def test_a_rollback_brings_the_service_classes_back(engine: AsyncEngine):
    await activate(engine, text("a", minutes=60))
    await activate(engine, text("b", minutes=90))

    await rollback(engine)

    async with reading(engine) as tx:
        assert await tx.scalar(select(tables.service_class.c.maximum_outage_minutes)) == 60


async def test_an_invalid_policy_or_one_with_failing_tests_changes_nothing(engine: AsyncEngine):
    await activate(engine, text("a"))

    with pytest.raises(InvalidPolicy):
        await activate(engine, text("b").replace("hardware: replace", "hardware: maybe"))
    with pytest.raises(PolicyTestsFailed) as caught:
        await activate(engine, text("b") + FAILING)

    assert caught.value.problems == ("wrong: rule: expected null, got any",)
    assert await active(engine) == version("a")
    async with reading(engine) as tx:
        assert [policy.version for policy in await list_policies(tx)] == [version("a")]


async def test_a_reason_activates_a_policy_with_failing_tests_and_is_recorded(engine: AsyncEngine):
    done = await activate(engine, text("b") + FAILING, forced_because="the test is wrong")

    async with reading(engine) as tx:
        row = (await tx.execute(select(tables.policy_activation))).one()
    assert await active(engine) == done.version
    assert (row.forced_because, row.activated_by, row.kind) == ("the test is wrong", "ada", ActivationKind.CHOICE)


async def test_the_configured_policy_is_active_until_somebody_chooses_another(engine: AsyncEngine):
    first, edited = await take_in(engine, text("a")), await take_in(engine, text("a", minutes=61))
    same = await take_in(engine, text("a", minutes=61))
    await activate(engine, text("chosen"))
    later = await take_in(engine, text("a", minutes=62))

    assert first is not None
    assert edited is not None
    assert same is not None
    assert (first.is_new, edited.is_new, same.is_new) == (True, True, False)
    assert later is None
    assert await active(engine) == version("chosen")
    async with reading(engine) as tx:
        assert (await policy_version(tx, version("a", 62))).activated_at is None


async def test_versions_are_found_by_the_beginning_of_their_hash(engine: AsyncEngine):
    await activate(engine, text("a"))
    await activate(engine, text("b"))

    async with reading(engine) as tx:
        assert (await policy_version(tx, version("a")[2:7])).version == version("a")
        assert (await policy_version(tx, None)).version == version("b")
        for unknown in ("", "a", "zzzz"):
            with pytest.raises(NotKnown, match=f"there is no policy '{unknown}'"):
                await policy_version(tx, unknown)


async def test_without_any_policy_it_is_said_what_to_do(engine: AsyncEngine):
    async with reading(engine) as tx:
        with pytest.raises(NotKnown, match=r"no policy is active.*connector policy activate"):
            await ActivePolicy().now(tx)


async def test_another_process_takes_an_activation_up_with_its_next_question(database: str, engine: AsyncEngine):
    await activate(engine, text("a"))
    other, source = open_engine(database), ActivePolicy()
    try:
        before = await active(other, source)
        await activate(engine, text("b"))
        after = await active(other, source)
        async with reading(other) as tx:
            remembered = await source.now(tx)
            assert await source.now(tx) is remembered
    finally:
        await other.dispose()

    assert (before, after) == (version("a"), version("b"))


async def test_activations_at_the_same_time_come_one_after_the_other(engine: AsyncEngine):
    await activate(engine, text("first"))

    done = await asyncio.gather(*(activate(engine, text(f"p{number}")) for number in range(6)))

    table = tables.policy_activation
    async with reading(engine) as tx:
        rows = (await tx.execute(select(table.c.id, table.c.previous_id).order_by(table.c.id))).all()
        assert await tx.scalar(select(func.count()).select_from(tables.policy)) == 7
    assert [row.previous_id for row in rows] == [None, *(row.id for row in rows[:-1])]
    assert sorted(str(item.previous) for item in done) == sorted(
        {version("first"), *(item.version for item in done)} - {await active(engine)}
    )


async def test_the_shipped_policy_can_be_activated(engine: AsyncEngine):
    async with transaction(engine) as tx:
        await activate_policy(tx, default_policy_text(), author="ada", at=NOW + timedelta(hours=1))

    assert await active(engine) == read_policy(default_policy_text()).version
