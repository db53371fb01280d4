"""A large fleet in PostgreSQL, which decisions are measured on.

1,000 hubs, 200,000 units, 20,000 products with two substitutes each. A hundred products are common: every hub has
one of each. The others are on five shelves; tickets are about those, and for comparison about common products too,
whose decisions look at 3,000 shelves instead of 15. The policy is the shipped one.
"""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.databases import migrated_engine, postgres_server, processor_seconds
from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.react import Reactor
from connector.rules.policy.reading import default_policy
from connector.storage.database.engine import transaction
from connector.storage.sources.sources import register_source

HUBS, COMMON, PRODUCTS, SHELVES = 1_000, 100, 20_000, 5
WORKERS, BATCH, TICKETS = 8, 200, 1_350
BURST, SCARCE, SCARCE_UNITS, BARE = 2_000, 20, 40, 4
START = datetime(2026, 11, 25, 9, tzinfo=UTC)
POLICY = default_policy()


@dataclass(frozen=True)
class Fleet:
    """A filled database, with tickets about products of each kind, in a mixed order, and a reactor on it.

    server_seconds: what the database server has spent of the processor's time, for all fleets that are on it.
    """

    engine: AsyncEngine
    reactor: Reactor
    usual: Sequence[int]
    common: Sequence[int]
    scarce: Sequence[int]
    units: int
    server_seconds: Callable[[], float]


class _Clock:
    def now(self) -> datetime:
        return START


@asynccontextmanager
async def large_fleets(*times: int) -> AsyncIterator[tuple[Fleet, ...]]:
    """Fleets so many times as large, each in a database of its own on one server, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="connector-bench-") as directory:
        server = postgres_server(Path(directory) / "postgres")
        try:
            async with AsyncExitStack() as stack:
                fleets = []
                for larger in times:
                    url = _database(server.get_uri(), f"fleet_{larger}")
                    engine = await stack.enter_async_context(migrated_engine(url, pool_size=WORKERS))
                    spent = partial(processor_seconds, server)
                    fleets.append(await _fill(engine, url, larger * HUBS, larger * PRODUCTS, spent))
                yield tuple(fleets)
        finally:
            server.cleanup()


def _database(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    head, _, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}?{query}"


async def _fill(engine: AsyncEngine, url: str, hubs: int, products: int, server_seconds: Callable[[], float]) -> Fleet:
    """Products: the common ones first, the scarce ones last. The database makes the rows."""
    numbers: dict[str, Any] = {
        "at": START, "hubs": hubs, "products": products, "common": COMMON * hubs // HUBS,
        "spread": HUBS, "shelves": SHELVES, "scarce": SCARCE,
        "scarce_units": SCARCE_UNITS, "sites": 500, "burst": BURST, "bare": BARE,
        "tickets": 2 * TICKETS,
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
    return Fleet(engine, hub.reactor, kinds["usual"], kinds["common"], kinds["scarce"], units, server_seconds)


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
    SELECT (SELECT id FROM source), substr(serial, 2), 'INC-' || serial, 'incident', 'P1', 'new',
           'Switch ' || serial || ' is dead', 'hardware', CASE WHEN product_id <= :common THEN 'common'
                            WHEN product_id > :products - :scarce THEN 'scarce' ELSE 'usual' END,
           id, 1, :at, :at, :at
    FROM asset WHERE state = 'deployed'
    """,
)
