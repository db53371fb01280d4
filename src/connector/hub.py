"""The composition root: builds every part of the hub from its settings, and passes each what it needs."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from connector.clock import SystemClock
from connector.fulfilment.options import FulfilmentOptions, TicketWrites
from connector.fulfilment.suppliers import require_suppliers
from connector.ingest.guard import Guard, Limit
from connector.ingest.reports import SCHEDULE, PullReport
from connector.ingest.sync import sync_source
from connector.ingest.tending import tend_golden_record
from connector.model.errors import InvalidConfiguration, NotKnown
from connector.model.kinds import SourceState
from connector.model.principals import ADMIN, ANYBODY
from connector.processes import Process
from connector.rules.checks.policy_tests import PolicyTestsFailed
from connector.rules.identity.match_rules import match_rules
from connector.rules.policy.reading import default_policy_text, policy_file_text
from connector.sdk.adapter import Clock
from connector.sdk.connection import Connection, connect
from connector.sdk.errors import ConfigError
from connector.settings.loading import LoadedSettings
from connector.settings.sections import Settings
from connector.settings.sources import GuardSettings
from connector.storage.database.engine import Database, open_engine, reading, transaction
from connector.storage.database.outages import until_there
from connector.storage.migrations import migrate
from connector.storage.policies.active import ActivePolicy
from connector.storage.policies.policies import active_policy_text, take_in_policy
from connector.storage.quality.days import Measuring
from connector.storage.sources.identities import use_match_rules
from connector.storage.sources.sources import register_source, set_condition
from connector.telemetry.metrics import ADAPTER_CALLS, ADAPTER_SECONDS, PULLS
from connector.telemetry.tally import Tally

log = logging.getLogger("connector")

CONFIGURATION = "configuration"
"""Author of policies that are taken in from where the configuration says."""
BUILT_IN = "default_policy.yaml"
"""What the policy is called that is taken when the configuration names none."""


@dataclass(frozen=True, slots=True)
class Hub:
    """The parts that every command shares. policy: the active one. broken: source -> why it cannot be used. tally: what
    is counted goes there.
    """

    settings: Settings
    database: Database
    clock: Clock
    policy: ActivePolicy
    connections: Mapping[str, Connection]
    broken: Mapping[str, str]
    tally: Tally = field(default_factory=Tally)

    def connection(self, name: str) -> Connection:
        """The connection of a configured source. Raises NotKnown, or ConfigError when it is broken."""
        if name in self.broken:
            raise ConfigError(f"source {name!r} cannot be used: {self.broken[name]}", operation="use source")
        if name not in self.connections:
            known = ", ".join(sorted([*self.connections, *self.broken])) or "none"
            raise NotKnown(f"there is no source {name!r}", hint=f"Configured are: {known}.")
        return self.connections[name]

    @property
    def guards(self) -> Mapping[str, Guard]:
        """Source -> how far it is trusted."""
        return {name: _guard(source.guard) for name, source in self.settings.sources.items()}

    @property
    def measuring(self) -> Measuring:
        """How data quality is measured."""
        return Measuring(self.settings.quality.confirmed_for, self.settings.quality.kept)

    async def pull(
        self, name: str, streams: tuple[str, ...] | None = None, *, full: bool = False, by: str = SCHEDULE
    ) -> PullReport:
        """Pull a source now, unless it backs off, has stopped or is paused. by: who wants it."""
        report = await sync_source(
            self.database, self.connection(name), clock=self.clock, streams=streams, full=full, by=by,
            guard=self.guards[name],
        )  # fmt: skip
        self.tally.count(PULLS, name, report.outcome)
        return report


@asynccontextmanager
async def open_hub(
    loaded: LoadedSettings, *, clock: Clock | None = None, takes_policy: bool = False, patience_s: float = 0.0
) -> AsyncIterator[Hub]:
    """Migrate the database, connect the sources, see to a policy; everything is closed at the end.

    A plugin that does not load disables its own source and nothing else. takes_policy: take in what is configured, and
    give sources that have stopped another chance, as a hub that begins to serve does; else a policy is taken in only by
    a database that has no active one. patience_s: for how long a database is waited for that is away.
    Raises InvalidConfiguration, and DatabaseAway.
    """
    settings, clock = loaded.settings, clock or SystemClock()
    tally = Tally()
    connections, broken = _connect(settings, clock, tally)
    given = settings.postgresql
    await until_there(lambda: asyncio.to_thread(migrate, owner_address(settings)), patience_s=patience_s)
    database = open_engine(
        settings.database,
        pool_size=given.pool_size,
        direct=given.direct,
        direct_connections=given.direct_connections,
    )
    use_match_rules(database, match_rules(settings.identity.match))
    try:
        await until_there(
            lambda: _take_in(database, settings, clock, connections, broken, is_start=takes_policy),
            patience_s=patience_s,
        )
        await until_there(
            lambda: _register(database, settings, broken, clock, is_start=takes_policy), patience_s=patience_s
        )
        if not takes_policy:  # a hub that serves does that beside answering
            await tend_golden_record(database, clock, settings.identity.precedence, settings.identity.fresh_days)
        yield Hub(settings, database, clock, ActivePolicy(), connections, broken, tally)
    finally:
        for connection in connections.values():
            await connection.aclose()
        await database.dispose()


def own_address(settings: Settings) -> str:
    """Address of the database itself, past any pooler."""
    return settings.postgresql.direct or settings.database


def owner_address(settings: Settings) -> str:
    """The same with the role that owns the schema."""
    return settings.postgresql.owner or own_address(settings)


def configured_policy(settings: Settings) -> tuple[str, str]:
    """Text of the policy that the configuration names, and what to call it. Raises InvalidPolicy: cannot be read."""
    if settings.policy is None:
        return default_policy_text(), BUILT_IN
    return policy_file_text(settings.policy), settings.policy.name


def fulfilment_options(settings: Settings) -> FulfilmentOptions:
    """The settings of fulfilment as its engine takes them."""
    given = settings.fulfilment
    return FulfilmentOptions(
        courier=given.courier,
        label_format=given.label_format,
        notes_are_public=given.notes_are_public,
        lanes_asked_ahead=given.lanes_asked_ahead,
        ticket_writes={
            name: TicketWrites(fields=ticket.fields, state=ticket.state) for name, ticket in given.tickets.items()
        },
    )


def _guard(given: GuardSettings) -> Guard:
    retired = Limit(given.retired_share, given.retired_count)
    return Guard(retired, Limit(given.changed_share, given.changed_count))


def roles_by_key(settings: Settings) -> dict[str, frozenset[str]]:
    """Who holds which roles: the configured keys, and whoever shows the one token."""
    return {name: frozenset(key.roles) for name, key in settings.auth.keys.items()} | {ANYBODY: frozenset({ADMIN})}


def executor_name(settings: Settings, process: Process) -> str:
    """Name of this process among those that share a database, the same after a restart."""
    address = f"{socket.gethostname()}:{settings.server.port}"
    return address if process.count == 1 else f"{address}/{process.number}"


def _connect(settings: Settings, clock: Clock, tally: Tally) -> tuple[dict[str, Connection], dict[str, str]]:
    connections: dict[str, Connection] = {}
    broken: dict[str, str] = {}
    for name, source in settings.sources.items():
        try:
            connections[name] = connect(
                name,
                source.adapter,
                source.adapter_settings(),
                clock=clock,
                egress=settings.egress.rules,
                observe=partial(_count_call, tally, name),
            )
        except ConfigError as error:
            broken[name] = error.message
            log.error("source %r is disabled: %s", name, error.message)
    return connections, broken


def _count_call(tally: Tally, source: str, operation: str, outcome: str, seconds: float) -> None:
    tally.count(ADAPTER_CALLS, source, operation, outcome)
    tally.took(ADAPTER_SECONDS, seconds, source)


async def _take_in(
    database: Database,
    settings: Settings,
    clock: Clock,
    connections: Mapping[str, Connection],
    broken: Mapping[str, str],
    *,
    is_start: bool,
) -> None:
    """See to an active policy. A configured one that cannot be used stops only a hub that would have none.

    One that is active already has been checked: it is read when it is needed, and a start does not wait for that.
    """
    async with reading(database) as tx:
        active_text = await active_policy_text(tx)
    has_policy = active_text is not None
    if has_policy and not is_start:
        return
    try:
        text, source = configured_policy(settings)
        if text == active_text:
            return
        require_suppliers(text, connections, broken=broken, source=source)
        async with transaction(database) as tx:
            active = await take_in_policy(tx, text, source=source, author=CONFIGURATION, at=clock.now())
    except (InvalidConfiguration, PolicyTestsFailed) as error:
        if not has_policy:
            raise
        log.error("the active policy stays, for the configured one cannot be used: %s", error.message)
        return
    if active is None:
        log.warning(
            "policy %s is known but not active: another was chosen; `connector policy activate` changes that", source
        )
    elif active.is_new:
        log.info("policy %s is active", active.version)


async def _register(
    database: Database, settings: Settings, broken: Mapping[str, str], clock: Clock, *, is_start: bool
) -> None:
    async with transaction(database) as tx:
        for name, source in settings.sources.items():
            source_id = await register_source(tx, name=name, adapter=source.adapter, at=clock.now(), is_start=is_start)
            if name in broken:
                await set_condition(
                    tx, source_id, state=SourceState.DISABLED, at=clock.now(), error=broken[name], failures=1
                )
