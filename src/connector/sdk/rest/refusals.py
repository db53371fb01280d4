"""What a system says when it refuses a change: field by field, as Django's REST framework words it."""

from __future__ import annotations

import orjson

from connector.sdk.errors import Invalid


def named_refusal(error: Invalid, system: str) -> Invalid:
    """A refusal with the fields that the system names, and its words for each."""
    try:
        answer = orjson.loads(error.detail)
    except orjson.JSONDecodeError:
        return error
    if not isinstance(answer, dict):
        return error
    fields = {str(name): " ".join(map(str, why)) if isinstance(why, list) else str(why) for name, why in answer.items()}
    said = "; ".join(f"{name}: {why}" for name, why in fields.items())
    summary = f"{error.operation}: {system} refuses {said}"
    return Invalid(summary, fields=fields, operation=error.operation, ref=error.ref, detail=error.detail)
