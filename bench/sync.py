"""Sync of a million devices from a sandbox of Nautobot, through the adapter, into SQLite and into PostgreSQL.

The first sync fills an empty hub; the next one asks for everything again and finds nothing changed; the last ones do as
a schedule does, they ask for what changed. The sandbox runs in a process of its own. Memory is the resident set of this
process, its peak against what it is idle. `BENCH_DEVICES` and `BENCH_DATABASE` (`sqlite` or `postgresql`) make it less.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.bare_sync import read_and_insert
from bench.databases import migrated_engine, postgres_server
from bench.measure import Measure
from bench.nautobot_fleet import TOKEN, SystemClock, running
from connector.ingest.pull import PullReport, pull_source
from connector.ingest.stream_pull import StreamReport
from connector.memory import calm_garbage_collection
from connector.sdk.connection import Connection, connect
from connector.serve import new_event_loop
from connector.storage.database.engine import reading
from connector.storage.tables import asset, change

DEVICES = int(os.environ.get("BENCH_DEVICES", "1000000"))
DATABASES = os.environ.get("BENCH_DATABASE", "sqlite postgresql").split()
ALLOWED_MIB = 150
FLAT = 0.85
"""What the peak over the first tenth must be of the peak over all; memory that grows with the devices falls short."""
IN_FULL, AS_SCHEDULED = 5, 10
ROUNDS = 3
"""Syncs as scheduled; the median counts."""
BOOKKEEPING = frozenset({"source", "source_stream", "sync_run"})
"""Tables that record that a pull took place; what a sync must not write is everything else."""
IDENTIFIES = re.compile(r"\bWHERE\b.*\basset\.(serial|asset_tag)\b", re.DOTALL)
"""A statement that looks for devices by what tells them apart."""
SUITES_MINUTES = 4
CONTRACTS = sorted(str(path) for path in Path("adapters").glob("*/tests/test_contract.py"))


def measures() -> Iterator[Measure]:
    """Time, memory and statements of syncs on both databases, and the time of all adapters' contract suites."""
    yield _contract_suites()
    with running(DEVICES) as address, tempfile.TemporaryDirectory(prefix="connector-bench-") as directory:
        if "sqlite" in DATABASES:
            yield from _in_a_process(address, f"sqlite:///{directory}/bench.db", directory)
        if "postgresql" in DATABASES:
            server = postgres_server(Path(directory) / "postgres")
            try:
                yield from _in_a_process(address, server.get_uri(), directory)
            finally:
                server.cleanup()


def _in_a_process(address: str, url: str, directory: str) -> list[Measure]:
    """The measures of one database, by a process whose memory nothing else has had."""
    with ProcessPoolExecutor(1, get_context("spawn")) as processes:
        return processes.submit(_run, address, url, Path(directory)).result()


def _run(address: str, url: str, directory: Path) -> list[Measure]:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:  # as `connector serve` does
        return runner.run(_measure(address, url, directory))


@dataclass
class Course:
    """How a sync went on. pages: batches of devices. early_mib: peak by the time a tenth of them was there."""

    pages: int = 0
    early_mib: float = 0.0
    seen: dict[str, int] = field(default_factory=dict)

    def __call__(self, report: StreamReport) -> None:
        """Told after each batch."""
        self.seen[report.name] = report.seen
        if report.name == "devices":
            self.pages += 1
            if not self.early_mib and report.seen >= DEVICES / 10:
                self.early_mib = _resident("VmHWM")


