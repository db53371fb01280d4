"""The chain over the change log: whoever changes, drops, swaps or adds a line of it is found out."""

from __future__ import annotations

import asyncio
import tracemalloc
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson
import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.model.refs import EntityKind
from connector.storage.audit.digests import BEGINNING, DIGEST, SALT, SEALED, digest_of_change, digest_of_seal
from connector.storage.audit.events import AuditEvent, record_event
from connector.storage.audit.exporting import audit_lines
from connector.storage.audit.sealing import Head, seal
from connector.storage.audit.verifying import Verified, verify
from connector.storage.database.changes import NewChange, log_changes, publish
from connector.storage.database.engine import open_engine, reading, transaction
from connector.storage.tables import audit_seal, change

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)


async def log(engine: AsyncEngine, *numbers: int, **fields: Any) -> None:
    made = [
        NewChange(EntityKind.TICKET, n, "updated", {"number": (None, str(n)), "share": (0.5, 1), **fields})
        for n in numbers
    ]
    async with transaction(engine) as tx:
        await log_changes(tx, made, actor="ada", at=NOW)


async def sealed(engine: AsyncEngine, rows: int = 4) -> Head:
    return await seal(engine, lambda: NOW, rows=rows)


async def verified(engine: AsyncEngine, head: str | None = None) -> Verified:
    async with reading(engine) as tx:
        return await verify(tx, head=head)


async def broken(engine: AsyncEngine, head: str | None = None) -> tuple[int, int | None, str] | None:
    found = (await verified(engine, head)).broken
    return None if found is None else (found.position, found.link, found.problem)


async def write(engine: AsyncEngine, *statements: Any) -> None:
    async with transaction(engine) as tx:
        for statement in statements:
            await tx.execute(statement)


@pytest.fixture
async def chain(engine: AsyncEngine) -> AsyncEngine:
    """Ten changes under links of four, four and two."""
    await log(engine, *range(1, 11))
    await sealed(engine)
    return engine


async def test_a_log_that_nobody_touched_holds(chain: AsyncEngine):
    await log(chain, 11, 12, Straße={"ß": ["é", 1e300, None]})

    before = await verified(chain)
    head = await sealed(chain)
    after = await verified(chain, head.digest)

    assert (before.links, before.position, before.unsealed, before.broken) == (3, 10, 2, None)
    assert (after.links, after.position, after.unsealed, after.head, after.broken) == (4, 12, 0, head.digest, None)
    assert head.number == 4


async def test_an_empty_log_holds(engine: AsyncEngine):
    assert await sealed(engine) == Head(0, 0, BEGINNING)
    assert await verified(engine, BEGINNING) == Verified(0, 0, BEGINNING, 0, 0, None)


DIFFERS = "the change is not the one that was sealed"


@pytest.mark.parametrize(
    "values",
    [
        {"actor": "adb"},
        {"cause": ""},
        {"operation": "created"},
        {"kind": EntityKind.ASSET},
        {"entity_id": 8},
        {"at": NOW.replace(microsecond=1)},
        {"fields": {"number": [None, "7"], "share": [0.5, 2]}},
        {"fields": {"number": ["", "7"], "share": [0.5, 1]}},
        {"id": 999},
    ],
)
async def test_a_changed_byte_is_found(chain: AsyncEngine, values: dict[str, Any]):
    await write(chain, update(change).where(change.c.position == 7).values(values))

    assert await broken(chain) == (7, 2, DIFFERS)


async def test_a_dropped_change_is_found(chain: AsyncEngine):
    await write(chain, delete(change).where(change.c.position == 6))

    assert await broken(chain) == (6, 2, "the change is missing")


async def test_two_changes_that_were_swapped_are_found(chain: AsyncEngine):
    async def move(before: int, after: int) -> None:
        await write(chain, update(change).where(change.c.position == before).values(position=after))

    await move(3, 100)
    await move(9, 3)
    await move(100, 9)

    assert await broken(chain) == (3, 1, DIFFERS)


async def test_a_change_that_was_put_in_is_found(chain: AsyncEngine):
    for position in range(10, 4, -1):
        await write(chain, update(change).where(change.c.position == position).values(position=position + 1))
    forged = {
        "kind": EntityKind.TICKET,
        "entity_id": 1,
        "operation": "updated",
        "fields": {},
        "actor": "eve",
        "at": NOW,
    }
    await write(chain, insert(change).values(position=5, **forged))

    assert await broken(chain) == (5, 2, DIFFERS)


async def test_a_change_before_the_beginning_is_found(chain: AsyncEngine):
    forged = {
        "kind": EntityKind.TICKET,
        "entity_id": 1,
        "operation": "updated",
        "fields": {},
        "actor": "eve",
        "at": NOW,
    }
    await write(chain, insert(change).values(position=0, **forged))

    assert await broken(chain) == (0, None, "a change stands before the beginning")


async def test_what_was_missing_when_it_was_sealed_stays_told(engine: AsyncEngine):
    await log(engine, 1, 2, 3, 4)
    await publish(engine)
    await write(engine, delete(change).where(change.c.position == 2))

    before = await broken(engine)
    await sealed(engine)

    assert before == (2, None, "the change is missing, and was not sealed yet")
    assert await broken(engine) == (2, 1, "the change was missing already when its position was sealed")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"digest": "f" * 64}, "the link is not what was written"),
        ({"previous": "f" * 64}, "the link does not follow from the one before"),
        ({"sealed_at": NOW.replace(minute=1)}, "the link is not what was written"),
        ({"salts": b""}, "the salts are incomplete"),
        ({"number": 9}, "link 2 is missing"),
    ],
)
async def test_a_changed_link_is_found(chain: AsyncEngine, values: dict[str, Any], problem: str):
    await write(chain, update(audit_seal).where(audit_seal.c.number == 2).values(values))

    assert await broken(chain) == (5, 2, problem)


