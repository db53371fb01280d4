"""Decision plus reservation against the bare conditional update that claims a unit.

1,000 hubs hold the product, 100,000 units are in stock. Both run through the same engine on the same database,
taking turns, each in a transaction of its own: ours reads the facts, decides, claims, records decision,
reservation and changes; the bare one is `UPDATE asset ... WHERE id = (SELECT ... LIMIT 1)` and commit.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.databases import migrated_engine, postgres_server
from bench.measure import Measure, quantile
from connector.memory import calm_garbage_collection
from connector.rules.policy.reading import default_policy
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.tickets.decide import decide_and_reserve

HUBS, PRODUCTS, UNITS_PER_SHELF = 1_000, 10, 10
SITES, WARM_UP, ROUNDS = 200, 200, 2_000
START = datetime(2026, 11, 25, 9, tzinfo=UTC)
FACTOR = 5
ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Madrid", "Europe/Warsaw", "America/New_York", "America/Chicago",
    "America/Denver", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Tokyo", "Asia/Kolkata", "Asia/Singapore",
    "Asia/Dubai", "Australia/Sydney", "Africa/Johannesburg", "Pacific/Auckland",
)  # fmt: skip
HOURS = ("24x7", "Mon-Fri 08:00-18:00", "Mon-Sat 07:00-20:00", "Mon-Fri 06:00-22:00; Sat 08:00-12:00")


async def measures() -> list[Measure]:
    """The measure on SQLite and on PostgreSQL."""
    found = []
    with tempfile.TemporaryDirectory(prefix="connector-bench-") as directory:
        async with migrated_engine(f"sqlite:///{directory}/bench.db") as engine:
            found.append(await _measure("sqlite", engine))
        server = postgres_server(Path(directory) / "postgres")
        try:
            async with migrated_engine(server.get_uri()) as engine:
                found.append(await _measure("postgresql", engine))
        finally:
            server.cleanup()
    return found


async def _measure(database: str, engine: AsyncEngine) -> Measure:
    rng = random.Random(7)
    hubs, product, tickets = await _fill(engine, rng, WARM_UP + ROUNDS)
    calm_garbage_collection()  # as `connector serve` does
    policy = default_policy()
    claims = itertools.count()

    async def ours(number: int) -> None:
        async with transaction(engine) as tx:
            at = START + timedelta(seconds=7 * number)
            sourced = await decide_and_reserve(tx, tickets[number], policy, now=at)
        assert sourced.reserved is not None
        assert sourced.reserved.is_new

    async def bare(_: int) -> None:
        async with transaction(engine) as tx:
            free = (
                select(tables.asset.c.id)
                .where(
                    tables.asset.c.hub_id == hubs[next(claims) % HUBS],
                    tables.asset.c.product_id == product + 1,
                    tables.asset.c.lane == "normal",
                    tables.asset.c.state == "in_stock",
                )
                .order_by(tables.asset.c.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            claim = update(tables.asset).where(tables.asset.c.id == free.scalar_subquery()).values(state="reserved")
            assert (await tx.execute(claim)).rowcount == 1

    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for number in range(WARM_UP + ROUNDS):
        for name, run in (("ours", ours), ("bare", bare)):
            seconds = await _timed(run, number)
            if number >= WARM_UP:
                times[name].append(seconds * 1_000)
    ours_p99, bare_p99 = quantile(times["ours"], 0.99), quantile(times["bare"], 0.99)
    return Measure(
        name=f"reserve-{database.casefold()}",
        ratio=FACTOR * bare_p99 / ours_p99,
        required=1.0,
        figures={
            "ours p50 ms": quantile(times["ours"], 0.5),
            "ours p99 ms": ours_p99,
            "bare p50 ms": quantile(times["bare"], 0.5),
            "bare p99 ms": bare_p99,
            "p99 ours/bare": ours_p99 / bare_p99,
            "p50 ours/bare": quantile(times["ours"], 0.5) / quantile(times["bare"], 0.5),
            "hubs": HUBS,
            "units": HUBS * PRODUCTS * UNITS_PER_SHELF,
            "rounds": ROUNDS,
        },
    )


async def _timed(run: Callable[[int], Awaitable[None]], number: int) -> float:
    begun = time.perf_counter()
    await run(number)
    return time.perf_counter() - begun


async def _fill(engine: AsyncEngine, rng: random.Random, tickets: int) -> tuple[list[int], int, list[int]]:
    """Ids of the hubs, the product that every ticket needs (the next id is the one bare claims take), and tickets."""
    stamp = {"created_at": START, "updated_at": START}
    async with transaction(engine) as tx:
        source = (await tx.execute(
            insert(tables.source).values(name="itsm", adapter="request_tracker", updated_at=START)
            .returning(tables.source.c.id)
        )).scalar_one()  # fmt: skip
        await tx.execute(insert(tables.hub), [
            {
                "id": n, "name": f"Hub {n}", "code": f"H{n}", "tier": rng.choice(["central", "regional", "local"]),
                "latitude": rng.uniform(-50, 60), "longitude": rng.uniform(-180, 180), "time_zone": rng.choice(ZONES),
                "opening_hours": rng.choice(HOURS), "handling_minutes": rng.choice([15, 30, 45, 60]),
                "courier_cut_offs": rng.choice([["17:00"], ["12:00", "16:30"], ["18:00"]]), **stamp,
            }
            for n in range(1, HUBS + 1)
        ])  # fmt: skip
        await tx.execute(insert(tables.site), [
            {
                "id": n, "name": f"Site {n}", "code": f"S{n}", "latitude": rng.uniform(-50, 60),
                "longitude": rng.uniform(-180, 180), "time_zone": rng.choice(ZONES), **stamp,
            }
            for n in range(1, SITES + 1)
        ])  # fmt: skip
        await tx.execute(insert(tables.product), [
            {
                "id": n, "manufacturer": "Acme", "model": f"M{n}", "manufacturer_key": "acme", "model_key": f"m{n}",
                "tracking": "serialised", "status": "active", **stamp,
            }
            for n in range(1, PRODUCTS + 1)
        ])  # fmt: skip
        shelves = [(hub, product) for hub in range(1, HUBS + 1) for product in range(1, PRODUCTS + 1)]
        await tx.execute(insert(tables.stock), [
            {
                "hub_id": hub, "product_id": product, "lane": "normal", "tracking": "serialised",
                "on_hand": UNITS_PER_SHELF, "updated_at": START,
            }
            for hub, product in shelves
        ])  # fmt: skip
        await tx.execute(insert(tables.asset), [
            {
                "serial": f"S{hub}-{product}-{n}", "hub_id": hub, "product_id": product, "state": "in_stock",
                "lane": "normal", **stamp,
            }
            for hub, product in shelves for n in range(UNITS_PER_SHELF)
        ])  # fmt: skip
        failed = await tx.execute(
            insert(tables.asset).returning(tables.asset.c.id, sort_by_parameter_order=True),
            [
                {"serial": f"F{n}", "site_id": n % SITES + 1, "product_id": 1, "state": "deployed", **stamp}
                for n in range(tickets)
            ],
        )
        broken = failed.scalars().all()
        made = await tx.execute(
            insert(tables.ticket).returning(tables.ticket.c.id, sort_by_parameter_order=True),
            [
                {
                    "source_id": source,
                    "external_id": str(n),
                    "number": f"INC-{n}",
                    "type": "incident",
                    "priority": "P1",
                    "state": "new",
                    "title": "Switch is dead",
                    "category": "hardware",
                    "asset_id": broken[n],
                    "opened_at": START,
                    **stamp,
                }
                for n in range(tickets)
            ],
        )
        return list(range(1, HUBS + 1)), 1, list(made.scalars().all())


if __name__ == "__main__":
    for measure in asyncio.run(measures()):
        print(measure.name, f"ratio {measure.ratio:.2f}", "ok" if measure.ok else "MISSED")
        for name, figure in measure.figures.items():
            print(f"  {name}: {figure:.2f}" if isinstance(figure, float) else f"  {name}: {figure}")
