"""What a sync is measured against: the same pages, read one after the other and put into one bare table.

Nothing is looked for, compared, normalised or logged; a page is a transaction, as a batch of the hub is. The next page
is asked for while one is written.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg

COLUMNS = ("id", "name", "serial", "asset_tag", "device_type", "location", "status", "last_updated")
TABLE = f"CREATE TABLE bare_device ({', '.join(f'{name} TEXT' for name in COLUMNS)}, PRIMARY KEY (id))"
PAGE = 500


async def read_and_insert(address: str, token: str, url: str, directory: Path) -> tuple[int, float]:
    """Rows of all devices, and the seconds until they are in a table of a database of this kind, and committed."""
    begun, rows = time.perf_counter(), 0
    with _table(url, directory) as insert:
        async with httpx.AsyncClient(base_url=address, headers={"authorization": f"Token {token}"}) as http:
            page = await _page(http, 0)
            while page:
                following = asyncio.create_task(_page(http, rows + len(page)))
                await asyncio.to_thread(insert, page)
                rows += len(page)
                page = await following
    return rows, time.perf_counter() - begun


async def _page(http: httpx.AsyncClient, offset: int) -> list[dict[str, Any]]:
    asked = {"sort": "last_updated,id", "limit": PAGE, "offset": offset, "exclude_m2m": "true"}
    answer = await http.get("/api/dcim/devices/", params=asked)
    answer.raise_for_status()
    found: list[dict[str, Any]] = orjson.loads(answer.content)["results"]
    return found


@contextmanager
def _table(url: str, directory: Path) -> Iterator[Callable[[Sequence[dict[str, Any]]], None]]:
    """Puts a page into the table: by COPY on PostgreSQL, by executemany on SQLite."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(directory / "bare.db", check_same_thread=False)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(TABLE)
            marks = ", ".join("?" * len(COLUMNS))

            def insert(rows: Sequence[dict[str, Any]]) -> None:
                with db:
                    db.executemany(f"INSERT INTO bare_device VALUES ({marks})", [*map(_values, rows)])

            yield insert
        return
    with psycopg.connect(url) as server:
        server.execute(TABLE)
        server.commit()

        def copy(rows: Sequence[dict[str, Any]]) -> None:
            with server.transaction(), server.cursor().copy("COPY bare_device FROM STDIN") as into:
                for row in rows:
                    into.write_row(_values(row))

        yield copy


def _values(row: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(value["id"] if isinstance(value := row[name], dict) else value for name in COLUMNS)
