"""Serving: the API, fulfilment, schedules and the webhook inbox in a process, begun and ended in order."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from connector.api.access import ApiKey
from connector.api.app import create_app
from connector.api.commands import hub_commands
from connector.api.documents import Documents, TrustedDocuments
from connector.api.feed import Feed
from connector.api.field_names import rights_of
from connector.api.field_rights import EVERY_FIELD, FieldRights
from connector.api.kept import KeptAnswers
from connector.api.kept_keys import KeptKeys
from connector.api.limits import Limits
from connector.api.live.streams import Streams
from connector.api.refusals import Refusals
from connector.api.schema import build_schema
from connector.connections import server_config
from connector.counting import counting_together, rates_of
from connector.fulfilment.approvals import holders_of
from connector.fulfilment.engine import EVERY_HOUR, EVERY_MINUTE, FulfilmentEngine
from connector.fulfilment.roads import measure_roads
from connector.fulfilment.suppliers import require_suppliers
from connector.hub import Hub, executor_name, fulfilment_options, open_hub, roles_by_key
from connector.inbox import Inbox
from connector.ingest.tending import tend_golden_record
from connector.memory import calm_garbage_collection
from connector.model.errors import Unavailable
from connector.model.principals import Principal
from connector.processes import ALONE, Process
from connector.rules.policy.reading import InvalidPolicy
from connector.schedules import forget_old_runs, pull_or_log, schedule_pulls
from connector.sdk.adapter import Clock
from connector.sdk.travel import TravelConnection, connect_travel_times
from connector.settings.auth import ALL_REGIONS, RESERVED_NAMES
from connector.settings.loading import LoadedSettings
from connector.settings.sections import Settings
from connector.storage.audit.sealing import seal
from connector.storage.database.engine import reading, wake_on_commit
from connector.storage.database.growth import LogGrowth
from connector.storage.database.outages import until_there
from connector.storage.policies.policies import active_policy_text
from connector.storage.quality.days import Measured, measure_if_due
from connector.takeover import Takeover
from connector.telemetry.shelf import Shelf
from connector.watching import watch_sources

if TYPE_CHECKING:
    from connector.api.identity import IdentityProvider
    from connector.api.shared import SharedDocuments
    from connector.api.wake import Announcer

log = logging.getLogger("connector")

TENDING = "*/5 * * * *"
"""When overrides end by themselves, and sources that are not heard of yield."""
CLOSED = (
    "only keys of `connector keys create` come in: set auth.anonymous (CONNECTOR_AUTH__ANONYMOUS=true) to let in "
    "everybody on this machine, or auth.token, auth.keys or auth.oidc"
)
"""Told at the start where no way to come in is configured."""
DISMISSING_S = 1.0
"""For telling those who follow that the hub is stopping."""
DATABASE_PATIENCE_S = 60.0
"""For a database that is away when the hub starts, as when both were started at the same time."""
SHELVED_S = 1.0
"""How old what other processes counted may be where one of several is asked."""
UNANSWERED_MS = 30_000
"""After which a client that vanished without a word is disconnected; what it is sent now and then shows that."""


async def serve(loaded: LoadedSettings, listener: socket.socket, process: Process = ALONE) -> None:
    """Serve on the socket until SIGINT or SIGTERM."""
    calm_garbage_collection()
    answering, given = asyncio.Event(), loaded.settings.server
    async with (
        open_hub(loaded, takes_policy=process.is_first, patience_s=DATABASE_PATIENCE_S) as hub,
        running(hub, answering, process) as app,
    ):
        config = server_config(app, given.keep_alive_seconds, given.trusted_proxies)
        host, port = listener.getsockname()[:2]
        server = _Server(config, f"http://{host}:{port}/graphql", answering, app.state.streams)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, partial(_end, server, app, hub.settings.telemetry.drain_seconds))
        if hub.settings.auth.is_closed:
            log.warning(CLOSED)
        app.state.at_work.add_done_callback(lambda _task: setattr(server, "should_exit", True))
        await server.serve(sockets=[listener])
        if app.state.at_work.done():  # it has no end of its own: a hub that answers and does nothing is worse than none
            app.state.at_work.result()
    log.info("stopped")


@asynccontextmanager
async def running(hub: Hub, answering: asyncio.Event, process: Process = ALONE) -> AsyncIterator[Starlette]:
    """The application with everything that works behind it; what is unfinished at the end resumes at the next start.

    The application answers at once; durable execution is launched beside it, once it is `answering`. process: of those
    behind its address; the first one pulls the sources.
    """
    settings = hub.settings
    feed = Feed(hub.database, redis=settings.redis)
    fulfilment = FulfilmentEngine(
        hub.database,
        settings.database,
        hub.connections,
        clock=hub.clock,
        policy=hub.policy,
        options=fulfilment_options(settings),
        executor=executor_name(settings, process),
        holders=holders_of(roles_by_key(settings)),
        tally=hub.tally,
    )
    shelf = Shelf(hub.tally, process.folder, process.number)
    inbox = Inbox(hub, fulfilment.presence.me.incarnation)
    takeover = Takeover(hub.database, hub.clock, fulfilment)
    for name in hub.connections:
        schedule_pulls(hub, fulfilment, name)
    fulfilment.schedule("golden-record", TENDING, partial(_tend, hub))
    fulfilment.schedule("forget-runs", "41 3 * * *", partial(forget_old_runs, hub))
    fulfilment.schedule("seal-log", EVERY_MINUTE, partial(seal, hub.database, hub.clock.now))
    roads = _roads(hub, fulfilment)
    fulfilment.schedule("measure-quality", EVERY_HOUR, partial(_measure_quality, hub))
    wake_on_commit(hub.database, feed.wake)
    wake_on_commit(hub.database, fulfilment.reactor.wake)
    announcer = _announcer(settings)
    if announcer is not None:
        wake_on_commit(hub.database, announcer.announce)
    shared = _shared_documents(settings)
    people = identity_provider(settings, hub.clock)
    kept = KeptKeys(hub.database, hub.clock)
    rates = rates_of(settings)
    refusals = Refusals(hub.database, hub.clock)
    app = create_app(
        engine=hub.database,
        feed=feed,
        commands=hub_commands(
            fulfilment.commands,
            hub.database,
            hub.connections,
            hub.clock,
            broken=hub.broken,
            guards=hub.guards,
            tally=hub.tally,
        ),
        policy=hub.policy,
        connections=hub.connections,
        clock=hub.clock,
        token=settings.auth.token.get_secret_value() if settings.auth.token else None,
        keys=api_keys(settings),
        others=(kept.admit, *((people.admit,) if people else ())),
        anonymous=settings.auth.is_open,
        public_url=settings.server.public_url,
        webhook_received=inbox.arrived,
        documents=Documents(
            TrustedDocuments.read(settings.graphql.folders),
            only_trusted=settings.graphql.documents == "trusted",
            shared=shared,
        ),
        limits=Limits(
            largest_cost=settings.graphql.largest_cost,
            longest_query=timedelta(seconds=settings.graphql.longest_query_seconds),
            introspection=settings.graphql.introspection,
        ),
        origins=settings.graphql.origins,
        subgraph=settings.graphql.federation,
        kept=_kept_answers(hub),
        compresses=settings.graphql.compress_answers,
        fields=field_rights(settings),
        measuring=hub.measuring,
        longest_wait_s=settings.server.longest_wait_seconds,
        rates=rates,
        refusals=refusals,
        tally=hub.tally,
        shelf=shelf,
        metrics=settings.telemetry.metrics,
        workflows=fulfilment.workflows_by_state,
        ready_lag_s=settings.telemetry.ready_lag_seconds,
    )
    await until_there(takeover.enter, patience_s=DATABASE_PATIENCE_S)
    at_work = asyncio.create_task(_work(hub, fulfilment, answering, process, takeover, inbox, refusals), name="work")
    app.state.at_work = at_work
    shelving = asyncio.create_task(_shelve(shelf), name="shelf") if process.folder else None
    try:
        async with counting_together(settings, rates):
            yield app
    finally:
        at_work.cancel()
        await asyncio.gather(at_work, return_exceptions=True)
        if shelving is not None:
            shelving.cancel()
            shelf.put()
        await takeover.leave()
        await fulfilment.close()
        if roads is not None:
            await roads.aclose()
        if announcer is not None:
            await announcer.aclose()
        await kept.aclose()
        if people is not None:
            await people.aclose()
        if shared is not None:
            await shared.aclose()


async def _shelve(shelf: Shelf) -> None:
    """Have the other processes see what this one counts, until cancelled."""
    while True:
        shelf.put()
        await asyncio.sleep(SHELVED_S)


def _end(server: uvicorn.Server, app: Starlette, drain_s: float) -> None:
    """End the server: at once, or once whoever sends requests here has had time to see that it should not."""
    is_again, app.state.health.is_draining = app.state.health.is_draining, True
    if not drain_s or is_again:
        server.should_exit = True
        return
    log.info("requests are answered for another %g s, then the hub stops", drain_s)
    asyncio.get_running_loop().call_later(drain_s, setattr, server, "should_exit", True)


def _kept_answers(hub: Hub) -> KeptAnswers | None:
    settings = hub.settings.graphql
    if not settings.keep_answers:
        return None
    most_bytes = settings.kept_answers_mb * 1_000_000
    return KeptAnswers(LogGrowth(hub.database), most=settings.most_kept_answers, most_bytes=most_bytes)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Libuv's event loop, asyncio's own where that is not to be had (Windows)."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class _Server(uvicorn.Server):
    """Uvicorn that tells when it answers, ends subscriptions, each with its cursor, before it closes what is open, and
    handles no signals: the hub ends in order, whoever tells it to.
    """

    def __init__(self, config: uvicorn.Config, url: str, answering: asyncio.Event, streams: Streams) -> None:
        super().__init__(config)
        self._url = url
        self._answering = answering
        self._streams = streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer from now on."""
        await super().startup(sockets)
        log.info("listening on %s", self._url)
        self._answering.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, and end."""
        for server in self.servers:
            server.close()
        await self._streams.dismiss(DISMISSING_S)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def api_keys(settings: Settings) -> tuple[ApiKey, ...]:
    """The configured keys, each with its holder."""
    return tuple(
        ApiKey(
            key.digest,
            Principal(name, frozenset(key.roles), None if key.regions is None else frozenset(key.regions)),
        )
        for name, key in settings.auth.keys.items()
    )


def field_rights(settings: Settings) -> FieldRights:
    """Who reads which field."""
    return rights_of(settings.auth.fields, build_schema()._schema) if settings.auth.fields else EVERY_FIELD


def identity_provider(settings: Settings, clock: Clock) -> IdentityProvider | None:
    """What reads the tokens of the configured identity provider, where there is one; it is to be closed."""
    given = settings.auth.oidc
    if given is None:
        return None
    from connector.api.identity import IdentityProvider, ProviderOptions  # cryptography takes a while to import

    options = ProviderOptions(
        issuer=given.issuer,
        audience=given.audience,
        jwks_url=given.jwks_url,
        algorithms=given.algorithms,
        leeway=timedelta(seconds=given.leeway_seconds),
        name_claim=given.name_claim,
        roles_claim=given.roles_claim,
        roles=given.roles,
        regions=given.regions,
        regions_claim=given.regions_claim,
        all_regions=ALL_REGIONS,
        required_claims=given.required_claims,
        taken=RESERVED_NAMES | settings.auth.keys.keys() | settings.sources.keys(),
    )
    return IdentityProvider(options, clock=clock, egress=settings.egress.rules)


def listen(host: str, port: int) -> socket.socket:
    """A socket on the address. Raises Unavailable saying who may have it.

    It names TCP, for asyncio turns Nagle's algorithm off only where it sees that; with it on, the second answer over
    a kept connection waits 40 ms for the client's delayed acknowledgement. A peer that acknowledges nothing that it
    is sent is given up after `UNANSWERED_MS`, on systems that know how.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"the hub cannot listen on {host}:{port}: {error.strerror}",
            hint="Another hub may be running; stop it, or set server.port or CONNECTOR_SERVER__PORT.",
        ) from error
    return listener


