"""What MyDHL API refuses: `{"title", "detail", "additionalDetails", "status"}`, reasons as texts. Pure."""

from __future__ import annotations

import re

from connector.sdk import AdapterError, Invalid
from connector.sdk.answers import refusal, said

NAMED = re.compile(r"\s*(?P<field>#?/[^:\s]+|[0-9]{3,5})\s*:\s*(?P<why>.+)", re.DOTALL)
"""A reason begins with a place in the request, `#/content/packages/0: …`, or with a number of DHL's, `7008: …`."""
NO_PRODUCT = "996"
"""No product goes that way on that day."""


def reasons(error: AdapterError) -> dict[str, str]:
    """Reasons by what each begins with; `request` where it begins with neither."""
    body = said(error)
    more = body.get("additionalDetails")
    found: dict[str, str] = {}
    for text in (body.get("detail"), *(more if isinstance(more, list) else ())):
        if not isinstance(text, str) or not text.strip():
            continue
        named = NAMED.fullmatch(text)
        field, why = (named["field"], named["why"]) if named else ("request", text)
        found.setdefault(field, why.strip()[:300])
    return found


def refused(error: Invalid) -> Invalid:
    """The same refusal with its reasons."""
    return refusal(error, "DHL", reasons(error))
