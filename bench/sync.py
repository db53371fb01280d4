"""Sync of 100,000 devices from a sandbox of Nautobot, through the adapter, into SQLite.

The first sync fills an empty hub; the next ones ask for everything again and find nothing changed; the last ones do as
a schedule does, they ask for what changed. The sandbox runs in a process of its own. Memory is the resident set of this
process, its peak against what it is idle.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.measure import Measure
from bench.nautobot_fleet import TOKEN, SystemClock, running
from connector.ingest.pull import PullReport, pull_source
from connector.memory import calm_garbage_collection
from connector.sdk.connection import Connection, connect
from connector.storage.database.engine import open_engine, reading
from connector.storage.migrations import migrate
from connector.storage.tables import asset, change

DEVICES = int(os.environ.get("BENCH_DEVICES", "100000"))
ALLOWED_MIB = 150
FACTOR = 5
ROUNDS = 3
"""Syncs without news; the median counts."""
BOOKKEEPING = frozenset({"source", "source_stream"})
"""Tables that record that a pull took place; what a sync must not write is everything else."""


def measures() -> list[Measure]:
    """Memory of a sync, and the time and writes of one that finds nothing changed."""
    with running(DEVICES) as address, tempfile.TemporaryDirectory(prefix="connector-bench-") as directory:
        return asyncio.run(_measure(address, Path(directory) / "bench.db"))


async def _measure(address: str, database: Path) -> list[Measure]:
    migrate(f"sqlite:///{database}")
    engine = open_engine(f"sqlite:///{database}")
    settings = {"base_url": address, "token": TOKEN}
    connection = connect("cmdb", "nautobot", settings, clock=SystemClock())
    await connection.adapter.check()
    async with reading(engine) as tx:
        await tx.execute(select(func.count()).select_from(asset))
    gc.collect()
    calm_garbage_collection()
    _forget_peak()
    idle = _resident("VmRSS")

    first_s, first_cpu_s, _ = await _sync(engine, connection)
    with _writes(engine) as written:
        in_full = [await _sync(engine, connection) for _ in range(ROUNDS)]
        as_scheduled = [await _sync(engine, connection, full=False) for _ in range(ROUNDS)]
    peak = _resident("VmHWM")

    async with reading(engine) as tx:
        devices = (await tx.execute(select(func.count()).select_from(asset))).scalar_one()
        changes = (await tx.execute(select(func.count()).select_from(change))).scalar_one()
    await connection.aclose()
    await engine.dispose()
    assert devices == DEVICES, f"{devices} devices arrived"
    second_s, second_cpu_s = (median(seconds) for seconds in list(zip(*in_full, strict=True))[:2])
    scheduled_s = median(seconds for seconds, _, _ in as_scheduled)
    unchanged = min(sum(stream.unchanged for stream in report.streams) for _, _, report in in_full)
    rows = sum(count for table, count in written.items() if table not in BOOKKEEPING)
    times = {
        "first sync s": first_s,
        "first sync cpu s": first_cpu_s,
        "second sync s": second_s,
        "second sync cpu s": second_cpu_s,
        "devices": devices,
        "changes": changes,
        "unchanged": unchanged,
    }
    return [
        Measure(
            name="sync-memory",
            ratio=ALLOWED_MIB / max(peak - idle, 0.1),
            required=1.0,
            figures={"idle MiB": idle, "peak MiB": peak, "above idle MiB": peak - idle},
        ),
        Measure(
            name="sync-unchanged-in-full",
            ratio=first_s / second_s,
            required=FACTOR,
            figures={"times faster by cpu": first_cpu_s / second_cpu_s, **times},
        ),
        Measure(
            name="sync-unchanged-as-scheduled",
            ratio=first_s / scheduled_s,
            required=FACTOR,
            figures={"scheduled sync s": scheduled_s},
        ),
        Measure(
            name="sync-unchanged-writes-nothing",
            ratio=1.0 if rows == 0 and unchanged > DEVICES else 0.0,
            required=1.0,
            figures={"statements that write": rows, **{f"bookkeeping of {t}": n for t, n in written.items()}},
        ),
    ]


async def _sync(engine: AsyncEngine, connection: Connection, *, full: bool = True) -> tuple[float, float, PullReport]:
    """Pull everything, or as a schedule does; seconds, seconds of this process's CPU, and the report."""
    begun, cpu = time.perf_counter(), _cpu()
    report = await pull_source(engine, connection, clock=SystemClock(), full=full)
    assert report.error is None, report.error
    assert not sum(stream.quarantined for stream in report.streams), report
    return time.perf_counter() - begun, _cpu() - cpu, report


@contextmanager
def _writes(engine: AsyncEngine) -> Iterator[Counter[str]]:
    """Counts statements that write, by table."""
    counts: Counter[str] = Counter()

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        words = statement.split(None, 3)
        if words[0] in ("INSERT", "UPDATE", "DELETE"):
            counts[words[1] if words[0] == "UPDATE" else words[2]] += 1

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield counts
    event.remove(engine.sync_engine, "before_cursor_execute", note)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _resident(name: str) -> float:
    """MiB of this process, now (VmRSS) or at most since the peak was forgotten (VmHWM)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {name}")
