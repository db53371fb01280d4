"""What the contract kit needs of an external system: a small copy of it that can be filled, changed and inspected."""
# ruff: noqa: ARG002 - sandboxes override the methods, and use the arguments

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from connector.model.refs import IdempotencyKey, SourceRef
from connector.sdk.operations import AddNote, BuyLabel, SetTicketFields, SetTicketState, TrackShipment, VoidLabel
from connector.sdk.ordering import CancelOrder, OrderParts, RequestReplacement
from connector.sdk.swapping import RecordSwap
from connector.sdk.webhook import WebhookRequest

Message: TypeAlias = MutableMapping[str, Any]
App: TypeAlias = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
"""An ASGI application, for example a Starlette one."""

Operation: TypeAlias = (
    AddNote
    | SetTicketState
    | SetTicketFields
    | BuyLabel
    | VoidLabel
    | TrackShipment
    | RequestReplacement
    | OrderParts
    | CancelOrder
    | RecordSwap
)
"""Everything that a system can be asked to do."""

OperationKind: TypeAlias = (
    type[AddNote]
    | type[SetTicketState]
    | type[SetTicketFields]
    | type[BuyLabel]
    | type[VoidLabel]
    | type[TrackShipment]
    | type[RequestReplacement]
    | type[OrderParts]
    | type[CancelOrder]
    | type[RecordSwap]
)
"""The class of an operation."""

WithText: TypeAlias = AddNote | SetTicketFields | BuyLabel | RequestReplacement
"""An operation that carries a text of people."""


