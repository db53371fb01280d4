"""How an attempt at a step ended, and what follows from it: decided by the class of the error alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

from connector.model.errors import ConnectorError, Unavailable
from connector.sdk import (
    AdapterError,
    AuthError,
    ConfigError,
    Conflict,
    Invalid,
    NotFound,
    NotOffered,
    OutcomeUnknown,
    RateLimited,
    Transient,
)


class Stopped(Exception):  # noqa: N818 - it is an order, not an error
    """The fulfilment was ordered to stop; what was done so far is undone by another workflow."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt at a step ended.

    done: with its receipt. stopped: an order to stop came first, nothing was begun. retry: try again after a pause;
    wait_seconds: what the other side asks for, or takes to tell what became of it; is_unexpected: nobody foresaw this,
    so not for ever. failed: trying again is of no use.
    """

    status: Literal["done", "stopped", "retry", "failed"]
    reason: str = ""
    wait_seconds: float | None = None
    is_unexpected: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a workflow remembers it."""
        return asdict(self)


DONE = Attempt("done")
STOPPED = Attempt("stopped")


def attempt_of(error: Exception) -> Attempt:
    """What follows from an error that an attempt ended with."""
    match error:
        case Stopped():
            return STOPPED
        case RateLimited():
            return Attempt("retry", told(error), wait_seconds=_seconds(error.retry_after))
        case OutcomeUnknown():
            return Attempt("retry", told(error), wait_seconds=_seconds(error.known_after))
        case Transient() | AuthError() | ConfigError() | Unavailable():
            return Attempt("retry", told(error))
        case NotFound() | Invalid() | NotOffered():
            return Attempt("failed", _with_fields(error))
        case Conflict() | AdapterError():
            return Attempt("retry", told(error), is_unexpected=True)
        case ConnectorError():
            return Attempt("failed", told(error))
        case _:
            return Attempt("retry", f"{type(error).__name__}: {error}", is_unexpected=True)


def pause_after(attempt: Attempt, backoff_wait: timedelta) -> timedelta:
    """How long to wait: the backoff, or longer when the other side asked for it."""
    return max(backoff_wait, timedelta(seconds=attempt.wait_seconds or 0))


def _seconds(duration: timedelta | None) -> float | None:
    return duration.total_seconds() if duration is not None else None


def told(error: ConnectorError) -> str:
    """The error as a sentence for people, and what to do next as another."""
    sentences = (error.message, error.hint)
    return " ".join(f"{text.rstrip('.')}." for text in sentences if text)


def _with_fields(error: AdapterError) -> str:
    named = error.fields if isinstance(error, Invalid) else {}
    listed = "; ".join(f"{name}: {reason}" for name, reason in named.items())
    return f"{told(error)} ({listed})" if listed else told(error)
