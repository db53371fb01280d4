"""What FedEx refuses: `{"errors": [{"code", "message"}]}`, and the same in parts of an answer. Pure."""

from __future__ import annotations

from connector.sdk import AdapterError, Invalid, Transient
from connector.sdk.answers import refusal, said

NOT_FOUND = ".NOTFOUND"
"""End of the codes by which tracking says that it knows no parcel of a number or reference."""
NOT_NOW = frozenset({"INTERNAL.SERVER.ERROR", "SERVICE.UNAVAILABLE.ERROR", "SYSTEM.UNEXPECTED.ERROR"})


def is_not_found(codes: object) -> bool:
    """Whether all codes say that nothing is known."""
    told = list(codes) if isinstance(codes, dict | list | tuple) else []
    return bool(told) and all(str(code).endswith(NOT_FOUND) for code in told)


def reasons(error: AdapterError) -> dict[str, str]:
    """Codes of a refusal with what FedEx says of each."""
    errors = said(error).get("errors")
    found: dict[str, str] = {}
    for each in errors if isinstance(errors, list) else ():
        if isinstance(each, dict) and each.get("code"):
            found[str(each["code"])] = str(each.get("message") or "no reason given")[:300]
    return found


def refused(error: Invalid) -> AdapterError:
    """The same refusal with its codes. FedEx names no field, its codes stand for them."""
    told = reasons(error)
    named = refusal(error, "FedEx", told)
    if NOT_NOW & set(told):
        return Transient(named.message, operation=error.operation, ref=error.ref, detail=error.detail)
    return named
