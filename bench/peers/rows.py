"""The rows that all servers read: Connector's own tables, filled alike on PostgreSQL and SQLite.

Per ticket: one asset of five tickets, one site of ten assets, two parcels; of the sites some have no assets, so that
looking one up by its key pays off whatever the size. Instants are whole seconds and degrees are eighths, so that every
server can write them alike.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.storage.database.engine import transaction

TICKETS_PER_ASSET, ASSETS_PER_SITE, LEAST_SITES, PRODUCTS = 5, 10, 3_000, 50
_TIME = {
    "postgresql": "timestamptz '2026-01-01T00:00:00Z' + ({minutes}) * interval '1 minute'",
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S.000000Z', '2026-01-01', '+' || ({minutes}) || ' minutes')",
}
_NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"


async def fill(engine: AsyncEngine, tickets: int) -> None:
    """Fill an empty database; the planner's statistics are taken afterwards."""
    assets = tickets // TICKETS_PER_ASSET
    used = assets // ASSETS_PER_SITE
    async with transaction(engine) as tx:
        for statement, count in _statements(engine.dialect.name, tickets, assets, used):
            written = statement.format(numbers=_NUMBERS.format(count=count))
            await tx.execute(text(written.replace(":", "\\:")))  # texts hold times, no parameters
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE"))


def _statements(dialect: str, tickets: int, assets: int, used: int) -> tuple[tuple[str, int], ...]:
    def time(minutes: str) -> str:
        return _TIME[dialect].format(minutes=minutes)

    now = time("500000")
    return (
        (
            "INSERT INTO source (id, name, adapter, state, failures, updated_at) "
            f"VALUES (1, 'itsm', 'request_tracker', 'ok', 0, {now})",
            1,
        ),
        (
            f"""
            INSERT INTO site (id, name, code, country, time_zone, latitude, longitude, created_at, updated_at)
            {{numbers}}
            SELECT n, 'Distribution centre ' || n, 'DC-' || n, 'DE', 'Europe/Berlin',
                   (n % 240) * 0.25 - 29.875, (n % 700) * 0.25 - 87.375, {now}, {now} FROM numbers
            """,
            max(used, LEAST_SITES),
        ),
        (
            f"""
            INSERT INTO product (id, manufacturer, model, manufacturer_key, model_key, tracking, status,
                                 created_at, updated_at)
            {{numbers}}
            SELECT n, 'Acme', 'Switch ' || n, 'acme', 'switch' || n, 'serialised', 'active', {now}, {now} FROM numbers
            """,
            PRODUCTS,
        ),
        (
            f"""
            INSERT INTO asset (id, name, serial, asset_tag, product_id, site_id, state, lane, created_at, updated_at)
            {{numbers}}
            SELECT n, 'sw-' || n || '.example.net', 'FOC' || (100000 + n), 'IT-' || n, 1 + n % {PRODUCTS},
                   1 + n % {used}, 'deployed', 'normal', {now}, {now} FROM numbers
            """,
            assets,
        ),
        (
            f"""
            INSERT INTO ticket (id, source_id, external_id, number, type, priority, state, title, category, requester,
                                asset_id, site_id, quantity, opened_at, sla_due_at, created_at, updated_at)
            {{numbers}}
            SELECT n, 1, '' || n, 'INC-' || (1000000 + n), 'incident',
                   CASE n % 4 WHEN 0 THEN 'P1' WHEN 1 THEN 'P2' WHEN 2 THEN 'P3' ELSE 'P4' END,
                   CASE n % 3 WHEN 0 THEN 'new' WHEN 1 THEN 'in_progress' ELSE 'resolved' END,
                   'Port ' || (n % 48) || ' of the switch is dead', 'hardware', 'user' || (n % 500) || '@example.net',
                   1 + n % {assets}, 1 + (1 + n % {assets}) % {used}, 1,
                   {time("n")}, {time("n + 240")}, {now}, {now} FROM numbers
            """,
            tickets,
        ),
        (
            f"""
            INSERT INTO shipment (id, ticket_id, site_id, direction, status, carrier, service, tracking_number,
                                  cost_cents, created_at, updated_at)
            {{numbers}}
            SELECT n, 1 + (n - 1) / 2, 1 + (1 + (1 + (n - 1) / 2) % {assets}) % {used},
                   CASE n % 2 WHEN 1 THEN 'outbound' ELSE 'return' END,
                   CASE n % 3 WHEN 0 THEN 'in_transit' ELSE 'delivered' END, 'Courier ' || (n % 5), 'express',
                   '1Z' || (10000000 + n), 1200 + n % 900, {now}, {now} FROM numbers
            """,
            2 * tickets,
        ),
    )
