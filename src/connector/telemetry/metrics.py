"""Every metric that the hub tells of: its name, what it means, and by what it is told apart.

A label has few values: routes, codes, names of configured sources, words of the product. Never ids, addresses, people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds up to which times are told apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """kind: `counter` only grows, `gauge` is as it is now, `histogram` tells of times, in seconds.

    per: whether each process counts it for itself, or all tell the same of the database.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    per: Literal["process", "hub"] = "process"


HTTP_REQUESTS: Final = Metric(
    "connector_http_requests_total", "counter", "HTTP requests that were answered.", ("route", "code")
)
HTTP_SECONDS: Final = Metric(
    "connector_http_request_seconds",
    "histogram",
    "From the arrival of an HTTP request until its answer begins.",
    ("route",),
)
REFUSED: Final = Metric(
    "connector_refused_requests_total",
    "counter",
    "Requests that were refused: `overload` (503), or a client that asks too often, `rate` (429).",
    ("route", "reason"),
)
WAITING: Final = Metric("connector_waiting_requests", "gauge", "Requests that wait for the beginning of their answer.")
SUBSCRIBERS: Final = Metric("connector_subscribers", "gauge", "Subscriptions that are being followed.")
EVENTS: Final = Metric("connector_events_sent_total", "counter", "Events that were sent to subscribers.")
ADAPTER_CALLS: Final = Metric(
    "connector_adapter_calls_total",
    "counter",
    "Calls of external systems, each with all its tries.",
    ("source", "operation", "outcome"),
)
ADAPTER_SECONDS: Final = Metric(
    "connector_adapter_call_seconds", "histogram", "How long such calls took, waiting and tries included.", ("source",)
)
PULLS: Final = Metric("connector_pulls_total", "counter", "Pulls of sources that are over.", ("source", "outcome"))
WEBHOOKS: Final = Metric(
    "connector_webhooks_total", "counter", "Webhooks that came, and what was said to them.", ("source", "outcome")
)
DECISIONS: Final = Metric("connector_decisions_total", "counter", "Decisions about tickets.", ("outcome",))
WORKFLOWS_ENDED: Final = Metric(
    "connector_workflows_ended_total", "counter", "Workflows that came to their end.", ("workflow", "outcome")
)
WORKFLOWS: Final = Metric(
    "connector_workflows", "gauge", "Workflows that are not over, and those that failed.", ("state",), "hub"
)
WEBHOOKS_WAITING: Final = Metric(
    "connector_webhooks_waiting", "gauge", "Webhooks that were taken in and not dealt with yet.", ("source",), "hub"
)
OLDEST_WEBHOOK: Final = Metric(
    "connector_webhooks_oldest_seconds", "gauge", "How long the oldest of them has been waiting.", ("source",), "hub"
)
DEAD_LETTERS: Final = Metric(
    "connector_dead_letters", "gauge", "Records and webhooks in quarantine that nobody has seen to.", ("source",), "hub"
)
READER_LAG: Final = Metric(
    "connector_reader_lag_seconds",
    "gauge",
    "Age of the oldest change that a reader of the change log has not dealt with.",
    ("reader",),
    "hub",
)
READER_BEHIND: Final = Metric(
    "connector_reader_behind_changes", "gauge", "Changes that a reader has not dealt with.", ("reader",), "hub"
)
SOURCE_UP: Final = Metric(
    "connector_source_up", "gauge", "1 while a source answers, 0 while it fails or is stopped.", ("source",), "hub"
)
LAST_SUCCESS: Final = Metric(
    "connector_source_last_success_timestamp_seconds",
    "gauge",
    "When a source was last read with success, in seconds since 1970.",
    ("source",),
    "hub",
)
PROCESSES: Final = Metric("connector_processes", "gauge", "Processes that serve behind the address that was asked.")
BUILD: Final = Metric("connector_build_info", "gauge", "Always 1, of the version that answers.", ("version",), "hub")
DATABASE_UP: Final = Metric(
    "connector_database_up",
    "gauge",
    "1 when the database could be asked, 0 when what it would tell is missing.",
    (),
    "hub",
)

ALL: Final = (
    HTTP_REQUESTS, HTTP_SECONDS, REFUSED, WAITING, SUBSCRIBERS, EVENTS, ADAPTER_CALLS, ADAPTER_SECONDS, PULLS, WEBHOOKS,
    DECISIONS, WORKFLOWS_ENDED, WORKFLOWS, WEBHOOKS_WAITING, OLDEST_WEBHOOK, DEAD_LETTERS, READER_LAG, READER_BEHIND,
    SOURCE_UP, LAST_SUCCESS, DATABASE_UP, PROCESSES, BUILD,
)  # fmt: skip
