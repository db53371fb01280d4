"""In what condition a pull leaves its source: when it is asked again, and what users are shown meanwhile."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.model.kinds import SourceState
from connector.sdk.connection import Connection
from connector.sdk.errors import AdapterError, AuthError, ConfigError, RateLimited
from connector.storage.database.engine import Transaction
from connector.storage.sources.sources import set_condition

log = logging.getLogger("connector.ingest")

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
DEFECTS = 3
"""An adapter that fails by a defect of its own so often in a row is left alone until the hub starts again."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Of a source. failures: in a row. until: before then it is not asked, unless somebody wants it to be."""

    state: SourceState
    error: str | None
    failures: int = 0
    until: datetime | None = None

    async def record(self, tx: Transaction, source_id: int, *, at: datetime) -> None:
        """Have users see it."""
        await set_condition(
            tx, source_id, state=self.state, at=at, error=self.error, failures=self.failures, not_before=self.until
        )


def after_failure(
    connection: Connection, error: BaseException, failures: int, *, where: str, at: datetime
) -> Condition:
    """The condition after a failure of the source or its adapter; what happens next is decided by its class alone.

    failures: before this one. where: the stream. at: now.
    """
    match error:
        case ConfigError():
            state, count, pause = SourceState.DISABLED, failures + 1, None
        case AuthError():
            state, count, pause = SourceState.PAUSED, failures + 1, None
        case RateLimited():
            state, count = SourceState.BACKING_OFF, failures
            pause = error.retry_after or backoff(failures + 1)
        case AdapterError():
            state, count = SourceState.BACKING_OFF, failures + 1
            pause = backoff(count)
        case _:
            count = failures + 1
            state = SourceState.DISABLED if count >= DEFECTS else SourceState.BACKING_OFF
            pause = None if state is SourceState.DISABLED else backoff(count)
    name, redact = connection.name, connection.http.redact
    if isinstance(error, AdapterError):
        message = redact(f"{where}: {error}")
        log.warning("source %s failed: %s %s", name, message, redact(error.detail))
    else:
        message = redact(
            f"{where}: the adapter {connection.adapter_name!r} failed with {type(error).__name__}: {error}. "
            "That is a defect of the adapter; report it to whoever maintains it."
        )
        log.error("source %s: defect of its adapter", name, exc_info=error)
    return Condition(state, message, count, None if pause is None else at + pause)


def backoff(failures: int) -> timedelta:
    """How long a source is left alone after so many failures in a row: doubling, up to an hour, with jitter."""
    ceiling: timedelta = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
    seconds = ceiling.total_seconds() * random.uniform(0.75, 1.0)  # noqa: S311 - spreads load, protects nothing
    return timedelta(seconds=seconds)
