"""What Shippo refuses, by status 400 and by answers that are refusals although their status says otherwise. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector.sdk import AdapterError, Invalid, OutcomeUnknown
from connector.sdk.answers import refusal
from connector.sdk.answers import said as answered
from connector_shippo.shapes import Message, Transaction, said

MOST_REASONS = 20
LOST = frozenset({"carrier_timeout", "timeout"})
"""Codes of messages by which Shippo says that it lost the carrier's answer itself."""


def refused(error: Invalid) -> Invalid:
    """The same refusal with the fields that Shippo names: `{"address_to": {"country": ["This field ..."]}}`."""
    body = answered(error)
    reasons = dict(list(_reasons(body, ""))[:MOST_REASONS])
    outermost: dict[str, str] = {}
    for path, reason in reasons.items():
        field = path.partition(".")[0]
        rest = path.removeprefix(field).removeprefix(".")
        told = f"{rest}: {reason}" if rest else reason
        outermost[field] = f"{outermost[field]}; {told}" if field in outermost else told
    return refusal(error, "Shippo", outermost)


def failed(transaction: Transaction) -> AdapterError:
    """Why a label was not bought: Shippo answers 201, and `ERROR` in it."""
    what = f"Shippo did not buy the label. {said(transaction.messages)}".strip()
    if any(_is_lost(message) for message in transaction.messages):
        return OutcomeUnknown(
            what, operation="buy label", ref=transaction.ref,
            hint="The carrier may have made the label all the same: see its own list of labels before buying another.",
        )  # fmt: skip
    return Invalid(
        what, operation="buy label", ref=transaction.ref,
        fields={"rate": "; ".join(each.text for each in transaction.messages if each.text)[:500] or "refused"},
        hint="Correct addresses and parcel as the carrier says, then plan the shipment anew.",
    )  # fmt: skip


def _is_lost(message: Message) -> bool:
    return (message.code or "").casefold() in LOST


def _reasons(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            inner = path if name in ("__all__", "non_field_errors") else f"{path}.{name}".strip(".")
            yield from _reasons(each, inner)
    elif isinstance(value, list):
        texts = [each for each in value if isinstance(each, str)]
        if texts:
            yield path or "request", ", ".join(texts)[:300]
        for each in value:
            if isinstance(each, dict):
                yield from _reasons(each, path)
    elif isinstance(value, str):
        yield ("request" if path in ("", "detail") else path), value[:300]
