"""What answers of ServiceNow mean beyond their status.

With status 200 come results, but also: the page of an instance that hibernates, and results that end in an error
because the transaction was cancelled. A 403 is a missing right, or a rule that refuses the change. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx

from connector.sdk import (
    AdapterError,
    AuthError,
    ConfigError,
    Invalid,
    NotFound,
    OutcomeUnknown,
    SourceClient,
    SourceRef,
    Transient,
    UnexpectedResponse,
)
from connector.sdk.answers import said

CANCELLED = ("transaction cancelled", "maximum execution time exceeded")
NO_RIGHT = ("acl", "security constraint", "insufficient rights", "not authorized", "unauthorized")
NO_RESOURCE = "does not represent any resource"
"""Of an address, in a 404."""


def result_of(
    http: SourceClient, response: httpx.Response, *, operation: str, reads: bool, ref: SourceRef | None = None
) -> Any:
    """The `result` of an answer.

    Raises Transient for an instance that sleeps or a cancelled read, OutcomeUnknown for a cancelled write, Invalid and
    NotFound for what an error within a 200 says, UnexpectedResponse for anything else.
    """
    if "html" in response.headers.get("content-type", "") and "hibernat" in response.text.casefold():
        raise Transient(
            f"{operation}: the instance is hibernating, and answers with a page that says so",
            operation=operation,
            ref=ref,
            hint="Sign in at developer.servicenow.com, which wakes it; nothing else has to be done.",
        )
    try:
        body = http.json(response, operation=operation)
    except UnexpectedResponse as error:
        if _is_cancelled(response.text):  # the error was written behind rows that had been sent already
            raise _cancelled(operation, ref, reads=reads, detail=error.detail) from None
        raise
    if isinstance(body, dict) and "error" in body:
        raise _within(http, body, operation, ref, reads=reads)
    if not isinstance(body, dict) or "result" not in body:
        raise UnexpectedResponse(
            f"the answer to {operation} has no `result`",
            operation=operation,
            ref=ref,
            hint="Check that base_url is the address of a ServiceNow instance.",
        )
    return body["result"]


def read_refused(error: AdapterError, table: str) -> AdapterError:
    """A refusal to read a table: what is wrong with the settings, where it is that."""
    reason = _words(error)
    if isinstance(error, Invalid) or (isinstance(error, NotFound) and NO_RESOURCE in reason.casefold()):
        return ConfigError(
            f"{error.operation}: ServiceNow refuses to read table {table!r}: {reason or 'no reason given'}",
            operation=error.operation,
            ref=error.ref,
            detail=error.detail,
            hint="Check the table and the conditions in the source's settings, and base_url.",
        )
    return error


def write_refused(error: AdapterError, columns: Iterable[str]) -> AdapterError:
    """A refusal to write: by a rule, which names what it is about as people call it, or for want of a right."""
    reason = _words(error)
    lowered = reason.casefold()
    is_rule = isinstance(error, AuthError) and " 403" in error.message and reason and not _speaks_of(lowered, NO_RIGHT)
    if not isinstance(error, Invalid) and not is_rule:
        return error
    sent = list(columns)
    named = [column for column in sent if column in lowered or column.replace("_", " ") in lowered]
    return Invalid(
        f"{error.operation}: ServiceNow refuses: {reason or 'no reason given'}",
        fields=dict.fromkeys(named or sent, reason or "refused"),
        operation=error.operation,
        ref=error.ref,
        detail=error.detail,
    )


def _within(
    http: SourceClient, body: dict[str, Any], operation: str, ref: SourceRef | None, *, reads: bool
) -> AdapterError:
    detail = http.redact(json.dumps(body.get("error")))
    if _is_cancelled(detail):
        return _cancelled(operation, ref, reads=reads, detail=detail)
    summary = f"{operation}: ServiceNow answers 200 with an error: {detail[:300]}"
    if "no record found" in detail.casefold():
        return NotFound(summary, operation=operation, ref=ref, detail=detail)
    return UnexpectedResponse(summary, operation=operation, ref=ref, detail=detail)


def _cancelled(operation: str, ref: SourceRef | None, *, reads: bool, detail: str) -> AdapterError:
    kind = Transient if reads else OutcomeUnknown
    return kind(
        f"{operation}: ServiceNow cancelled the transaction, it took too long",
        operation=operation,
        ref=ref,
        detail=detail,
        hint="Lower page_size, or have the quota rule for REST requests allow more time." if reads else "",
    )


def _is_cancelled(text: str) -> bool:
    return _speaks_of(text.casefold(), CANCELLED)


def _speaks_of(text: str, words: Iterable[str]) -> bool:
    return any(word in text for word in words)


def _words(error: AdapterError) -> str:
    """What ServiceNow gives as a reason: {"error": {"message", "detail"}}, or some text."""
    told = said(error).get("error", error.detail)
    if isinstance(told, dict):
        return ": ".join(str(told[name]) for name in ("message", "detail") if told.get(name))[:500]
    return str(told or "").strip()[:500]
