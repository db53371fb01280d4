"""EasyPost's error bodies, as the class that says what happens next. Pure.

`{"error": {"code", "message", "errors"}}`; `errors` are `{"field", "message"}` or plain texts, and `message`, by the
vendor's own clients, is now and then a list or an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector.sdk import AdapterError, ConfigError, Conflict, Invalid, OutcomeUnknown, Transient
from connector.sdk.answers import refusal, said

IN_FLIGHT = "in-flight"
"""What EasyPost says of a tracker that another request is just making."""
CLASSES: dict[str, type[AdapterError]] = {
    "SHIPMENT.POSTAGE.EXISTS": Conflict,
    "SHIPMENT.REFUND.UNAVAILABLE": Conflict,
    "SHIPMENT.REFUND.FAILURE": Conflict,
    "REFUND.FAILURE": Conflict,
    "PICKUP.STATUS.INVALID": Conflict,
    "PICKUP.CANCEL.FAILED": Conflict,
    "SHIPMENT.PURCHASE.IN_PROGRESS": OutcomeUnknown,
    "SHIPMENT.POSTAGE.NO_RESPONSE": OutcomeUnknown,
    "SHIPMENT.POSTAGE.TIMED_OUT": OutcomeUnknown,
    "REFUND.NO_RESPONSE": OutcomeUnknown,
    "CARRIER_ACCOUNT.INVALID": ConfigError,
    "SHIPMENT.RATE.CARRIER_ACCOUNT_INVALID": ConfigError,
    "TRACKER.NO_CARRIER_ACCOUNT": ConfigError,
    "MODE.UNAUTHORIZED": ConfigError,
}
"""Refusals that are no mistake of the request. `NO_RESPONSE`: EasyPost itself lost the courier's answer."""


def refused(error: Invalid) -> AdapterError:
    """The same refusal, as the class that its code calls for, or with its fields."""
    body = said(error).get("error")
    if not isinstance(body, dict):
        return error
    code = str(body.get("code") or "")
    named = refusal(error, "EasyPost", _reasons(body, code))
    kind = CLASSES.get(code)
    if code == "TRACKER.CREATE.ERROR" and IN_FLIGHT in named.message:
        kind = Transient
    if kind is None:
        return named
    return kind(named.message, operation=error.operation, ref=error.ref, detail=error.detail)


def _reasons(body: dict[str, Any], code: str) -> dict[str, str]:
    """Field -> reason; where EasyPost names no field, its code stands for one."""
    message = ", ".join(_texts(body.get("message"))) or "no reason given"
    found: dict[str, str] = {}
    errors = body.get("errors")
    for each in errors if isinstance(errors, list) else ():
        if isinstance(each, dict) and each.get("field"):
            found[str(each["field"])] = ", ".join(_texts(each.get("message"))) or message
        elif not isinstance(each, dict):
            message = f"{message} {each}"
    return found or {code or "request": message}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
    elif value is not None:
        yield str(value)