class NotApplicable(Exception):  # noqa: N818 - says what is so, it is no failure
    """The system has no such thing. The reason is shown in the quality table; write it for a reader."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotTold(Exception):  # noqa: N818 - says what is so
    """The sandbox does not say how to do this, and does not say either that its system has no such thing."""


@dataclass(frozen=True, slots=True)
class Signature:
    """How the system proves that a webhook is its own.

    name: of the header or query parameter that carries the proof.
    covers_body: a changed body makes it wrong; where it does not (a secret that is sent along), `reason` says why.
    expires_after: how old a webhook may be; None where it carries no time that is signed, and `reason` says so.
    """

    name: str
    where: Literal["header", "query"] = "header"
    covers_body: bool = True
    expires_after: timedelta | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SentWebhook:
    """A webhook as the system sends it. ref: the object that it is about."""

    ref: SourceRef
    request: WebhookRequest


@dataclass(frozen=True, slots=True)
class Refused:
    """An operation that the system refuses, and the field that it names."""

    operation: Operation
    field: str


class Sandbox:
    """A small copy of an external system that speaks its real protocol.

    The kit makes a new one for each check, so it starts empty of everything that can be pulled. Implement what
    your adapter's capabilities call for; where the system itself has no such thing, raise
    `NotApplicable("why")`. A method that is neither implemented nor refused fails its checks.

    All times are given by the kit, aware, UTC, whole seconds. References are those that the adapter emits.
    """

    # Every adapter

    def app(self) -> App | None:
        """The system's server, the same on each call; None when the adapter talks to no server."""
        raise NotTold("app()")

    def settings(self) -> Mapping[str, object]:
        """Settings that work, as a customer writes them below `[sources.NAME]`; secrets as plain text.

        The values of secret settings are the canary: at least 12 characters, found nowhere else. Choose a
        small page size if the adapter has such a setting, and `max_concurrency` of 4 or less.
        """
        raise NotTold("settings()")

    def wrong_settings(self) -> Mapping[str, object]:
        """The same, with a credential that the system does not accept."""
        raise NotTold("wrong_settings()")

    def close(self) -> None:
        """Give back what the sandbox holds, for example a temporary directory."""

    # Pulls

    def page_size(self, stream: str) -> int:
        """Objects of this stream that one page holds with `settings()`: as they say, where they have `page_size`."""
        size = self.settings().get("page_size")
        if not isinstance(size, int):
            raise NotTold(f"page_size({stream!r})")
        return size

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """Add objects that the stream yields, and nothing else that it yields; in order of their time.

        The first was last modified at `at`, each further one `step` later; a `step` of zero means the same time.
        Things that they refer to (a location, a type) may be added, as long as this stream does not yield them.
        """
        raise NotTold(f"seed({stream!r}, ...)")

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Change something of the object that its record shows, last modified at `at`."""
        raise NotTold("touch(ref, ...)")

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """Remove the object, as a person does it in the real system."""
        raise NotTold("delete(ref, ...)")

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """Add one object that cannot become a record; its reference, or None where it has none that can be read."""
        raise NotTold(f"seed_malformed({stream!r}, ...)")

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """Add one object with a field that is not documented, and a value outside a documented vocabulary."""
        raise NotTold(f"seed_unusual({stream!r}, ...)")

    def full_pages(self, stream: str) -> str:
        """Why a page always has as many rows as were asked for, as long as there are; empty where it may have fewer."""
        return ""

    def last_when_empty(self, stream: str) -> str:
        """Why a page without rows is always the last; empty where the system says otherwise whether more follows."""
        return ""

    def times_twice(self, stream: str) -> str:
        """Why two instants may have the same time in this system; empty where each has its own."""
        return ""

    def never_ahead(self, stream: str) -> str:
        """Why the system shows nothing that is stamped in the future; empty where it may."""
        return ""

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Change the object (make a new one when None) at `at`, and return what the system then posts.

        Header names in lower case; `received_at` is `at`.
        """
        raise NotTold("webhook(...)")

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """A webhook, correctly signed, of an event that the adapter has never heard of."""
        raise NotTold("webhook_of_unknown_kind(...)")

    def signature(self) -> Signature:
        """How webhooks are signed."""
        raise NotTold("signature()")

    # WritesTickets, Ships, TracksShipments, Procures, WritesAssets

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """A valid operation of this class with this key, on an object of its own, which is added if need be.

        RecordSwap: of a replacement that has a record of its own, elsewhere and not in use; everything is named.
        """
        raise NotTold(f"operation({kind.__name__}, key)")

    def effects(self, operation: Operation) -> int:
        """How many times the operation took effect in the system, told by the system's own data.

        AddNote: notes with this text on this ticket. SetTicketState, SetTicketFields: recorded changes of the ticket
        to these values. BuyLabel: bought labels, void ones included. VoidLabel: 1 when void. TrackShipment: trackers.
        RequestReplacement, OrderParts: orders, cancelled ones included. CancelOrder: 1 when cancelled.
        RecordSwap: times that the record which stands for the replacement was changed to show it, told by the system's
        log of changes; 1 only when the failed device's record is as it should be, too.
        """
        raise NotTold("effects(operation)")

    def not_asked(self) -> str:
        """Why the system cannot be asked whether something was done; empty where it can.

        It must then do nothing twice for one key; `find` and its kin find nothing, and the hub does it again.
        """
        return ""

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """An operation of this class that the system refuses as invalid."""
        raise NotTold(f"refused_operation({kind.__name__}, key)")

    def void_of_used_label(self, key: IdempotencyKey) -> VoidLabel:
        """The cancellation of a label whose parcel is already under way."""
        raise NotTold("void_of_used_label(key)")

    def longest_text(self, operation: WithText) -> int:
        """Characters that the system keeps of the operation's text: note, field value, consignee's name, fault."""
        raise NotTold("longest_text(operation)")

    def stored_text(self, operation: WithText) -> str:
        """The operation's text as the system now holds it."""
        raise NotTold("stored_text(operation)")

    # Procures

    def send_order(self, order: SourceRef, *, carrier: str, tracking_number: str, at: datetime) -> None:
        """The supplier sends the goods of an order that is there; from then on it cannot be cancelled."""
        raise NotTold("send_order(order, ...)")

    def unknown_order(self) -> SourceRef:
        """A reference of the form that the system's orders have, to none."""
        raise NotTold("unknown_order()")

    # WritesAssets

    def settings_without_write_back(self) -> Mapping[str, object]:
        """Settings that work and do not allow assets to be written."""
        raise NotTold("settings_without_write_back()")

    def keeps_serials(self) -> str:
        """Why no record can come to stand for another device; empty where it can.

        A swap onto the failed device's record is then refused as invalid, and changes nothing.
        """
        return ""

    def unknown_asset(self) -> SourceRef:
        """A reference of the form that the system's assets have, to none."""
        raise NotTold("unknown_asset()")
