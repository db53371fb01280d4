"""Karrio's error bodies, as fields and reasons. Pure.

`{"errors": [{"code", "level", "message"}]}` from Karrio itself, `{"messages": [{... "carrier_id"}]}` from the
carrier that it passed the request on to; `message` begins with the field: "recipient.city: This field is required."
"""

from __future__ import annotations

import re

from connector.sdk import Invalid
from connector.sdk.answers import refusal, said

FIELD = re.compile(r"(?P<field>[a-z_][a-z0-9_.]*): (?P<reason>.+)", re.DOTALL)


def refused(error: Invalid) -> Invalid:
    """The same refusal with its fields."""
    body = said(error)
    try:
        told = [*body.get("errors", ()), *body.get("messages", ())]
        fields = dict(_reason(each.get("message"), each.get("carrier_id"), each.get("code")) for each in told)
    except (AttributeError, TypeError):
        return error
    return refusal(error, "Karrio", fields)


def _reason(message: object, carrier: object, code: object) -> tuple[str, str]:
    text = str(message or code or "no reason given")
    if carrier:
        return str(carrier), text
    found = FIELD.fullmatch(text)
    return (found["field"], found["reason"]) if found else (str(code or "request"), text)
