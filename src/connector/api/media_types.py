"""Which form of answer a client accepts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, StrEnum, auto
from functools import lru_cache
from typing import Final

from connector.api.request import BadRequest

EVENT_STREAM: Final = "text/event-stream"

_KNOWN: Final = 100
"""Values of headers that are remembered: clients of one kind send one."""


_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


class MediaType(StrEnum):
    """What the endpoint answers in, beside events. Both are JSON; they differ in what the status says."""

    GRAPHQL_RESPONSE = "application/graphql-response+json"
    """The status tells whether the operation was run."""
    JSON = "application/json"
    """200 for whatever is a GraphQL request, even where its document is wrong: older clients want it so."""


class Streaming(Enum):
    """Which operations a client wants to be answered with a stream of events."""

    NO = auto()
    SUBSCRIPTIONS = auto()
    ALWAYS = auto()


class NotAcceptable(BadRequest):
    """The client accepts nothing that the endpoint answers in."""

    code = "NOT_ACCEPTABLE"
    status = 406


@lru_cache(_KNOWN)
def negotiate(accept: str) -> MediaType:
    """The form that the value of an Accept header likes best, "" if there is none.

    What is named counts before what a wildcard covers; of two that are liked alike it is the newer when both are named,
    JSON when neither is. Raises NotAcceptable.
    """
    ranges = dict(weighed(accept)) or {"*/*": 1.0}
    named = {form: form in ranges for form in MediaType}
    liking = {form: ranges.get(form, ranges.get("application/*", ranges.get("*/*", 0.0))) for form in MediaType}
    order = list(MediaType) if all(named.values()) else [MediaType.JSON, MediaType.GRAPHQL_RESPONSE]
    best = max(order, key=lambda form: (liking[form], named[form]))
    if not liking[best]:
        raise NotAcceptable(
            f"nothing that 'Accept: {accept}' names is answered in",
            hint=f"Accept {MediaType.GRAPHQL_RESPONSE} or {MediaType.JSON}; for subscriptions {EVENT_STREAM}.",
        )
    return best


@lru_cache(_KNOWN)
def streaming(accept: str) -> Streaming:
    """What the value of an Accept header wants as events: all, where it likes them better than any form of JSON."""
    ranges = dict(weighed(accept))
    liking = ranges.get(EVENT_STREAM, 0.0)
    if not liking:
        return Streaming.NO
    is_best = all(liking > ranges.get(form, 0.0) for form in MediaType)
    return Streaming.ALWAYS if is_best else Streaming.SUBSCRIPTIONS


def accepts_page(accept: str) -> bool:
    """Whether a browser asks for a page to look at."""
    return dict(weighed(accept)).get("text/html", 0.0) > 0


def weighed(accept: str) -> Iterator[tuple[str, float]]:
    """What a header names and how much each is liked, 0 to 1; a weight that is none counts as 1."""
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((text[2:].strip() for text in parameters if text.startswith("q=")), "1")
        if name:
            yield name, float(weight) if _WEIGHT.fullmatch(weight) else 1.0
