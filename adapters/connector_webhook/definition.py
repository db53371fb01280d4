"""What a document says about a system that posts events: facts, no conditions, no loops, no code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from connector.sdk.facts import (
    DocumentKind,
    Facts,
    Finding,
    HeaderName,
    Location,
    Match,
    Name,
    Path,
    RowFacts,
    SystemFacts,
    row_findings,
    table_of,
)

MOST_EVENTS = 20
TIME = "time"
"""Where a CloudEvent says when it happened."""


class SignatureFacts(Facts):
    """How what is posted is proved.

    standard: Standard Webhooks, with headers that begin with `prefix`, no older and no newer than `tolerance`.
    hmac: an HMAC of the body in one header; nothing bounds its age.
    """

    kind: Literal["standard", "hmac"] = "standard"
    prefix: HeaderName = "webhook"
    tolerance: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = timedelta(minutes=5)
    header: HeaderName | None = None
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"


class EventFacts(RowFacts):
    """Events that make one kind of record. when: which events; all where nothing is said."""

    when: Match | None = None


class Definition(SystemFacts):
    """A system, what it posts, and where its refusals have their reasons.

    format: CloudEvents in any of their modes, or JSON of the system's own. unsigned_headers: take CloudEvents of the
    binary mode, whose attributes are in headers that no signature covers.
    refusal: where an answer 400 or 422 to what the hub posts has an object of reasons by field.
    """

    format: Literal["cloudevents", "plain"] = "cloudevents"
    signature: SignatureFacts = Field(default_factory=SignatureFacts)
    unsigned_headers: bool = False
    events: Annotated[dict[Name, EventFacts], Field(max_length=MOST_EVENTS)]
    refusal: Path = Field(default="errors", validate_default=True)


def findings(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that does not fit together, with its place."""
    yield from _signature(table_of(content, "signature"))
    is_plain = content.get("format") == "plain"
    if is_plain and "unsigned_headers" in content:
        yield ("unsigned_headers",), "is for CloudEvents: with format plain no header is read"
    events = table_of(content, "events")
    if not events:
        yield ("events",), "there is none: describe at least one, such as `tickets`"
    for name, facts in events.items():
        if isinstance(facts, dict):
            at: Location = ("events", name)
            yield from ((at + rest, text) for rest, text in row_findings(str(name), facts))
            spelled = facts.get("times", content.get("times", "iso"))
            if "updated_at" not in facts and (is_plain or spelled != "iso"):
                yield at, "needs `updated_at`: where an event says when it happened, so that an old one changes nothing"


def _signature(signature: Mapping[str, Any]) -> Iterator[Finding]:
    kind = signature.get("kind", "standard")
    if kind == "hmac" and not signature.get("header"):
        yield ("signature",), "kind hmac needs `header`"
    strangers = {"standard": ("header", "algorithm", "encoding"), "hmac": ("prefix", "tolerance")}
    for key in strangers.get(str(kind), ()):
        if key in signature:
            yield ("signature", key), f"means nothing with kind {kind}"


DOCUMENTS = DocumentKind(
    Definition,
    findings,
    keys="system, events",
    hint="correct it, and see the README of the adapter `webhook`",
)
"""Reads them."""
