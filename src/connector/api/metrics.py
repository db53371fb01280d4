"""What was counted, as Prometheus and OpenMetrics have it, for those who may read it.

What a process counts is summed over all processes behind the address. What the database knows is asked for at most
every few seconds, however often somebody scrapes, and told by whoever is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from ipaddress import ip_address
from itertools import accumulate
from time import monotonic
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from connector import __version__
from connector.api.access import LOOPBACK, NOT_ADMITTED, Access, error_response, refuse
from connector.model.errors import NotKnown, Unavailable
from connector.sdk.adapter import Clock
from connector.storage.database.engine import Database, reading
from connector.storage.database.lag import reader_lags
from connector.storage.sources.standing import sources_standing
from connector.telemetry import metrics
from connector.telemetry.metrics import BUCKETS, Metric
from connector.telemetry.shelf import Shelf
from connector.telemetry.tally import Counted, Counts

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

Openness: TypeAlias = Literal["guarded", "open", "off"]
Workflows: TypeAlias = Callable[[], Awaitable[Mapping[str, int]]]
"""How many workflows there are in each state that is no good end."""

KEPT_S: Final = 5.0
"""How long what the database knows is told again."""
_FORWARDED: Final = ("forwarded", "x-forwarded-for")
"""Who has these came by a proxy on this machine, from wherever."""


class Metrics:
    """The endpoint. openness: who may read it. workflows: None where the hub has none."""

    def __init__(
        self,
        shelf: Shelf,
        database: Database,
        clock: Clock,
        access: Access,
        *,
        openness: Openness = "guarded",
        workflows: Workflows | None = None,
    ) -> None:
        self._shelf = shelf
        self._access = access
        self._openness = openness
        self._known = _Known(database, clock, workflows)

    async def show(self, request: Request) -> Response:
        """All metrics; 404 where nobody reads them, 401 for whoever may not."""
        if self._openness == "off":
            return error_response(404, NotKnown("metrics are switched off: telemetry.metrics"))
        if self._openness == "guarded" and not _is_from_here(request):
            try:
                await self._access.check(request.headers.get("authorization"))
            except NOT_ADMITTED as error:
                return refuse(error)
        counted = self._shelf.together()
        counted.levels.update(await self._known.levels())
        from prometheus_client.exposition import choose_encoder  # which takes as long to import as half of a start

        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(_Collected(counted)), headers={"content-type": content_type})


class _Known:
    """What the database knows, as it was a few seconds ago."""

    def __init__(self, database: Database, clock: Clock, workflows: Workflows | None) -> None:
        self._database = database
        self._clock = clock
        self._workflows = workflows
        self._asking = asyncio.Lock()
        self._asked_at = -KEPT_S
        self._levels: dict[str, Counts] = {}

    async def levels(self) -> dict[str, Counts]:
        async with self._asking:
            if monotonic() - self._asked_at >= KEPT_S:
                self._levels = await self._ask()
                self._asked_at = monotonic()
        return self._levels

    async def _ask(self) -> dict[str, Counts]:
        build: dict[str, Counts] = {metrics.BUILD.name: {(__version__,): 1.0}}
        now = self._clock.now()
        try:
            async with reading(self._database) as tx:
                lags = await reader_lags(tx, at=now)
                sources = await sources_standing(tx)
            workflows = {} if self._workflows is None else await self._workflows()
        except Unavailable:
            return build | {metrics.DATABASE_UP.name: {(): 0.0}}
        return build | {
            metrics.DATABASE_UP.name: {(): 1.0},
            metrics.READER_LAG.name: {(name,): lag.seconds for name, lag in lags.items()},
            metrics.READER_BEHIND.name: {(name,): float(lag.changes) for name, lag in lags.items()},
            metrics.WORKFLOWS.name: {(state,): float(count) for state, count in workflows.items()},
            metrics.WEBHOOKS_WAITING.name: {(name,): float(item.waiting) for name, item in sources.items()},
            metrics.OLDEST_WEBHOOK.name: {
                (name,): 0.0 if item.oldest_at is None else max((now - item.oldest_at).total_seconds(), 0.0)
                for name, item in sources.items()
            },
            metrics.DEAD_LETTERS.name: {(name,): float(item.dead_letters) for name, item in sources.items()},
            metrics.SOURCE_UP.name: {(name,): float(item.is_up) for name, item in sources.items()},
            metrics.LAST_SUCCESS.name: {
                (name,): item.last_success_at.timestamp() for name, item in sources.items() if item.last_success_at
            },
        }


class _Collected:
    """Counts as a registry of prometheus-client hands them out."""

    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    def collect(self) -> Iterator[Family]:
        for metric in metrics.ALL:
            yield _family(metric, self._counted)


def _family(metric: Metric, counted: Counted) -> Family:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    nothing: Counts = {} if metric.labels or metric.per == "hub" else {(): 0.0}
    match metric.kind:
        case "counter":
            counter = CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for labels, number in counted.counts.get(metric.name, nothing).items():
                counter.add_metric(labels, number)
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for labels, number in counted.levels.get(metric.name, nothing).items():
                gauge.add_metric(labels, number)
            return gauge
        case "histogram":
            histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            ends = [*(f"{bucket:g}" for bucket in BUCKETS), "+Inf"]
            for labels, spread in counted.spreads.get(metric.name, {}).items():
                sums = accumulate(spread.buckets)
                histogram.add_metric(labels, list(zip(ends, map(float, sums), strict=True)), spread.total_s)
            return histogram


def _is_from_here(request: Request) -> bool:
    """Whether somebody on this machine asks, and not a proxy on it for somebody elsewhere, nor a page that has its own
    name resolve to this machine.
    """
    headers = request.headers
    host = headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if request.client is None or name.lower() not in LOOPBACK or any(proxy in headers for proxy in _FORWARDED):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
