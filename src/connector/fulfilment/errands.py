"""How the result of an errand, or its refusal, travels from the process that did it to the one that waits for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from connector.model.errors import ConnectorError
from connector.sdk.errors import AdapterError
from connector.storage.database.outages import DatabaseAway

REFUSED = "refused"
DONE = "done"


class RefusedElsewhereError(ConnectorError):
    """Another process refused it, with this code."""

    def __init__(self, message: str, *, hint: str, code: str) -> None:
        super().__init__(message, hint=hint)
        self.code = code  # type: ignore[misc] # of this refusal, not of the class


class FailedElsewhereError(AdapterError):
    """Another process found that an external system failed, with this code."""

    def __init__(self, message: str, *, hint: str, code: str) -> None:
        super().__init__(message, hint=hint)
        self.code = code  # type: ignore[misc] # of this failure, not of the class


async def answered(
    do: Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]], argument: Mapping[str, Any]
) -> dict[str, Any]:
    """What an errand came to: its result, or why it is refused."""
    try:
        return {DONE: await do(argument)}
    except DatabaseAway:  # it is done once the database is back
        raise
    except ConnectorError as error:
        is_outside = isinstance(error, AdapterError)
        return {REFUSED: {"message": error.message, "hint": error.hint, "code": error.code}, "is_outside": is_outside}


def result_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The result. Raises RefusedElsewhereError, and FailedElsewhereError."""
    if DONE in answer:
        done: dict[str, Any] = answer[DONE]
        return done
    raise (FailedElsewhereError if answer["is_outside"] else RefusedElsewhereError)(**answer[REFUSED])
