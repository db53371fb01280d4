"""What a process answers that works and serves nobody: whether it is there and ready, and what it counted."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from connector.api.guard import SecurityHeaders
from connector.api.health import Health
from connector.api.metrics import Metrics
from connector.telemetry.metrics import PROCESSES
from connector.telemetry.tally import Tally


def worker_app(health: Health, measured: Metrics, tally: Tally) -> Starlette:
    """The application of such a process. tally: it counts itself there."""
    app = Starlette(
        routes=[
            Route("/healthz", health.alive),
            Route("/readyz", health.ready),
            Route("/metrics", measured.show),
        ],
        middleware=[Middleware(SecurityHeaders)],
    )
    tally.ask(PROCESSES, lambda: 1.0)
    app.state.health = health
    return app
