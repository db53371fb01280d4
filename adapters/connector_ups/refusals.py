"""What UPS refuses: `{"response": {"errors": [{"code", "message"}]}}`. Pure."""

from __future__ import annotations

from connector.sdk import AdapterError, Conflict, Invalid, NotFound, Transient
from connector.sdk.answers import refusal, said

ALREADY_VOID = "190117"
NO_SERVICE = "111210"
"""No service leads from there to there."""
NO_LABEL = "300007"
"""No shipment of that reference or number is known, or not yet."""
LABEL_VOID = "300033"
SEVERAL_LABELS = frozenset({"300001", "300035"})
TEST_NUMBERS_ONLY = "VSS215"
NO_PICKUP = frozenset({"190107", "9510118"})
CLASSES: dict[str, type[AdapterError]] = {
    **dict.fromkeys(("10004", "20001", "190001", "300000", "VSS100"), Transient),
    **dict.fromkeys(("190100", "190109", "190110", "190122"), NotFound),
    **dict.fromkeys(
        (
            "190101", "190102", "190103", "190104", "190105", "190106", "190108", "190112", "190113", "190114",
            "190115", "190118", "190121", "190124",
        ),
        Conflict,
    ),
}  # fmt: skip
"""Refusals that are no mistake of the request, by their codes."""


def codes(error: AdapterError) -> tuple[str, ...]:
    """The codes of a refusal."""
    return tuple(_reasons(error))


def refused(error: Invalid) -> AdapterError:
    """The same refusal, as the class that its code calls for. UPS names no field, its codes stand for them."""
    reasons = _reasons(error)
    named = refusal(error, "UPS", reasons)
    kind = next((CLASSES[code] for code in reasons if code in CLASSES), None)
    if kind is None:
        return named
    return kind(named.message, operation=error.operation, ref=error.ref, detail=error.detail)


def _reasons(error: AdapterError) -> dict[str, str]:
    response = said(error).get("response")
    errors = response.get("errors") if isinstance(response, dict) else None
    found: dict[str, str] = {}
    for each in errors if isinstance(errors, list) else ():
        if isinstance(each, dict) and each.get("code"):
            found[str(each["code"])] = str(each.get("message") or "no reason given")[:300]
    return found