def _announcer(settings: Settings) -> Announcer | None:
    """What wakes other processes, where there is a Redis to do it through."""
    if settings.redis is None:
        return None
    from connector.api.wake import Announcer  # Redis takes a while to import, and most hubs have none

    return Announcer(settings.redis)


def _shared_documents(settings: Settings) -> SharedDocuments | None:
    """Where processes share documents that clients sent, where there is a Redis to do it through."""
    if settings.redis is None:
        return None
    from connector.api.shared import SharedDocuments  # Redis takes a while to import, and most hubs have none

    return SharedDocuments(settings.redis)


async def _work(
    hub: Hub,
    fulfilment: FulfilmentEngine,
    answering: asyncio.Event,
    process: Process,
    takeover: Takeover,
    inbox: Inbox,
    refusals: Refusals,
) -> None:
    """Everything behind the application, until cancelled. Raises what it cannot go on without."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(inbox.run(), name="inbox")
        tasks.create_task(refusals.run(), name="refusals")
        tasks.create_task(_begin(hub, fulfilment, answering, process, takeover), name="begin")


async def _begin(
    hub: Hub, fulfilment: FulfilmentEngine, answering: asyncio.Event, process: Process, takeover: Takeover
) -> None:
    """Launch durable execution; then pull every source, each at its own pace, when the hub begins with this process."""
    await answering.wait()
    try:
        await until_there(fulfilment.launch, patience_s=inf)
    except Exception:
        log.exception("durable execution could not be launched: nothing can be sourced, so the hub ends")
        raise
    finally:
        process.tell_serves()
    await until_there(partial(_read_policy, hub), patience_s=inf)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(takeover.run())
        if process.is_first:
            await _tend(hub)
            wanted = [name for name in hub.connections if hub.settings.sources[name].schedule]
            tasks.create_task(watch_sources(hub, pull_or_log))
            for name in wanted:
                tasks.create_task(pull_or_log(hub, name, None, by="start"))


async def _read_policy(hub: Hub) -> None:
    """Read the active policy before the first decision needs it, and say so when this hub cannot use all of it."""
    async with reading(hub.database) as tx:
        text = await active_policy_text(tx)
        try:
            policy = await hub.policy.now(tx)
        except InvalidPolicy as error:
            log.error("nothing is sourced until another policy is activated: %s", error.message)
            return
    try:
        require_suppliers(text or "", hub.connections, broken=hub.broken, source=policy.version)
    except InvalidPolicy as error:
        log.error("nothing is ordered from these suppliers of the active policy: %s", error.message)


async def _measure_quality(hub: Hub) -> Measured | None:
    """Measure how good the data is, once a day: at the first hour of it at which the hub is there."""
    return await measure_if_due(hub.database, hub.measuring.terms(hub.clock.now()), kept=hub.measuring.kept)


def _roads(hub: Hub, fulfilment: FulfilmentEngine) -> TravelConnection | None:
    """Measure roads by the schedule of the provider, where one is configured."""
    given = hub.settings.travel_time
    if not given.provider:
        return None
    connection = connect_travel_times(
        given.provider, given.provider_settings(), clock=hub.clock, egress=hub.settings.egress.rules
    )
    fulfilment.schedule(
        "measure-roads",
        given.schedule,
        partial(
            measure_roads,
            hub.database,
            connection,
            clock=hub.clock,
            within_km=given.within_km,
            max_age=timedelta(days=given.max_age_days),
        ),
    )
    return connection


async def _tend(hub: Hub) -> None:
    """See to golden values: what is configured now, and what time has ended."""
    identity = hub.settings.identity
    try:
        await tend_golden_record(hub.database, hub.clock, identity.precedence, identity.fresh_days)
    except Exception:
        log.exception("golden values could not be seen to; it is tried again at the next time")
