"""The whole decision at the size of a large fleet (`bench.large_fleet`): facts, rules, claim, record, on PostgreSQL.

Decisions are made as a hub makes them: tickets come in as pages of changes, and the reactor reads the log and decides
up to a hundred of them in one transaction, with the reviews that follow. Beside it, one by one: a transaction per
ticket, as a dispatcher's command makes it, several of them at a time.

`per core`: in a second of this process's own time, which is what counts here since the machine may have other work; the
wall clock is told beside it. The fleet is doubled in a second database on the same server, and both are measured in
turns: what a decision takes is flat if the time of this process and of the server's, added up, is.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from bench import ranking
from bench.large_fleet import (
    BATCH,
    BURST,
    HUBS,
    POLICY,
    PRODUCTS,
    SCARCE,
    SCARCE_UNITS,
    START,
    WORKERS,
    Fleet,
    large_fleets,
)
from bench.measure import Measure, quantile
from connector.fulfilment.react import BATCH as PAGE
from connector.fulfilment.react import READER, TOGETHER
from connector.memory import calm_garbage_collection
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.changes import NewChange, last_position, log_changes, move_reader, publish_changes
from connector.storage.database.engine import reading, transaction, wake_on_commit
from connector.storage.tickets.decide import decide_and_reserve

SINGLE, ROUNDS = 50, 4


async def measures() -> list[Measure]:
    """Rate, flatness, burst; and pure ranking, on a fleet of its own."""
    async with large_fleets(1, 2) as (fleet, doubled):
        calm_garbage_collection()  # as `connector serve` does
        rate, flat = await _rates(fleet, doubled)
        burst = await _burst(fleet)
    return [rate, flat, burst, *await ranking.measures()]


async def _rates(fleet: Fleet, doubled: Fleet) -> tuple[Measure, Measure]:
    """Decisions per second, and how the time of one changes when the fleet doubles."""
    core: dict[str, list[float]] = defaultdict(list)
    wall: dict[str, list[float]] = defaultdict(list)
    server: dict[str, list[float]] = defaultdict(list)
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
            spent = where.server_seconds()
            began, cpu = time.perf_counter(), time.process_time()
            await where.reactor.catch_up()
            if round_:
                server[name].append((where.server_seconds() - spent) / len(batch))
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
    of_server = {name: quantile(seconds, 0.5) * 1_000 for name, seconds in server.items()}
    both = {name: ms[name] + of_server[name] for name in runs}
    growth = {kind: both[f"{kind}, doubled"] / both[kind] for kind in ("usual", "common")}
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
        "database: ms per decision": of_server["usual"],
        "decisions per second and core, the database's time counted in": 1_000 / both["usual"],
    }
    flat: dict[str, float | int | str] = {
        "growth": growth["usual"],
        "growth of this process's time": ms["usual, doubled"] / ms["usual"],
        "growth of the database's time": of_server["usual, doubled"] / max(of_server["usual"], 1e-9),
        "common products: growth": growth["common"],
        **{f"ms per decision: {name}": value for name, value in ms.items()},
        **{f"database: ms per decision: {name}": value for name, value in of_server.items()},
        "hubs, doubled": 2 * HUBS,
        "units, doubled": doubled.units,
        "products, doubled": 2 * PRODUCTS,
    }
    return Measure("decision-rate", rate, 500, figures), Measure("decision-flat", 1.2 / max(growth.values()), 1.0, flat)


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


if __name__ == "__main__":
    for measure in asyncio.run(measures()):
        print(measure.name, f"{measure.ratio:.2f} of {measure.required}", "ok" if measure.ok else "MISSED")
        for name, figure in measure.figures.items():
            print(f"  {name}: {figure:.2f}" if isinstance(figure, float) else f"  {name}: {figure}")
