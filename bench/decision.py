"""The whole decision at the size of a large fleet: facts, rules, claim, record, on PostgreSQL.

1,000 hubs, 200,000 units, 20,000 products with two substitutes each. A hundred products are common: every hub has
one of each. The others are on five shelves; tickets are about those, and for comparison about common products too,
whose decisions look at 3,000 shelves instead of 15.

Decisions are made as a hub makes them: tickets come in as pages of changes, and the reactor reads the log and decides
up to fifty of them in one transaction, with the reviews that follow. Beside it, one by one: a transaction per ticket,
as a dispatcher's command makes it, several of them at a time.

`per core`: in a second of this process's own time, which is what counts here since the machine may have other work; the
wall clock is told beside it. What the database server spends is its own. The fleet is doubled in a second database on
the same server, and both are measured in turns.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.databases import migrated_engine, postgres_server
from bench.measure import Measure, quantile
from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.react import BATCH as PAGE
from connector.fulfilment.react import READER, TOGETHER, Reactor
from connector.memory import calm_garbage_collection
from connector.model.refs import EntityKind
from connector.rules.policy.reading import default_policy
from connector.rules.sourcing.decide import decide
from connector.storage import tables
from connector.storage.database.changes import NewChange, last_position, log_changes, move_reader, publish_changes
from connector.storage.database.engine import reading, transaction, wake_on_commit
from connector.storage.facts.facts import sourcing_facts
from connector.storage.sources.sources import register_source
from connector.storage.tickets.decide import decide_and_reserve

HUBS, COMMON, PRODUCTS, SHELVES = 1_000, 100, 20_000, 5
WORKERS, BATCH, SINGLE, ROUNDS, PASSES = 8, 150, 50, 4, 7
BURST, SCARCE, SCARCE_UNITS, BARE = 2_000, 20, 40, 4
START = datetime(2026, 11, 25, 9, tzinfo=UTC)
POLICY = default_policy()


@dataclass(frozen=True)
class Fleet:
    """A filled database, with tickets about products of each kind, in a mixed order, and a reactor on it."""

    engine: AsyncEngine
    reactor: Reactor
    usual: Sequence[int]
    common: Sequence[int]
    scarce: Sequence[int]
    units: int


class _Clock:
    def now(self) -> datetime:
        return START


async def measures() -> list[Measure]:
    """Rate, flatness, pure ranking, burst."""
    with tempfile.TemporaryDirectory(prefix="connector-bench-") as directory:
        server = postgres_server(Path(directory) / "postgres")
        try:
            url = server.get_uri()
            urls = [_database(url, name) for name in ("one", "two")]
            async with (
                migrated_engine(urls[0], pool_size=WORKERS) as one,
                migrated_engine(urls[1], pool_size=WORKERS) as two,
            ):
                fleet = await _fill(one, urls[0], HUBS, PRODUCTS)
                doubled = await _fill(two, urls[1], 2 * HUBS, 2 * PRODUCTS)
                calm_garbage_collection()  # as `connector serve` does
                rate, flat = await _rates(fleet, doubled)
                return [rate, flat, await _ranking(fleet), await _burst(fleet)]
        finally:
            server.cleanup()


async def _rates(fleet: Fleet, doubled: Fleet) -> tuple[Measure, Measure]:
    """Decisions per second, and how the time of one changes when the fleet doubles."""
    core: dict[str, list[float]] = defaultdict(list)
    wall: dict[str, list[float]] = defaultdict(list)
    claims = itertools.count(BURST)
    runs = {
        "usual": (fleet, fleet.usual),
        "usual, doubled": (doubled, doubled.usual),
        "common": (fleet, fleet.common),
        "common, doubled": (doubled, doubled.common),
    }
    alone = iter(fleet.usual[(ROUNDS + 1) * BATCH :])
    for round_ in range(ROUNDS + 1):  # the first one warms up
        for name, (where, tickets) in runs.items():
            batch = tickets[round_ * BATCH : (round_ + 1) * BATCH]
            await _take_in(where, batch)
            began, cpu = time.perf_counter(), time.process_time()
            await where.reactor.catch_up()
            if round_:
                core[name].append((time.process_time() - cpu) / len(batch))
                wall[name].append((time.perf_counter() - began) / len(batch))
        cpu = time.process_time()
        await _share(list(itertools.islice(alone, SINGLE)), lambda ticket: _decide(fleet.engine, ticket))
        core["one by one"].append((time.process_time() - cpu) / SINGLE)
        cpu = time.process_time()
        await _share(fleet.usual[:BATCH], lambda _: _bare_claim(fleet.engine, next(claims)))
        core["bare claim"].append((time.process_time() - cpu) / BATCH)
    served = await _outcome(fleet, fleet.usual[: (ROUNDS + 1) * BATCH])
    assert served["decided"] == served["reserved"] == (ROUNDS + 1) * BATCH, served
    ms = {name: quantile(seconds, 0.5) * 1_000 for name, seconds in core.items()}
    rate = 1_000 / ms["usual"]
    growth = ms["usual, doubled"] / ms["usual"]
    figures: dict[str, float | int | str] = {
        "decisions per second and core": rate,
        "decisions per second, wall clock": 1 / quantile(wall["usual"], 0.5),
        "common products: decisions per second and core": 1_000 / ms["common"],
        "bare claims per second and core": 1_000 / ms["bare claim"],
        "decision/bare claim": ms["usual"] / ms["bare claim"],
        "one by one: decisions per second and core": 1_000 / ms["one by one"],
        "one by one/together": ms["one by one"] / ms["usual"],
        "hubs": HUBS,
        "units": fleet.units,
        "products": PRODUCTS,
        "decisions": ROUNDS * BATCH,
    }
    flat: dict[str, float | int | str] = {
        "growth": growth,
        "common products: growth": ms["common, doubled"] / ms["common"],
        **{f"ms per decision: {name}": value for name, value in ms.items()},
        "hubs, doubled": 2 * HUBS,
        "units, doubled": doubled.units,
        "products, doubled": 2 * PRODUCTS,
    }
    return Measure("decision-rate", rate, 500, figures), Measure("decision-flat", 1.2 / growth, 1.0, flat)


async def _ranking(fleet: Fleet) -> Measure:
    """Rules alone, on facts that were read before: due time, search, choice; beside it with the explanation made."""
    figures: dict[str, float | int | str] = {}
    rates = {}
    for name, tickets in (("usual", fleet.usual), ("common", fleet.common)):
        async with reading(fleet.engine) as tx:
            cases = [await sourcing_facts(tx, ticket) for ticket in tickets[-BATCH:]]
        passes: list[float] = []
        for _ in range(PASSES):
            cpu = time.process_time()
            decisions = [decide(case, POLICY, START) for case in cases]
            passes.append((time.process_time() - cpu) / len(cases))
            assert all(decision.chosen for decision in decisions)
        cpu = time.process_time()
        explained = [decision.explanation() for decision in decisions]
        explaining = (time.process_time() - cpu) / len(explained)
        shelves = [sum(len(holding.free) for holding in case.holdings) for case in cases]
        rates[name] = 1 / quantile(passes, 0.5)
        figures |= {
            f"{name}: rankings per second and core": rates[name],
            f"{name}: µs": 1e6 / rates[name],
            f"{name}: µs more for the explanation": 1e6 * explaining,
            f"{name}: shelves": quantile(shelves, 0.5),
        }
    return Measure("decision-ranking", rates["usual"], 5_000, figures)


async def _burst(fleet: Fleet) -> Measure:
    """All tickets about scarce products come in at once; then as many bare claims by several workers."""
    commits: list[float] = []
    await _take_in(fleet, fleet.scarce)
    wake_on_commit(fleet.engine, lambda: commits.append(time.perf_counter() - began))
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(-(-BURST // PAGE)):  # after these come the reservations, for which workflows would begin
        await fleet.reactor.catch_up()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    latencies = [commit for commit in commits for _ in range(TOGETHER)]
    assert len(latencies) == BURST, len(latencies)
    outcome = await _outcome(fleet, fleet.scarce)

    claims = itertools.count()
    began = time.perf_counter()
    await _share(fleet.scarce, lambda _: _bare_claim(fleet.engine, next(claims)))
    bare = time.perf_counter() - began
    is_right = (outcome["decided"], outcome["decided twice"], outcome["units in two reservations"]) == (BURST, 0, 0)
    assert is_right, outcome
    return Measure(
        "decision-burst", 60 / took, 1.0,
        {
            "tickets": BURST,
            "units of the scarce products": SCARCE * SCARCE_UNITS,
            **outcome,
            "seconds until all were decided": took,
            "decisions per second and core": BURST / cpu,
            "latency p50 s": quantile(latencies, 0.5),
            "latency p99 s": quantile(latencies, 0.99),
            "bare claims, seconds": bare,
            "ours/bare": took / bare,
        },
    )  # fmt: skip


async def _outcome(fleet: Fleet, tickets: Sequence[int]) -> dict[str, int]:
    decision, reservation = tables.decision, tables.reservation
    async with reading(fleet.engine) as tx:
        decided = await tx.execute(
            select(decision.c.ticket_id, func.count())
            .where(decision.c.ticket_id.in_(tickets))
            .group_by(decision.c.ticket_id)
        )
        counts = Counter(row[1] for row in decided)
        units = list(
            (await tx.execute(select(reservation.c.asset_id).where(reservation.c.ticket_id.in_(tickets)))).scalars()
        )
    return {
        "decided": sum(counts.values()),
        "decided twice": sum(number for times, number in counts.items() if times > 1),
        "reserved": len(units),
        "units in two reservations": len(units) - len(set(units)),
    }


async def _take_in(fleet: Fleet, tickets: Sequence[int]) -> None:
    """Log that tickets have come in, as ingest does; the reactor begins with them.

    What decisions have caused before is passed over: workflows are not measured here.
    """
    async with transaction(fleet.engine) as tx:
        await publish_changes(tx)
    async with transaction(fleet.engine) as tx:
        await move_reader(tx, READER, await last_position(tx))
    created = [NewChange(EntityKind.TICKET, ticket, "created", {"state": (None, "new")}) for ticket in tickets]
    async with transaction(fleet.engine) as tx:
        await log_changes(tx, created, actor="itsm", at=START)


async def _decide(engine: AsyncEngine, ticket: int) -> None:
    async with transaction(engine) as tx:
        await decide_and_reserve(tx, ticket, POLICY, now=START)


async def _bare_claim(engine: AsyncEngine, number: int) -> None:
    """One statement and commit: the unit of a product that no ticket is about, in the hub whose turn it is."""
    asset = tables.asset
    async with transaction(engine) as tx:
        free = (
            select(asset.c.id)
            .where(
                asset.c.hub_id == number % HUBS + 1,
                asset.c.product_id == PRODUCTS + 1 + number // HUBS,
                asset.c.lane == "normal",
                asset.c.state == "in_stock",
            )
            .order_by(asset.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        await tx.execute(update(asset).where(asset.c.id == free.scalar_subquery()).values(state="reserved"))


async def _share(tickets: Sequence[int], work: Callable[[int], Awaitable[None]]) -> None:
    """Let the workers take one ticket after the other."""
    queue = iter(tickets)

    async def worker() -> None:
        for ticket in queue:
            await work(ticket)

    await asyncio.gather(*(worker() for _ in range(WORKERS)))


def _database(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    head, _, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}?{query}"


async def _fill(engine: AsyncEngine, url: str, hubs: int, products: int) -> Fleet:
    """Products: the common ones first, the scarce ones last. The database makes the rows."""
    numbers: dict[str, Any] = {
        "at": START, "hubs": hubs, "products": products, "common": COMMON * hubs // HUBS,
        "spread": HUBS, "shelves": SHELVES, "scarce": SCARCE,
        "scarce_units": SCARCE_UNITS, "sites": 500, "burst": BURST, "bare": BARE,
        "tickets": 2 * ((ROUNDS + 2) * BATCH + (ROUNDS + 1) * SINGLE),
    }  # fmt: skip
    async with transaction(engine) as tx:
        await register_source(tx, name="itsm", adapter="request_tracker", at=START)
        for statement in STATEMENTS:
            await tx.execute(text(statement), numbers)
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("ANALYZE"))
        tickets = (await autocommit.execute(text("SELECT id, requester FROM ticket ORDER BY id"))).all()
        units = (await autocommit.execute(text("SELECT count(*) FROM asset WHERE state = 'in_stock'"))).scalar_one()
    kinds: dict[str, list[int]] = defaultdict(list)
    for number, kind in tickets:
        kinds[kind].append(number)
    for numbers_of_kind in kinds.values():
        random.Random(7).shuffle(numbers_of_kind)
    options = FulfilmentOptions(courier="courier")
    hub = FulfilmentEngine(engine, url, {}, clock=_Clock(), policy=POLICY, options=options)
    return Fleet(engine, hub.reactor, kinds["usual"], kinds["common"], kinds["scarce"], units)


STATEMENTS = (
    "SELECT setseed(0.5)",
    """
    INSERT INTO hub (id, name, code, tier, latitude, longitude, time_zone, opening_hours, handling_minutes,
                     courier_cut_offs, created_at, updated_at)
    SELECT n, 'Hub ' || n, 'H' || n, (ARRAY['central', 'regional', 'local'])[1 + n % 3],
           random() * 110 - 50, random() * 360 - 180,
           (ARRAY['Europe/Berlin', 'America/New_York', 'Asia/Tokyo', 'Asia/Kolkata', 'Australia/Sydney'])[1 + n % 5],
           (ARRAY['24x7', 'Mon-Fri 08:00-18:00', 'Mon-Sat 07:00-20:00'])[1 + n % 3], 15 + n % 4 * 15,
           ('["' || (ARRAY['17:00', '12:00', '18:00'])[1 + n % 3] || '"]')::jsonb, :at, :at
    FROM generate_series(1, :hubs) AS n
    """,
    """
    INSERT INTO site (id, name, code, latitude, longitude, time_zone, created_at, updated_at)
    SELECT n, 'Site ' || n, 'S' || n, random() * 110 - 50, random() * 360 - 180,
           (ARRAY['Europe/Berlin', 'America/New_York', 'Asia/Tokyo'])[1 + n % 3], :at, :at
    FROM generate_series(1, :sites) AS n
    """,
    """
    INSERT INTO product (id, manufacturer, model, manufacturer_key, model_key, tracking, status, created_at, updated_at)
    SELECT n, 'Acme', 'M' || n, 'acme', 'm' || n, 'serialised', 'active', :at, :at
    FROM generate_series(1, :products + :bare) AS n
    """,
    """
    INSERT INTO compatibility (product_id, substitute_id, preference)
    SELECT n, CASE WHEN n <= :common THEN 1 + (n + i - 1) % :common
                   WHEN n > :products - :scarce THEN :products - (:products - n + i) % :scarce
                   ELSE :common + 1 + (n - :common + i - 1) % (:products - :common - :scarce) END, i
    FROM generate_series(1, :products) AS n, generate_series(1, 2) AS i
    """,
    """
    INSERT INTO stock (hub_id, product_id, lane, tracking, on_hand, reserved, updated_at)
    SELECT 1 + (h + p * :spread) % :hubs, p, 'normal', 'serialised', 1, 0, :at
    FROM generate_series(1, :spread) AS h, generate_series(1, :products + :bare) AS p
    WHERE p <= :common OR p > :products
    """,
    """
    INSERT INTO stock (hub_id, product_id, lane, tracking, on_hand, reserved, updated_at)
    SELECT 1 + (p * 7919 + i * :hubs / :shelves) % :hubs, p, 'normal', 'serialised', 1, 0, :at
    FROM generate_series(:common + 1, :products - :scarce) AS p, generate_series(1, :shelves) AS i
    """,
    """
    INSERT INTO stock (hub_id, product_id, lane, tracking, on_hand, reserved, updated_at)
    SELECT 1 + (p * 31 + i * :hubs / 4) % :hubs, p, 'normal', 'serialised', :scarce_units / 4, 0, :at
    FROM generate_series(:products - :scarce + 1, :products) AS p, generate_series(1, 4) AS i
    """,
    """
    INSERT INTO asset (serial, hub_id, product_id, state, lane, created_at, updated_at)
    SELECT 'S' || hub_id || '-' || product_id || '-' || n, hub_id, product_id, 'in_stock', lane, :at, :at
    FROM stock, generate_series(1, on_hand) AS n
    """,
    """
    INSERT INTO asset (serial, site_id, product_id, state, lane, created_at, updated_at)
    SELECT 'F' || n, 1 + n % :sites,
           CASE WHEN n > :tickets THEN :products - n % :scarce
                WHEN n % 2 = 0 THEN 1 + n / 2 % :common
                ELSE :common + 1 + n * 13 % (:products - :common - :scarce) END, 'deployed', 'normal', :at, :at
    FROM generate_series(1, :tickets + :burst) AS n
    """,
    """
    INSERT INTO ticket (source_id, external_id, number, type, priority, state, title, category, requester, asset_id,
                        quantity, opened_at, created_at, updated_at)
    SELECT (SELECT id FROM source), substr(serial, 2), 'INC-' || serial, 'incident', 'P1', 'new', 'Switch is dead',
           'hardware', CASE WHEN product_id <= :common THEN 'common'
                            WHEN product_id > :products - :scarce THEN 'scarce' ELSE 'usual' END,
           id, 1, :at, :at, :at
    FROM asset WHERE state = 'deployed'
    """,
)


if __name__ == "__main__":
    for measure in asyncio.run(measures()):
        print(measure.name, f"{measure.ratio:.2f} of {measure.required}", "ok" if measure.ok else "MISSED")
        for name, figure in measure.figures.items():
            print(f"  {name}: {figure:.2f}" if isinstance(figure, float) else f"  {name}: {figure}")
