"""The HTTP application: GraphQL, webhooks, labels, health, metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.api.access import ANYBODY, Access, Admit, ApiKey, Guarded, error_response
from connector.api.admission import LONGEST_WAIT_S, Admission
from connector.api.answers import TRY_AGAIN_LATER, UNAVAILABLE
from connector.api.commands import Commands
from connector.api.context import NOBODY, ApiContext
from connector.api.counting import Counting
from connector.api.cross_site import PREFLIGHT_HEADERS
from connector.api.documents import Documents
from connector.api.endpoint import Endpoint
from connector.api.feed import Feed
from connector.api.field_rights import EVERY_FIELD, FieldRights
from connector.api.guard import BodyLimit, SecurityHeaders
from connector.api.health import READY_LAG_S, Health
from connector.api.kept import KeptAnswers
from connector.api.limits import LARGEST_REQUEST, Limits
from connector.api.live.limits import LiveLimits
from connector.api.live.streams import Streams
from connector.api.metrics import Metrics, Openness, Workflows
from connector.api.rates import RateLimiting, RateLimits, Rates
from connector.api.ready import ReadyQueries
from connector.api.refusals import Refusals
from connector.api.schema import build_schema
from connector.api.shortcut import Shortcut
from connector.api.static import HERE, SERVED
from connector.api.webhooks import LARGEST_WEBHOOK, Webhooks
from connector.fulfilment.approvals import Approvals, holders_of
from connector.fulfilment.channels import Channels
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.work import Work
from connector.model.errors import Forbidden, InvalidInput, NotKnown, Unavailable
from connector.model.principals import Principal
from connector.sdk.adapter import Clock
from connector.sdk.connection import Connection
from connector.storage.database.engine import Database, reading
from connector.storage.database.outages import until_there
from connector.storage.policies.active import PolicySource
from connector.storage.quality.days import MEASURING, Measuring
from connector.storage.query.telling import PAPER
from connector.storage.shipments.documents import read_document
from connector.storage.sources.named import hub_called
from connector.telemetry.metrics import EVENTS, PROCESSES, SUBSCRIBERS, WAITING
from connector.telemetry.shelf import Shelf
from connector.telemetry.tally import Tally

STARTING_S = 60.0
"""For a database that is away while the hub starts."""
_PAPER = "default-src 'none'; style-src 'unsafe-inline'"
"""What a page may do that is printed: have its own style, and nothing else."""


class Application(Starlette):
    """An application that some requests have a short way through, around all that is built of it.

    is_https: others reach it by TLS, whoever ends that before it.
    """

    _first: ASGIApp | None = None
    is_https = False

    def shorten(self, shortcut: Callable[[ASGIApp], ASGIApp]) -> None:
        """Have what comes go this way first. shortcut: makes it, before the application."""
        self._first = shortcut(super().__call__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if self.is_https and scope["type"] == "http":
            scope["scheme"] = "https"
        await (super().__call__ if self._first is None else self._first)(scope, receive, send)


def create_app(
    *,
    engine: Database,
    clock: Clock,
    commands: Commands,
    policy: PolicySource,
    feed: Feed,
    connections: Mapping[str, Connection],
    token: str | None = None,
    keys: Sequence[ApiKey] = (),
    others: Sequence[Admit] = (),
    anonymous: bool = False,
    public_url: str | None = None,
    webhook_received: Callable[[], Awaitable[None]] | None = None,
    documents: Documents | None = None,
    limits: Limits | None = None,
    live: LiveLimits | None = None,
    origins: Sequence[str] = (),
    subgraph: bool = False,
    kept: KeptAnswers | None = None,
    compresses: bool = True,
    fields: FieldRights = EVERY_FIELD,
    measuring: Measuring = MEASURING,
    longest_wait_s: float = LONGEST_WAIT_S,
    rates: Rates | None = None,
    refusals: Refusals | None = None,
    tally: Tally | None = None,
    shelf: Shelf | None = None,
    metrics: Openness = "guarded",
    workflows: Workflows | None = None,
    ready_lag_s: float = READY_LAG_S,
) -> Starlette:
    """The application; it starts and stops the feed with itself.

    token, keys, others: what clients must show, others being kept keys and what an identity provider gave people.
    anonymous: everybody comes in, which belongs on the loopback only. public_url: where others reach the hub, None for
    wherever they do. webhook_received: called after each webhook. documents: what is known beforehand. limits: what an
    operation may ask for. live: what a WebSocket and a stream of events may have. origins: whose pages may ask from a
    browser, beside the hub's own. subgraph: it is part of a graph of Apollo Federation. kept: where answers are kept to
    be given again. compresses: answers, for clients that take that. fields: who reads which.
    measuring: how data quality is measured. longest_wait_s: whoever would wait longer for an answer is refused.
    rates: how much each client may ask, None for any.
    refusals: where those are counted who are not let in.
    tally: what is counted goes there. shelf: what all processes counted, where there are several. metrics: who reads
    that. workflows: how many there are. ready_lag_s: how far the rules may be behind before the hub is not ready.
    """
    own_name = urlsplit(public_url).hostname if public_url else None
    access = Access(token, keys=keys, others=others, is_open=anonymous, hosts=frozenset({own_name} if own_name else ()))
    if refusals is not None:
        access.refused = refusals.not_admitted
    holders = holders_of({key.holder.name: key.holder.roles for key in keys} | {ANYBODY.name: ANYBODY.roles})
    work = Work(engine, {}, clock, FulfilmentOptions())
    approvals, channels = Approvals(work, holders), Channels(work, policy)
    tally = Tally() if tally is None else tally
    webhooks = Webhooks(engine, connections, clock, webhook_received, tally, refusals)
    health = Health(engine, clock, lag_s=ready_lag_s)
    measured = Metrics(shelf or Shelf(tally), engine, clock, access, openness=metrics, workflows=workflows)

    queries = ReadyQueries()
    known = documents or Documents()

    def context(address: str = "", principal: Principal = NOBODY) -> ApiContext:
        return ApiContext(
            engine=engine,
            clock=clock,
            commands=commands,
            policy=policy,
            feed=feed,
            approvals=approvals,
            channels=channels,
            public_url=(public_url or address).rstrip("/"),
            principal=principal,
            ready=queries,
            kept=kept,
            documents=known,
            limits=limits or Limits(),
            fields=fields,
            measuring=measuring,
        )

    async def label(request: Request) -> Response:
        number = request.path_params["id"]
        try:
            if number >= 2**63:  # more than a database counts to
                raise NotKnown(f"there is no document {number}")
            async with reading(engine) as tx:
                document = await read_document(tx, number, fields.sight(request.state.principal))
        except NotKnown as error:
            return error_response(404, error)
        return Response(
            document.content,
            media_type=document.media_type,
            headers={
                "etag": f'"{document.sha256}"',
                "content-disposition": f'inline; filename="{_plain(document.name)}"',
            },
        )

    async def work_of_hub(request: Request) -> Response:
        from connector.fulfilment.worksheet import page, worksheet  # what draws codes is loaded when one is wanted

        name, who = request.path_params["hub"], request.state.principal
        try:
            if not PAPER.isdisjoint(fields.sight(who).hidden):
                raise Forbidden(f"{who.name!r} may not print work: paper shows fields that its roles do not read")
            async with reading(engine) as tx:
                found = await worksheet(tx, await hub_called(tx, name), clock.now())
            if who.regions is not None and found.hub.region not in who.regions:
                raise NotKnown(f"there is no hub {name!r}")
        except NotKnown as error:
            return error_response(404, error)
        except Forbidden as error:
            return error_response(403, error)
        except InvalidInput as error:
            return error_response(400, error)
        return HTMLResponse(page(found), headers={"content-security-policy": _PAPER, "cache-control": "no-store"})

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await until_there(feed.start, patience_s=STARTING_S)
        try:
            yield
        finally:
            await streams.stop()
            await endpoint.finish()
            await feed.stop()

    lasting = live or LiveLimits()
    schema = build_schema(subgraph=subgraph)
    streams = Streams(schema, feed, context, lasting)
    rates = rates or Rates(RateLimits())
    endpoint = Endpoint(schema, access, context, streams, lasting, origins, compresses=compresses, rates=rates)
    app = Application(
        routes=[
            Route(
                "/graphql", endpoint, middleware=[*_cross_origin(origins), Middleware(BodyLimit, limit=LARGEST_REQUEST)]
            ),
            Route("/", _to_graphiql),
            Route("/healthz", health.alive),
            Route("/readyz", health.ready),
            Route("/metrics", measured.show),
            Route("/static/{name}", _static),
            WebSocketRoute("/graphql", endpoint),
            Route("/labels/{id:int}", label, middleware=[Middleware(Guarded, access=access)]),
            Route("/worksheets/{hub}", work_of_hub, middleware=[Middleware(Guarded, access=access)]),
            Route(
                "/webhooks/{source}",
                webhooks.post,
                methods=["POST"],
                middleware=[Middleware(BodyLimit, limit=LARGEST_WEBHOOK)],
            ),
            Route("/webhooks/{source}", webhooks.show, methods=["GET"]),
        ],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={Unavailable: _unavailable},
        lifespan=lifespan,
    )
    shortcut = partial(
        Shortcut,
        access=access,
        context=context,
        address=endpoint.address,
        encoder=endpoint.encoder,
        origins=bool(origins),
    )

    def around(rest: ASGIApp) -> ASGIApp:
        admission = Admission(shortcut(rest), longest_wait_s=longest_wait_s, tally=tally)
        tally.ask(WAITING, lambda: admission.waiting)
        return Counting(RateLimiting(admission, rates, access, connections.keys()), tally)

    app.shorten(around)
    app.is_https = (public_url or "").startswith("https://")
    tally.ask(SUBSCRIBERS, lambda: streams.subscribers)
    tally.ask(EVENTS, lambda: streams.turn.sent)
    tally.ask(PROCESSES, lambda: 1.0)
    app.state.streams, app.state.access, app.state.health = streams, access, health
    return app


def _cross_origin(origins: Sequence[str]) -> list[Middleware]:
    """What tells browsers that pages of these origins may ask. They show a token: no cookie is ever looked at."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "POST"),
            allow_headers=("authorization", "content-type", "if-none-match", *PREFLIGHT_HEADERS),
            expose_headers=("etag", "ratelimit", "ratelimit-policy", "retry-after"),
        )
    ]


async def _unavailable(_request: Request, error: Exception) -> Response:
    said = error if isinstance(error, Unavailable) else Unavailable(str(error))
    return error_response(UNAVAILABLE, said, TRY_AGAIN_LATER)


async def _to_graphiql(_request: Request) -> Response:
    return RedirectResponse("/graphql")


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in SERVED:
        return error_response(404, NotKnown(f"there is no file {name!r}"))
    return FileResponse(HERE / name, media_type=SERVED[name], headers={"cache-control": "no-cache"})


def _plain(name: str) -> str:
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_.") else "_" for sign in name)