async def _measure(address: str, url: str, directory: Path) -> list[Measure]:
    kind = "sqlite" if url.startswith("sqlite") else "postgresql"
    settings = {"base_url": address, "token": TOKEN}
    connection = connect("cmdb", "nautobot", settings, clock=SystemClock())
    async with migrated_engine(url) as engine:
        await connection.adapter.check()
        async with reading(engine) as tx:
            await tx.execute(select(func.count()).select_from(asset))
        gc.collect()
        calm_garbage_collection()
        _forget_peak()
        idle, course = _resident("VmRSS"), Course()
        with _statements(engine) as first_statements:
            first_s, first_cpu_s, _ = await _sync(engine, connection, course)
        peak = _resident("VmHWM")
        with _statements(engine) as later:
            in_full_s, in_full_cpu_s, in_full = await _sync(engine, connection)
            as_scheduled = [await _sync(engine, connection, full=False) for _ in range(ROUNDS)]
        highest = _resident("VmHWM")
        async with reading(engine) as tx:
            devices = (await tx.execute(select(func.count()).select_from(asset))).scalar_one()
            changes = (await tx.execute(select(func.count()).select_from(change))).scalar_one()
    await connection.aclose()
    assert devices == DEVICES, f"{devices} devices arrived"
    bare_rows, bare_s = await read_and_insert(address, TOKEN, url, directory)
    assert bare_rows == DEVICES, f"{bare_rows} devices were read"
    scheduled_s = median(seconds for seconds, _, _ in as_scheduled)
    unchanged = sum(stream.unchanged for stream in in_full.streams)
    rows = sum(count for table, count in later.written.items() if table not in BOOKKEEPING)
    return [
        Measure(
            name=f"sync-memory-{kind}",
            ratio=ALLOWED_MIB / max(highest - idle, 0.1),
            required=1.0,
            figures={"idle MiB": idle, "peak MiB": highest, "above idle MiB": highest - idle, "devices": devices},
        ),
        Measure(
            name=f"sync-memory-flat-{kind}",
            ratio=course.early_mib / peak,
            required=FLAT,
            figures={"peak of the first tenth MiB": course.early_mib, "peak of the first sync MiB": peak},
        ),
        Measure(
            name=f"sync-beside-bare-insert-{kind}",
            ratio=bare_s / first_s,
            required=0.0,  # told, not required
            figures={"first sync s": first_s, "read and inserted bare s": bare_s, "changes": changes},
        ),
        Measure(
            name=f"sync-unchanged-in-full-{kind}",
            ratio=first_s / in_full_s,
            required=IN_FULL,
            figures={
                "first sync s": first_s,
                "first sync cpu s": first_cpu_s,
                "in full again s": in_full_s,
                "in full again cpu s": in_full_cpu_s,
            },
        ),
        Measure(
            name=f"sync-unchanged-as-scheduled-{kind}",
            ratio=first_s / scheduled_s,
            required=AS_SCHEDULED,
            figures={"scheduled sync s": scheduled_s},
        ),
        Measure(
            name=f"sync-unchanged-writes-nothing-{kind}",
            ratio=1.0 if rows == 0 and unchanged > DEVICES else 0.0,
            required=1.0,
            figures={"statements that write": rows, **{f"bookkeeping of {t}": n for t, n in later.written.items()}},
        ),
        Measure(
            name=f"sync-identity-queries-{kind}",
            ratio=course.pages / max(first_statements.identifying, 1),
            required=1.0,
            figures={"pages": course.pages, "queries": first_statements.identifying},
        ),
    ]


def _contract_suites() -> Measure:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pytest", *CONTRACTS], check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - begun
    return Measure(
        name="sync-contract-suites",
        ratio=SUITES_MINUTES * 60 / took,
        required=1.0,
        figures={"adapters": len(CONTRACTS), "seconds": took},
    )


async def _sync(
    engine: AsyncEngine, connection: Connection, course: Course | None = None, *, full: bool = True
) -> tuple[float, float, PullReport]:
    """Pull everything, or as a schedule does; seconds, seconds of this process's CPU, and the report."""
    begun, cpu = time.perf_counter(), _cpu()
    report = await pull_source(engine, connection, clock=SystemClock(), full=full, progress=course)
    assert report.error is None, report.error
    assert not sum(stream.quarantined for stream in report.streams), report
    return time.perf_counter() - begun, _cpu() - cpu, report


@dataclass
class Statements:
    """How many statements wrote to each table, and how many looked for devices by what tells them apart."""

    written: Counter[str] = field(default_factory=Counter)
    identifying: int = 0


@contextmanager
def _statements(engine: AsyncEngine) -> Iterator[Statements]:
    counts = Statements()

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        words = statement.split(None, 3)
        if words[0] in ("INSERT", "UPDATE", "DELETE"):
            counts.written[words[1] if words[0] == "UPDATE" else words[2]] += 1
        else:
            counts.identifying += bool(IDENTIFIES.search(statement))

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
