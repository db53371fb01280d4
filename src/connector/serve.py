"""Serving: the API, and what works behind it, or one of both, in a process, begun and ended in order."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from connector.api.access import Access, ApiKey
from connector.api.app import create_app
from connector.api.commands import Commands, hub_commands
from connector.api.documents import Documents, TrustedDocuments
from connector.api.errands import send_errands, take_errands
from connector.api.feed import Feed
from connector.api.field_names import rights_of
from connector.api.field_rights import EVERY_FIELD, FieldRights
from connector.api.health import Health
from connector.api.kept import KeptAnswers
from connector.api.kept_keys import KeptKeys
from connector.api.limits import Limits
from connector.api.live.streams import Streams
from connector.api.metrics import Metrics
from connector.api.probes import worker_app
from connector.api.refusals import Refusals
from connector.api.schema import build_schema
from connector.background import Background
from connector.connections import server_config
from connector.counting import counting_together, rates_of
from connector.fulfilment.approvals import holders_of
from connector.fulfilment.engine import FulfilmentEngine
from connector.hub import Hub, executor_name, fulfilment_options, open_hub, own_address, roles_by_key
from connector.memory import calm_garbage_collection
from connector.model.errors import Unavailable
from connector.model.principals import Principal
from connector.processes import ALONE, Process
from connector.sdk.adapter import Clock
from connector.settings.auth import ALL_REGIONS, RESERVED_NAMES
from connector.settings.loading import LoadedSettings
from connector.settings.sections import Settings
from connector.storage.database.engine import wake_on_commit
from connector.storage.database.growth import LogGrowth
from connector.storage.database.outages import until_there
from connector.telemetry.shelf import Shelf
from connector.tls import shown

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
        shown(given.tls) as tls,
        open_hub(loaded, takes_policy=process.is_first, patience_s=DATABASE_PATIENCE_S) as hub,
        running(hub, answering, process) as app,
    ):
        config = server_config(app, given.keep_alive_seconds, given.trusted_proxies, tls)
        host, port = listener.getsockname()[:2]
        streams: Streams | None = getattr(app.state, "streams", None)
        scheme, path = "https" if tls else "http", "/graphql" if streams is not None else "/readyz"
        server = _Server(config, f"{scheme}://{host}:{port}{path}", answering, streams)
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
    behind its address.
    """
    settings = hub.settings
    fulfilment = FulfilmentEngine(
        hub.database,
        own_address(settings),
        hub.connections,
        clock=hub.clock,
        policy=hub.policy,
        options=fulfilment_options(settings),
        executor=executor_name(settings, process),
        holders=holders_of(roles_by_key(settings)),
        tally=hub.tally,
        works=settings.server.role != "api",
        pool_size=settings.postgresql.workflow_pool_size,
        owner=settings.postgresql.owner,
    )
    background = Background(hub, fulfilment, process)
    shelf = Shelf(hub.tally, process.folder, process.number)
    if process.folder:
        background.beside.append(partial(_shelve, shelf))
    announcer = _announcer(settings)
    if announcer is not None:
        wake_on_commit(hub.database, announcer.announce)
    wake_on_commit(hub.database, fulfilment.reactor.wake)
    commands = hub_commands(
        fulfilment.commands,
        hub.database,
        hub.connections,
        hub.clock,
        broken=hub.broken,
        guards=hub.guards,
        tally=hub.tally,
    )
    take_errands(fulfilment, commands)
    async with AsyncExitStack() as closing:
        if announcer is not None:
            closing.push_async_callback(announcer.aclose)
        closing.push_async_callback(background.aclose)
        if settings.server.role == "worker":
            app = _probed_app(hub, fulfilment, shelf)
        else:
            arrived = background.inbox.arrived if fulfilment.works else _arrived_elsewhere(announcer)
            if not fulfilment.works:
                commands = send_errands(fulfilment, commands)
            app = await _answering_app(hub, commands, arrived, fulfilment, shelf, background, closing)
        await until_there(background.takeover.enter, patience_s=DATABASE_PATIENCE_S)
        at_work = asyncio.create_task(background.run(answering), name="work")
        app.state.at_work = at_work
        try:
            yield app
        finally:
            at_work.cancel()
            await asyncio.gather(at_work, return_exceptions=True)
            if process.folder:
                shelf.put()
            await background.takeover.leave()
            await fulfilment.close()


async def _answering_app(
    hub: Hub,
    commands: Commands,
    arrived: Callable[[], Awaitable[None]],
    fulfilment: FulfilmentEngine,
    shelf: Shelf,
    background: Background,
    closing: AsyncExitStack,
) -> Starlette:
    """The application that answers clients. arrived: called after each webhook. closing: closes what it opens."""
    settings = hub.settings
    feed = Feed(hub.database, redis=settings.redis)
    wake_on_commit(hub.database, feed.wake)
    kept = KeptKeys(hub.database, hub.clock)
    closing.push_async_callback(kept.aclose)
    people, shared = identity_provider(settings, hub.clock), _shared_documents(settings)
    for each in (people, shared):
        if each is not None:
            closing.push_async_callback(each.aclose)
    rates, refusals = rates_of(settings), Refusals(hub.database, hub.clock)
    background.beside.append(refusals.run)
    await closing.enter_async_context(counting_together(settings, rates))
    return create_app(
        engine=hub.database,
        feed=feed,
        commands=commands,
        policy=hub.policy,
        connections=hub.connections,
        clock=hub.clock,
        token=settings.auth.token.get_secret_value() if settings.auth.token else None,
        keys=api_keys(settings),
        others=(kept.admit, *((people.admit,) if people else ())),
        anonymous=settings.auth.is_open,
        public_url=settings.server.public_url,
        webhook_received=arrived,
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
        ready_lag_s=settings.telemetry.ready_lag_seconds if fulfilment.works else inf,
    )


def _probed_app(hub: Hub, fulfilment: FulfilmentEngine, shelf: Shelf) -> Starlette:
    """The application of a process that only works."""
    telemetry, auth = hub.settings.telemetry, hub.settings.auth
    token = auth.token.get_secret_value() if auth.token else None
    measured = Metrics(
        shelf,
        hub.database,
        hub.clock,
        Access(token, keys=api_keys(hub.settings), is_open=auth.is_open),
        openness=telemetry.metrics,
        workflows=fulfilment.workflows_by_state,
    )
    return worker_app(Health(hub.database, hub.clock, lag_s=telemetry.ready_lag_seconds), measured, hub.tally)


def _arrived_elsewhere(announcer: Announcer | None) -> Callable[[], Awaitable[None]]:
    """Wakes the processes that deal with webhooks, where there is a Redis to do it through; they look each second."""

    async def arrived() -> None:
        if announcer is not None:
            announcer.announce()

    return arrived


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

    def __init__(self, config: uvicorn.Config, url: str, answering: asyncio.Event, streams: Streams | None) -> None:
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
        if self._streams is not None:
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
