"""What a system says when it refuses a change: field by field, as Django's REST framework words it."""

from __future__ import annotations

from connector.sdk.answers import refusal, said
from connector.sdk.errors import Invalid


def named_refusal(error: Invalid, system: str) -> Invalid:
    """A refusal with the fields that the system names, and its words for each."""
    told = said(error).items()
    fields = {name: " ".join(map(str, why)) if isinstance(why, list) else str(why) for name, why in told}
    return refusal(error, system, fields)
