from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import NOW

from connector.model.kinds import HubTier
from connector.model.refs import EntityKind
from connector.storage.database.bulk import among, among_given, insert_rows, new_ids, update_rows
from connector.storage.database.engine import DatabaseRefusal, in_transaction, transaction
from connector.storage.sources.sources import register_source
from connector.storage.tables import hub, source_ref

MORE_THAN_PARAMETERS = 40_000
"""SQLite allows 32,766 parameters in a statement, PostgreSQL 65,535."""


def hub_row(number: int) -> dict[str, object]:
    return {
        "id": number, "name": f"Hub {number}", "code": f"H{number}", "tier": HubTier.LOCAL, "latitude": 52.5,
        "address": {"line1": f"{number} 'Depot', \"Road\"", "country": "DE"} if number % 2 else None,
        "opening_hours": "24x7", "courier_cut_offs": ["17:00", "19:30"], "handling_minutes": 30, "created_at": NOW,
        "updated_at": NOW,
    }  # fmt: skip


async def hubs(tx: AsyncConnection) -> list[dict[str, object]]:
    return [dict(row) for row in (await tx.execute(select(hub).order_by(hub.c.id))).mappings()]


async def test_inserted_rows_hold_every_type_of_value(engine: AsyncEngine):
    async with transaction(engine) as tx:
        await insert_rows(tx, hub, [hub_row(1), hub_row(2)])
        first, second = await hubs(tx)
        without_address = (await tx.execute(select(hub.c.id).where(hub.c.address.is_(None)))).scalars().all()

    assert first["address"] == {"line1": "1 'Depot', \"Road\"", "country": "DE"}
    assert first["courier_cut_offs"] == ["17:00", "19:30"]
    assert (first["tier"], first["latitude"], first["longitude"]) == (HubTier.LOCAL, 52.5, None)
    assert first["created_at"] == NOW
    assert second["code"] == "H2"
    assert without_address == [2]


async def test_rows_are_updated_by_their_id_and_others_left_alone(engine: AsyncEngine):
    later = NOW + timedelta(hours=1)
    async with transaction(engine) as tx:
        await insert_rows(tx, hub, [hub_row(1), hub_row(2), hub_row(3)])
        changes = {"updated_at": later, "address": None}
        await update_rows(tx, hub, [{"id": 1, "name": "One", **changes}, {"id": 3, "name": "Three", **changes}])
        rows = await hubs(tx)

    assert [row["name"] for row in rows] == ["One", "Hub 2", "Three"]
    assert [row["updated_at"] for row in rows] == [later, NOW, later]
    assert [row["code"] for row in rows] == ["H1", "H2", "H3"]
    assert rows[0]["address"] is None


async def test_rows_that_are_given_as_a_list_are_found_by_index(engine: AsyncEngine):
    statement = select(hub.c.name).where(among_given(hub.c.id, "ids"), among_given(hub.c.code, "codes"))
    compiled = statement.compile(dialect=engine.dialect)
    async with transaction(engine) as tx:
        await insert_rows(tx, hub, [hub_row(number) for number in range(1, 5)])
        found = await tx.execute(statement, {"ids": [1, 2, 3], "codes": ["H2", "H3", "H4"]})
        assert sorted(found.scalars()) == ["Hub 2", "Hub 3"]
        if engine.dialect.name == "sqlite":
            plan = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", ("[1]", '["H1"]'))
            assert [row[3] for row in plan if "hub" in row[3]] == ["SEARCH hub USING INTEGER PRIMARY KEY (rowid=?)"]


async def test_there_is_no_limit_by_the_number_of_parameters(engine: AsyncEngine):
    numbers = range(1, MORE_THAN_PARAMETERS + 1)
    async with transaction(engine) as tx:
        await insert_rows(tx, hub, [hub_row(n) for n in numbers])
        found = (
            await tx.execute(select(hub.c.id).where(among(tx, hub.c.code, [f"H{n}" for n in numbers])))
        ).scalars().all()  # fmt: skip

    assert len(found) == MORE_THAN_PARAMETERS


