"""What is posted, as one JSON object for each event: CloudEvents 1.0 in three modes, or the system's own JSON."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from connector.sdk import Invalid, InvalidRecord, WebhookRequest, require_json

STRUCTURED, BATCHED = "application/cloudevents", "application/cloudevents-batch"
ATTRIBUTE = "ce-"
REQUIRED = ("specversion", "id", "source", "type")
MOST_EVENTS = 1_000
"""Events of one post."""
_NAME = re.compile(r"[a-z0-9]{1,40}")
_JSON = re.compile(r"(application|text)/json|[^/]+/[^/]*\+json|[^/]+/json")
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether a CloudEvent's attributes are in headers and the body is its data."""
    return f"{ATTRIBUTE}specversion" in headers and not _media_type(headers).startswith(STRUCTURED)


def telling_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that say what happened."""
    if not is_binary(headers):
        return {}
    return {name: text for name, text in headers.items() if name.startswith(ATTRIBUTE) or name == "content-type"}


def plain_events(request: WebhookRequest) -> list[object]:
    """The body, or each part of it where it is a list. Raises Invalid."""
    return _bounded(require_json(request))


def cloud_events(request: WebhookRequest, *, unsigned_headers: bool) -> list[object]:
    """Each event of the post, unchecked, in the form of the structured mode. Raises Invalid."""
    media_type = _media_type(request.headers)
    if is_binary(request.headers):
        if not unsigned_headers:
            raise Invalid(
                "the webhook is a CloudEvent of the binary mode, whose headers no signature covers",
                operation="parse webhook",
                hint="Have the system post the structured mode (application/cloudevents+json), or take them all the "
                "same: `unsigned_headers: true`.",
            )
        return [_from_headers(request)]
    if media_type.startswith(STRUCTURED) and not media_type.endswith("+json"):
        raise Invalid(
            f"the webhook is in the event format {media_type!r}, which is not JSON", operation="parse webhook",
            hint="Have the system post application/cloudevents+json.",
        )  # fmt: skip
    return _bounded(require_json(request))


def checked(event: object) -> dict[str, Any]:
    """A CloudEvent whose data stands under `data`, whatever it was encoded in. Raises InvalidRecord."""
    if not isinstance(event, dict):
        raise InvalidRecord(f"is a {type(event).__name__}, expected a CloudEvent", path="")
    present = {name: value for name, value in event.items() if value is not None or name == "data"}
    for name in REQUIRED:
        if not isinstance(present.get(name), str) or not present[name]:
            raise InvalidRecord(f"is no CloudEvent: it has no {name!r}", path=f"/{name}")
    if not present["specversion"].startswith("1."):
        raise InvalidRecord(f"is a CloudEvent of version {present['specversion']!r:.20}, not 1.0", path="/specversion")
    if "data_base64" in present:
        present["data"] = _decoded(present.pop("data_base64"), str(present.get("datacontenttype", "application/json")))
    return present


def _decoded(encoded: object, content_type: str) -> object:
    if not isinstance(encoded, str):
        raise InvalidRecord("is a CloudEvent whose data_base64 is no text", path="/data_base64")
    try:
        return _data(base64.b64decode(encoded, validate=True), content_type)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidRecord(
            f"is a CloudEvent whose data_base64 cannot be read: {type(error).__name__}", path="/data_base64"
        ) from None


def _data(body: bytes, content_type: str) -> object:
    """Data as its type says: JSON, else a text; None where it is neither. Raises ValueError, RecursionError."""
    media_type = content_type.partition(";")[0].strip().lower()
    if not media_type or _JSON.fullmatch(media_type):
        return json.loads(body)
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _from_headers(request: WebhookRequest) -> dict[str, Any]:
    content_type = request.headers.get("content-type", "")
    event: dict[str, Any] = {}
    try:
        for header, text in request.headers.items():
            name = header.removeprefix(ATTRIBUTE)
            if header != name and _NAME.fullmatch(name):
                event[name] = _header_value(text)
        event["datacontenttype"] = content_type or "application/json"
        event["data"] = _data(request.body, content_type) if request.body else None
    except (ValueError, RecursionError) as error:
        raise Invalid(
            f"the webhook is a CloudEvent that cannot be read: {type(error).__name__}", operation="parse webhook",
            hint="Its attributes are headers, percent-encoded UTF-8; its body is what Content-Type says.",
        ) from None  # fmt: skip
    return event


def _header_value(text: str) -> str:
    """The attribute in a header: without the quotation marks of older senders, percent-decoded once.

    Raises ValueError.
    """
    stripped = text.strip()
    if len(stripped) > 1 and stripped[0] == stripped[-1] == '"':
        stripped = re.sub(r"\\(.)", r"\1", stripped[1:-1])
    if _BROKEN.search(stripped):
        raise ValueError("a percent sign that begins no code")
    return unquote_to_bytes(stripped.encode("latin-1")).decode()


def _bounded(content: object) -> list[object]:
    events = content if isinstance(content, list) else [content]
    if len(events) > MOST_EVENTS:
        raise Invalid(
            f"the webhook has {len(events)} events, at most {MOST_EVENTS} are taken", operation="parse webhook",
            hint="Have the system post smaller batches.",
        )  # fmt: skip
    return events


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
