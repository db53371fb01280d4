"""The composition root: builds every part of the hub from its settings, and passes each what it needs."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from connector.clock import SystemClock
from connector.fulfilment.options import FulfilmentOptions, TicketWrites
from connector.ingest.pull import PullReport, pull_source
from connector.model.errors import NotKnown
from connector.model.kinds import SourceState
from connector.rules.policy import Policy, default_policy, read_policy
from connector.sdk.adapter import Clock
from connector.sdk.connection import Connection, connect
from connector.sdk.errors import ConfigError
from connector.settings import LoadedSettings, Settings
from connector.storage.engine import Database, open_engine, transaction
from connector.storage.migrations import migrate
from connector.storage.service_classes import keep_service_classes
from connector.storage.sources import register_source, set_condition

log = logging.getLogger("connector")


@dataclass(frozen=True, slots=True)
class Hub:
    """The parts that every command shares. broken: source -> why it cannot be used."""

    settings: Settings
    database: Database
    clock: Clock
    policy: Policy
    connections: Mapping[str, Connection]
    broken: Mapping[str, str]

    def connection(self, name: str) -> Connection:
        """The connection of a configured source. Raises NotKnown, or ConfigError when it is broken."""
        if name in self.broken:
            raise ConfigError(f"source {name!r} cannot be used: {self.broken[name]}", operation="use source")
        if name not in self.connections:
            known = ", ".join(sorted([*self.connections, *self.broken])) or "none"
            raise NotKnown(f"there is no source {name!r}", hint=f"Configured are: {known}.")
        return self.connections[name]

    async def pull(self, name: str, streams: tuple[str, ...] | None = None, *, full: bool = False) -> PullReport:
        """Pull a source now."""
        return await pull_source(self.database, self.connection(name), clock=self.clock, streams=streams, full=full)


@asynccontextmanager
async def open_hub(loaded: LoadedSettings, *, clock: Clock | None = None) -> AsyncIterator[Hub]:
    """Migrate the database, connect the sources, read the policy; everything is closed at the end.

    A plugin that does not load disables its own source and nothing else.
    Raises InvalidConfiguration.
    """
    settings, clock = loaded.settings, clock or SystemClock()
    policy = read_policy(settings.policy) if settings.policy else default_policy()
    connections, broken = _connect(settings, clock)
    await asyncio.to_thread(migrate, settings.database)
    database = open_engine(settings.database)
    try:
        async with transaction(database) as tx:
            await keep_service_classes(tx, policy, at=clock.now(), actor="policy")
        await _register(database, settings, broken, clock)
        yield Hub(settings, database, clock, policy, connections, broken)
    finally:
        for connection in connections.values():
            await connection.aclose()
        await database.dispose()


def fulfilment_options(settings: Settings) -> FulfilmentOptions:
    """The settings of fulfilment as its engine takes them."""
    given = settings.fulfilment
    return FulfilmentOptions(
        courier=given.courier,
        label_format=given.label_format,
        notes_are_public=given.notes_are_public,
        ticket_writes={
            name: TicketWrites(fields=ticket.fields, state=ticket.state) for name, ticket in given.tickets.items()
        },
    )


def executor_name(settings: Settings) -> str:
    """Name of this process among those that share a database, the same after a restart."""
    return f"{socket.gethostname()}:{settings.server.port}"


def _connect(settings: Settings, clock: Clock) -> tuple[dict[str, Connection], dict[str, str]]:
    connections: dict[str, Connection] = {}
    broken: dict[str, str] = {}
    for name, source in settings.sources.items():
        try:
            connections[name] = connect(name, source.adapter, source.adapter_settings(), clock=clock)
        except ConfigError as error:
            broken[name] = error.message
            log.error("source %r is disabled: %s", name, error.message)
    return connections, broken


async def _register(database: Database, settings: Settings, broken: Mapping[str, str], clock: Clock) -> None:
    async with transaction(database) as tx:
        for name, source in settings.sources.items():
            source_id = await register_source(tx, name=name, adapter=source.adapter, at=clock.now())
            if name in broken:
                await set_condition(
                    tx, source_id, state=SourceState.DISABLED, at=clock.now(), error=broken[name], failures=1
                )