async def test_numbers_and_texts_are_looked_up(engine: AsyncEngine):
    async with transaction(engine) as tx:
        await insert_rows(tx, hub, [hub_row(n) for n in (1, 2, 3)])

        async def codes(*conditions: object) -> list[str]:
            return sorted((await tx.execute(select(hub.c.code).where(*conditions))).scalars())

        assert await codes(among(tx, hub.c.id, [1, 3, 9])) == ["H1", "H3"]
        assert await codes(among(tx, hub.c.tier, [HubTier.LOCAL])) == ["H1", "H2", "H3"]
        assert await codes(among(tx, hub.c.code, ["H2", "h1", 'H"1'])) == ["H2"]
        assert await codes(among(tx, hub.c.code, [])) == []


async def test_new_identifiers_are_free_and_ascending(engine: AsyncEngine):
    async with transaction(engine) as tx:
        first = list(await new_ids(tx, hub, 2))
        await insert_rows(tx, hub, [hub_row(n) for n in first])
        second = list(await new_ids(tx, hub, 2))
        none = list(await new_ids(tx, hub, 0))

    assert first == [1, 2]
    assert second == [3, 4]
    assert none == []


async def test_nothing_is_written_for_no_rows(engine: AsyncEngine):
    async with transaction(engine) as tx:
        await insert_rows(tx, hub, [])
        await update_rows(tx, hub, [])
        assert await hubs(tx) == []


async def test_bytes_and_json_come_back_as_they_were_and_a_row_that_is_there_is_left_out(engine: AsyncEngine):
    known = {
        "kind": EntityKind.ASSET,
        "entity_id": 7,
        "version": NOW,
        "placement": None,
        "deleted_at": None,
        "heard_at": None,
    }
    hashes = (b"\x00\\x'\xff", b"", bytes(range(16)))
    async with transaction(engine) as tx:
        source_id = await register_source(tx, name="cmdb", adapter="test", at=NOW)
        rows = [
            {
                "id": n,
                "source_id": source_id,
                "external_id": f"e{n}",
                "content_hash": content,
                "stated": stated,
                **known,
            }
            for n, (content, stated) in enumerate(zip(hashes, ({"name": [["ä"], 1, None]}, None, {}), strict=True), 1)
        ]
        await insert_rows(tx, source_ref, rows)
        await insert_rows(tx, source_ref, [{**rows[0], "id": 9, "content_hash": b"other"}], skip_existing=True)
        found = (await tx.execute(select(source_ref).order_by(source_ref.c.id))).mappings().all()
        unstated = (await tx.execute(select(source_ref.c.id).where(source_ref.c.stated.is_(None)))).scalars().all()

    assert [dict(row) for row in found] == rows
    assert unstated == [2]


async def test_values_that_are_equal_and_of_different_types_are_stored_as_their_column_has_them(engine: AsyncEngine):
    async with transaction(engine) as tx:
        rows = [hub_row(1) | {"is_mobile": True}, hub_row(2) | {"is_mobile": False}]
        rows[0] |= {"latitude": 1, "tier": "local"}
        rows[1] |= {"latitude": 1.0, "created_at": NOW.astimezone(timezone(timedelta(hours=5)))}
        await insert_rows(tx, hub, rows)
        first, second = await hubs(tx)

    assert (first["is_mobile"], second["is_mobile"]) == (True, False)
    assert (first["latitude"], second["latitude"]) == (1.0, 1.0)
    assert (first["tier"], second["tier"]) == (HubTier.LOCAL, HubTier.LOCAL)
    assert first["created_at"] == second["created_at"] == NOW


@pytest.mark.parametrize("unfit", [{"tier": "nowhere"}, {"created_at": NOW.replace(tzinfo=None)}])
async def test_a_value_that_its_column_cannot_have_is_refused(engine: AsyncEngine, unfit: dict[str, object]):
    async def insert(tx: AsyncConnection) -> None:
        await insert_rows(tx, hub, [hub_row(1), hub_row(2) | unfit])

    with pytest.raises(DatabaseRefusal, match=r"nowhere|has no time zone"):
        await in_transaction(engine, insert)

    async with transaction(engine) as tx:
        assert await hubs(tx) == []
