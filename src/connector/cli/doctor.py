"""`connector doctor`: is everything as it must be, and if not, what to do."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial

import typer

from connector import __version__
from connector.cli.configured import AsJson, Config, loaded_settings
from connector.cli.output import ExitCode, console, print_json, print_table, told
from connector.fulfilment.suppliers import require_suppliers
from connector.hub import Hub, configured_policy, open_hub
from connector.model.errors import ConnectorError
from connector.rules.policy.reading import read_policy
from connector.sdk.adapter import WritesAssets
from connector.sdk.errors import AdapterError
from connector.storage.database.engine import reading
from connector.storage.policies.policies import policy_version
from connector.storage.sources.overview import source_overviews

OLDEST_SQLITE = (3, 35, 0)
"""The first with RETURNING."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. todo: what to do about it, "" when it is as it must be."""

    what: str
    is_healthy: bool
    found: str
    todo: str = ""


def doctor(config: Config = None, as_json: AsJson = False) -> None:
    """Check configuration, database, policy, Redis and every source, and say what to do."""
    with told(as_json=as_json):
        findings = asyncio.run(_examine(config))
    if as_json:
        print_json({"version": __version__, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [
            {"": "ok" if f.is_healthy else "NOT OK", "what": f.what, "found": f.found, "to do": f.todo}
            for f in findings
        ]
        print_table(f"Connector {__version__}", rows, empty="")
        if all(finding.is_healthy for finding in findings):
            console.print("Everything is as it must be.")
    if not all(finding.is_healthy for finding in findings):
        raise typer.Exit(ExitCode.UNHEALTHY)


async def _examine(config: Config) -> list[Finding]:
    findings = [_sqlite(), _python()]
    loaded = loaded_settings(config, log_level="ERROR")
    findings.append(Finding("configuration", True, str(loaded.file or "defaults, no file")))
    async with open_hub(loaded) as hub:
        findings += [
            await _try("policy", lambda: _policy(hub)),
            await _try("configured policy", lambda: _configured(hub)),
        ]
        findings.append(await _try("database", lambda: _database(hub)))
        if hub.settings.redis:
            findings.append(await _try("redis", lambda: _redis(hub.settings.redis or "")))
        names = sorted(hub.connections)
        findings += await asyncio.gather(*(_try(f"source {name}", partial(_source, hub, name)) for name in names))
        findings += [
            Finding(f"source {name}", False, problem, "Correct or reinstall the adapter's package.")
            for name, problem in hub.broken.items()
        ]
        async with reading(hub.database) as tx:
            for source in await source_overviews(tx):
                if source.quarantined:
                    todo = f"connector quarantine list --source {source.name}"
                    found = f"{source.quarantined} records in quarantine"
                    findings.append(Finding(f"source {source.name}", False, found, todo))
    return findings


def _sqlite() -> Finding:
    is_new_enough = sqlite3.sqlite_version_info >= OLDEST_SQLITE
    return Finding("sqlite", is_new_enough, sqlite3.sqlite_version, "" if is_new_enough else "Update Python's SQLite.")


def _python() -> Finding:
    return Finding("python", True, ".".join(map(str, sys.version_info[:3])))


async def _policy(hub: Hub) -> str:
    async with reading(hub.database) as tx:
        active = await policy_version(tx, None)
    require_suppliers(active.text, hub.connections, broken=hub.broken, source=active.version)
    return f"{active.version} is active"


async def _configured(hub: Hub) -> str:
    text, source = configured_policy(hub.settings)
    configured = read_policy(text, source=source)
    async with reading(hub.database) as tx:
        active = await hub.policy.now(tx)
    return f"{configured.version} from {source}" + ("" if configured.version == active.version else ", not active")


async def _database(hub: Hub) -> str:
    async with reading(hub.database) as tx:
        await source_overviews(tx)
        return f"{tx.dialect.name}, reachable and migrated"


async def _redis(url: str) -> str:
    from redis.asyncio import Redis

    client = Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3)
    try:
        await client.ping()
    finally:
        await client.aclose()
    return "reachable"


async def _source(hub: Hub, name: str) -> str:
    adapter = hub.connection(name).adapter
    health = await adapter.check()
    answer = " ".join(part for part in (health.version, health.detail) if part) or "answers"
    return f"{answer}{unused_write_back(adapter)}"


def unused_write_back(adapter: object) -> str:
    """What to add about a source that could be told of swaps and may not be; "" for any other."""
    if not isinstance(adapter, WritesAssets) or adapter.may_write_assets():
        return ""
    return "; could be told which device replaced which, and its settings do not allow it (see the adapter's README)"


async def _try(what: str, look: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(what, True, await look())
    except AdapterError as error:
        return Finding(what, False, error.message, error.hint or "Check that the system is up and reachable.")
    except ConnectorError as error:
        return Finding(what, False, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - a check that fails in any way is a finding, not a crash
        return Finding(what, False, f"{type(error).__name__}: {error}", "See docs/configuration.md.")
