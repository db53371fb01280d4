"""What GLPI says when it refuses: v1 `["ERROR_CODE", "reason in the user's language"]`, v2 `{"status": "ERROR_CODE",
"title", "detail", "additional_messages"}`. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from connector.sdk import AdapterError, AuthError, ConfigError, Invalid, NotFound, OutcomeUnknown
from connector.sdk.answers import said

NO_RIGHT = "ERROR_RIGHT_MISSING"
NO_ACCESS = frozenset(
    {
        "ERROR_SESSION_TOKEN_INVALID", "ERROR_SESSION_TOKEN_MISSING", "ERROR_WRONG_APP_TOKEN_PARAMETER",
        "ERROR_APP_TOKEN_PARAMETERS_MISSING", "ERROR_NOT_ALLOWED_IP", "ERROR_LOGIN_PARAMETERS_MISSING",
        "ERROR_LOGIN_WITH_CREDENTIALS_DISABLED", "ERROR_GLPI_LOGIN", "ERROR_GLPI_LOGIN_USER_TOKEN",
    }
)  # fmt: skip
"""Said with 400 as well as 401."""
UNKNOWN_TYPE = "ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM"
BEYOND = "ERROR_RANGE_EXCEED_TOTAL"


def code_of(error: AdapterError) -> str:
    """GLPI's code; "" where the answer has none."""
    return _told(error)[0]


def reason_of(error: AdapterError) -> str:
    """GLPI's words."""
    return _told(error)[1]


def _told(error: AdapterError) -> tuple[str, str]:
    try:
        body = json.loads(error.detail)
    except (ValueError, RecursionError):
        return "", ""
    if isinstance(body, list) and len(body) == 2 and isinstance(body[0], str):
        return body[0], str(body[1])[:500]
    if isinstance(body, dict) and isinstance(body.get("status"), str):
        told = body.get("additional_messages")
        messages = [str(each.get("message")) for each in told if isinstance(each, dict)] if told else []
        detail = body.get("detail") if isinstance(body.get("detail"), str) else None
        return body["status"], ": ".join(filter(None, [str(body.get("title")), detail, "; ".join(messages)]))[:500]
    return "", ""


def asks_for_session(error: AuthError) -> bool:
    """Whether a new session may help: not where the user has no right, or the application token is wrong."""
    return code_of(error) in ("", "ERROR_SESSION_TOKEN_INVALID", "ERROR_SESSION_TOKEN_MISSING")


def as_access(error: Invalid) -> AdapterError:
    """A 400 that is about who asks, or about the API itself, as what it is; else the same error."""
    code, reason = _told(error)
    if code in NO_ACCESS:
        return AuthError(
            f"{error.operation}: GLPI answers {code}: {reason}", operation=error.operation, ref=error.ref,
            detail=error.detail, hint="Check app_token and the API client's range of addresses in GLPI.",
        )  # fmt: skip
    if code == UNKNOWN_TYPE or (code == "ERROR" and "API disabled" in reason):
        return ConfigError(
            f"{error.operation}: GLPI answers {code}: {reason}", operation=error.operation, ref=error.ref,
            detail=error.detail, hint="Enable the API in Setup > General > API, and check base_url and device_types.",
        )  # fmt: skip
    return error


@contextmanager
def told() -> Iterator[None]:
    """Requests within it fail as what GLPI means."""
    try:
        yield
    except Invalid as error:
        raise as_access(error) from None


@contextmanager
def login_refused(operation: str, hint: str) -> Iterator[None]:
    """Opening a session: whatever is refused, nobody is let in."""
    try:
        with told():
            yield
    except (Invalid, AuthError) as error:
        raise AuthError(
            f"{operation}: GLPI lets nobody in: {code_of(error)} {reason_of(error)}".rstrip(),
            operation=operation, detail=error.detail, hint=hint,
        ) from None  # fmt: skip


def hidden(error: AuthError) -> AdapterError:
    """A missing right on one item, which is to the hub as if it were not there; else the same error."""
    if code_of(error) != NO_RIGHT:
        return error
    return NotFound(
        f"{error.operation}: GLPI hides it from the hub's user: {reason_of(error)}", operation=error.operation,
        ref=error.ref, detail=error.detail,
    )  # fmt: skip


def did_nothing(error: OutcomeUnknown) -> bool:
    """Whether v2 says with its 500 that GLPI's own code refused, so that nothing was done."""
    code, reason = _told(error)
    return code == "ERROR" and reason.startswith("Failed to ")


def refused(error: AdapterError, columns: Iterable[str]) -> Invalid:
    """A change that is refused, with GLPI's words. Where they name no column, all that were sent may be meant."""
    reason = reason_of(error) or "no reason given"
    detail = said(error).get("detail")
    named = list(map(str, detail)) if isinstance(detail, dict) else list(columns)
    return Invalid(
        f"GLPI refuses to {error.operation}: {reason}", operation=error.operation, ref=error.ref, detail=error.detail,
        fields=dict.fromkeys(named, reason),
        hint="Look at the ticket's template, the rights of the hub's user, and unicity rules.",
    )  # fmt: skip
