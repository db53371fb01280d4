"""Whether the hub lives, and whether it should be asked: for load balancers and whoever starts and stops it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector.api.access import error_response
from connector.model.errors import Unavailable
from connector.sdk.adapter import Clock
from connector.storage.database.engine import Database, reading
from connector.storage.database.lag import Lag, reader_lags
from connector.storage.database.readiness import check_ready

READY_LAG_S: Final = 300.0
"""How far the rules may be behind when nothing else is configured."""
NEEDED: Final = "rules"
"""The reader without which nothing is sourced. Whom others are behind, asking another process does not help."""


class Health:
    """What is told of a process. lag_s: how far the rules may be behind the change log. is_draining: set from when on
    it should be asked nothing new.
    """

    def __init__(self, database: Database, clock: Clock, *, lag_s: float = READY_LAG_S) -> None:
        self._database = database
        self._clock = clock
        self._lag_s = lag_s
        self.is_draining = False

    async def alive(self, _request: Request) -> Response:
        """The process answers."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """200 when it should be asked, else 503 with what is amiss."""
        told: dict[str, Any] = {"database": False, "schema": None, "readers": {}, "draining": self.is_draining}
        try:
            told["schema"] = await check_ready(self._database)
            told["database"] = True
            async with reading(self._database) as tx:
                lags = await reader_lags(tx, at=self._clock.now())
            told["readers"] = {name: round(lag.seconds, 3) for name, lag in sorted(lags.items())}
            self._require(lags)
        except Unavailable as error:
            return error_response(503, error, **told)
        return JSONResponse({"status": "ready", **told})

    def _require(self, lags: Mapping[str, Lag]) -> None:
        if self.is_draining:
            raise Unavailable("the hub is about to stop", hint="Ask another process.")
        behind = lags.get(NEEDED)
        if behind is not None and behind.seconds > self._lag_s:
            raise Unavailable(
                f"the rules are {behind.seconds:.0f} s behind the change log, more than {self._lag_s:g} s",
                hint="The log says what they wait for; telemetry.ready_lag_seconds is the limit.",
            )