async def test_a_link_that_was_made_to_fit_a_forged_change_breaks_the_next_one(chain: AsyncEngine):
    await write(chain, update(change).where(change.c.position == 7).values(actor="eve"))
    async with reading(chain) as tx:
        link = (await tx.execute(select(audit_seal).where(audit_seal.c.number == 2))).mappings().one()
        row = (await tx.execute(select(*SEALED).where(change.c.position == 7))).one()
    digests = bytearray(link["digests"])
    digests[2 * DIGEST : 3 * DIGEST] = digest_of_change(row, link["salts"][2 * SALT : 3 * SALT])
    said = {name: link[name] for name in ("number", "first", "last", "previous", "sealed_at")}
    digest = digest_of_seal(digests=bytes(digests), **said)
    await write(chain, update(audit_seal).where(audit_seal.c.number == 2).values(digests=bytes(digests), digest=digest))

    assert await broken(chain) == (9, 3, "the link does not follow from the one before")


async def test_a_tail_that_was_cut_off_is_found_by_its_links_or_by_the_head(chain: AsyncEngine):
    head = await sealed(chain)
    await write(chain, delete(change).where(change.c.position > 8))
    with_links = await broken(chain)
    await write(chain, delete(audit_seal).where(audit_seal.c.number > 2))

    assert with_links == (9, 3, "the change is missing")
    assert await broken(chain) is None
    assert await broken(chain, head.digest) == (
        9,
        None,
        f"no link has the digest {head.digest}: the end of the chain was cut off or redone",
    )


async def test_a_head_of_long_ago_is_still_in_the_chain(chain: AsyncEngine):
    head = await sealed(chain)
    await log(chain, *range(11, 21))
    await sealed(chain)

    assert await broken(chain, head.digest) is None


async def test_a_cut_tail_that_grows_again_is_found(chain: AsyncEngine):
    await write(chain, delete(change).where(change.c.position > 8))
    await log(chain, 11, 12, 13)
    await sealed(chain)

    assert await broken(chain) == (9, 3, DIFFERS)


async def test_two_who_seal_at_the_same_time_make_one_chain(database: str, engine: AsyncEngine):
    other = open_engine(database)
    for number in range(0, 60, 20):
        await log(engine, *range(number, number + 20))
        await asyncio.gather(*(sealed(one, rows=3) for one in (engine, other) * 3), log(engine, number))
    await sealed(engine)
    await other.dispose()

    found = await verified(engine)
    assert (found.broken, found.position, found.unsealed) == (None, 63, 0)


async def test_events_of_the_hub_stand_in_the_chain(engine: AsyncEngine):
    async with transaction(engine) as tx:
        await record_event(tx, AuditEvent.BACKED_UP, {"bytes": 12}, by="cli:ada", at=NOW)
    await sealed(engine)

    async with reading(engine) as tx:
        fields = (await tx.execute(select(change.c.fields).where(change.c.kind == EntityKind.AUDIT))).scalar_one()
    assert fields == {"event": [None, "backed_up"], "bytes": [None, 12]}
    assert (await verified(engine)).position == 1


async def test_the_lines_of_an_export_can_be_checked_with_nothing_else(chain: AsyncEngine):
    async with reading(chain) as tx:
        lines = [orjson.loads(orjson.dumps(line, option=orjson.OPT_UTC_Z)) async for line in audit_lines(tx)]
        behind = [line async for line in audit_lines(tx, after=9)]

    previous, digests = "0" * 64, b""
    for line in lines:
        if "change" in line:
            salt, digest = bytes.fromhex(line["change"].pop("salt")), line["change"].pop("digest")
            values = list(line["change"].values())
            assert sha256(salt + orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).hexdigest() == digest
            digests += bytes.fromhex(digest)
        else:
            link = line["link"]
            said = [link["number"], link["first"], link["last"], previous, link["sealed_at"]]
            assert sha256(orjson.dumps(said) + digests).hexdigest() == link["digest"]
            previous, digests = link["digest"], b""
    assert [next(iter(line)) for line in lines] == ["change"] * 4 + ["link"] + ["change"] * 4 + ["link"] + [
        "change"
    ] * 2 + ["link"]
    assert [next(iter(line)) for line in behind] == ["change", "link"]


async def test_verifying_needs_no_more_memory_for_more_of_a_log(engine: AsyncEngine):
    async def peak() -> int:
        tracemalloc.start()
        found = await verified(engine)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.broken is None
        return most

    await log(engine, *range(1_000))
    await seal(engine, lambda: NOW, rows=500)
    await peak()
    small = await peak()
    await log(engine, *range(7_000))
    await seal(engine, lambda: NOW, rows=500)

    assert await peak() < small * 1.5


async def test_writers_are_told_nothing_of_the_chain(engine: AsyncEngine):
    await log(engine, 1)

    async with reading(engine) as tx:
        assert (await tx.execute(select(func.count()).select_from(audit_seal))).scalar_one() == 0
        assert (await tx.execute(text("SELECT count(*) FROM change"))).scalar_one() == 1
