"""SANDBOX: the whole sandbox system, as tests and the demo start it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from starlette.applications import Starlette

from connector.sdk import (
    Address,
    CancelOrder,
    Clock,
    EntityKind,
    IdempotencyKey,
    OrderParts,
    Party,
    ProductKey,
    RecordSwap,
    RequestReplacement,
    SourceRef,
    TicketState,
    WebhookRequest,
    hmac_hex,
)
from connector.sdk.testing import (
    NotApplicable,
    Operation,
    OperationKind,
    Refused,
    SentWebhook,
    Signature,
    TicketSandbox,
    WithText,
    json_webhook,
)
from connector_request_tracker.asset_mapping import asset_ref
from connector_request_tracker.mapping import ticket_ref
from connector_request_tracker.order_mapping import FAULT, order_ref
from connector_request_tracker.sandbox.desk import ACTIVE, INACTIVE, Desk, SandboxTicket, Transaction
from connector_request_tracker.sandbox.server import Desktop
from connector_request_tracker.sandbox.shelf import Shelf
from connector_request_tracker.webhook import SIGNATURE, WITHIN

TOKEN = "1-31-sandbox-4c1f9b2e7d30"  # noqa: S105 - opens nothing but this sandbox
SECRET = "sandbox-scrip-secret-81c7"  # noqa: S105
ORDERS = "Purchasing"
"""The queue that takes orders."""
HAMBURG = Party("Site Hamburg", Address(line1="2 Quay", city="Hamburg", postal_code="20095", country="DE"))
SWITCH = ProductKey(manufacturer="Cisco", model="C9300-48P", part_number="C9300-48P-E")
HOOK_TIMEOUT = 2.0
"""Seconds that Request Tracker waits for the receiver of a webhook; it never tries again."""


class RequestTrackerSandbox(TicketSandbox):
    """Request Tracker 5 in small: pages of 100 at most, 200 to refused changes, a scrip instead of webhooks.

    path: file from which a later start resumes. hook_url: where the scrip posts; None means nowhere.
    user_time_zone: in which times in queries are read; the adapter refuses anything but UTC.
    """

    next_state = TicketState.ON_HOLD
    longest_note, longest_field = 65_536, 255
    """Notes are kept up to 10 MB, so the hub's own limit counts; a value has a column."""

    def __init__(
        self,
        clock: Clock,
        *,
        token: str = TOKEN,
        hook_url: str | None = None,
        hook_secret: str = SECRET,
        queues: tuple[str, ...] = ("Hardware", "General", ORDERS),
        path: Path | None = None,
        user_time_zone: str = "UTC",
    ) -> None:
        self._clock = clock
        self._token = token
        self._hook_url = hook_url
        self._hook_secret = hook_secret
        statuses = (*ACTIVE, *INACTIVE, "awaiting parts")
        self.desk = Desk(clock, queues=queues, statuses=statuses, path=path)
        self.shelf = Shelf(clock)
        self.server = Desktop(self.desk, self.shelf, token, user_time_zone, self._post_changes)
        self._app = self.server.app()

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages."""
        return {
            "base_url": "http://rt.test", "token": self._token, "webhook_secret": self._hook_secret,
            "queues": ["Hardware"], "order_queue": ORDERS, "page_size": 5, "statuses": {"closed": "archived"},
            "catalogs": ["General assets"], "hubs": ["Depot"],
            "places": {"Vienna": [48.2, 16.4], "Depot": [48.1, 16.3]}, "asset_states": {"defective": "quarantined"},
            "write_back": True, "failed_status": "defective",
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a token that was revoked."""
        return {**self.settings(), "token": "1-31-revoked-000000000000"}

    def open_ticket(self, at: datetime | None = None, **columns: object) -> SandboxTicket:
        """Open a ticket in queue Hardware, as a user does on the page."""
        return self.desk.create({"Queue": "Hardware", "Subject": "Switch is dead", **columns}, "user", at)

    def open_order(self, at: datetime | None = None, **columns: object) -> SandboxTicket:
        """Open a ticket in the queue for orders, as a buyer does on the page."""
        return self.desk.create({"Queue": ORDERS, "Subject": "Order a switch", **columns}, "user", at)

    # Pulls

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """Open tickets, or deleted ones."""
        made: list[SourceRef] = []
        if stream == "places":
            raise NotApplicable("Request Tracker has no places: they are in the settings")
        for number in range(count):
            when = at + step * number
            if stream == "assets":
                made.append(asset_ref(self.shelf.add(when, Serial_Number=f"SN-{at:%d%H%M%S}-{number}").id))
                continue
            if stream == "orders":
                made.append(order_ref(self.open_order(when).id))
                continue
            ticket = self.open_ticket(when, CustomFields={"Asset Tag": f"AT-{number}", "Hub Priority": "P2"})
            if stream == "deletions":
                self.desk.set_status(ticket, "deleted", "root", at=when)
            made.append(ticket_ref(ticket.id))
        return tuple(made)

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Give the ticket another subject, the asset another name."""
        if ref.kind is EntityKind.ASSET:
            asset = self.shelf.assets[int(ref.external_id)]
            self.shelf.change(asset, at, name=f"{asset.name} again")
            return
        ticket = self._ticket(ref)
        if ref.kind is EntityKind.PROCUREMENT:
            self.desk.update(ticket, {"Due": (at + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")}, "user", at=at)
            return
        if ticket.status == "deleted":
            raise NotApplicable("a deleted ticket is gone, nothing of it changes any more")
        self.desk.update(ticket, {"Subject": f"{ticket.subject} (again)"}, "user", at=at)

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """Delete the ticket or asset, as an administrator does."""
        if ref.kind is EntityKind.ASSET:
            self.shelf.change(self.shelf.assets[int(ref.external_id)], at, status="deleted")
            return
        ticket = self._ticket(ref)
        if ref.kind is EntityKind.PROCUREMENT:
            raise NotApplicable("orders are rejected; of a deleted ticket nothing tells the queue that it was in")
        if ticket.status == "deleted":
            raise NotApplicable("a deletion cannot be deleted")
        self.desk.set_status(ticket, "deleted", "root", at=at)

    def last_when_empty(self, stream: str) -> str:
        """Assets are not counted."""
        return (
            "Request Tracker counts tickets alone: of other lists a page without rows is the only end"
            if stream != "tickets"
            else ""
        )

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """A ticket in a status that nobody gave a meaning to; a transaction that does not say of which ticket."""
        if stream == "orders":
            return order_ref(self.open_order(at, Status="awaiting parts").id)
        if stream == "assets":
            asset = self.shelf.add(at)
            asset.status = "levitating"
            return asset_ref(asset.id)
        ticket = self.open_ticket(at, Status="awaiting parts" if stream == "tickets" else "new")
        if stream == "tickets":
            return ticket_ref(ticket.id)
        self.desk.set_status(ticket, "deleted", "root", at=at)
        self.desk.transactions[-1].ticket = 0
        return None

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """A ticket with a column of a later release and a priority that is no number."""
        if stream == "assets":
            asset = self.shelf.add(at)
            asset.extra = {"SLA": "gold", "HeldBy": None}
            return asset_ref(asset.id)
        ticket = self.open_order(at) if stream == "orders" else self.open_ticket(at)
        ticket.extra = {"SLA": "gold", "Priority": "very high"}
        if stream == "deletions":
            self.desk.set_status(ticket, "deleted", "root", at=at)
        return order_ref(ticket.id) if stream == "orders" else ticket_ref(ticket.id)

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Change the ticket's subject, and what the scrip then posts."""
        ticket = self._ticket(ref) if ref else self.open_ticket(at)
        self.desk.update(ticket, {"Subject": f"{ticket.subject} still"}, "user", at=at)
        return SentWebhook(ticket_ref(ticket.id), self._request(self._payload(self.desk.transactions[-1], at), at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """A transaction type of a later release."""
        transaction = self.desk.write(self.open_ticket(at), "Comment", "", "user", at=at)
        return self._request(self._payload(transaction, at) | {"type": "Summarise"}, at)

    def signature(self) -> Signature:
        """The scrip's HMAC covers the body, and with it the time."""
        return Signature(SIGNATURE.lower(), covers_body=True, expires_after=WITHIN)

    # WritesTickets

    def new_ticket(self) -> SourceRef:
        """A ticket in queue Hardware."""
        return ticket_ref(self.open_ticket().id)

    def notes_of(self, ticket: SourceRef) -> list[str]:
        """Messages without their markers."""
        return [text.rpartition("\n\n[connector:")[0] for text in self._texts(self._ticket(ticket))]

    def field_of(self, ticket: SourceRef, name: str) -> str:
        """Of a custom field."""
        return self._ticket(ticket).fields[name][0]

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:
        """Told by transactions."""
        return self._changes(ticket, "Status", "", "stalled" if state is TicketState.ON_HOLD else state.value)

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:
        """Told by transactions."""
        return self._changes(ticket, "CustomField", self.desk.field_id(name), value)

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - any
        """There is none."""
        raise NotApplicable("Request Tracker takes any text as a note")

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:  # noqa: ARG002 - any
        """A status that the lifecycle lacks; answered 200."""
        return TicketState.CLOSED, "Status"

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - any
        """A value that the field does not offer; answered 200."""
        return "Hub Priority", "P9"

    # Procures

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """An order, or as of any desk."""
        if kind is RequestReplacement:
            return RequestReplacement(key, SWITCH, "FOC2145X0AB", "No power on PSU 1", HAMBURG, "1001")
        if kind is OrderParts:
            return OrderParts(key, SWITCH, 2, HAMBURG, "1001", needed_by=self._clock.now() + timedelta(days=2))
        if kind is CancelOrder:
            return CancelOrder(key, order_ref(self.open_order().id), "a unit from stock came first")
        return self._swap(key) if kind is RecordSwap else super().operation(kind, key)

    def effects(self, operation: Operation) -> int:
        """Orders, told by their tickets."""
        match operation:
            case RequestReplacement() | OrderParts():
                return len(self._orders(operation.key))
            case CancelOrder():
                return self._changes(operation.order, "Status", "", "rejected")
            case RecordSwap():
                return self._swapped(operation)
            case _:
                return super().effects(operation)

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """No order."""
        if kind in (RequestReplacement, OrderParts, CancelOrder):
            raise NotApplicable("who refuses an order is a person, who rejects its ticket")
        if kind is RecordSwap:
            self.shelf.refused_tags.add("AT-1")
            return Refused(replace(self._swap(key), asset_tag="AT-1"), "Asset Tag")
        return super().refused_operation(kind, key)

    def settings_without_write_back(self) -> Mapping[str, object]:
        """As they are by default."""
        return {name: value for name, value in self.settings().items() if name != "write_back"}

    def unknown_asset(self) -> SourceRef:
        """A number that no asset has."""
        return asset_ref(987654)

    def _swap(self, key: IdempotencyKey) -> RecordSwap:
        """A spare of the depot is put in place of a device."""
        number = len(self.shelf.assets)
        failed = self.shelf.add(Serial_Number=f"F{number}", Asset_Tag=f"A-{number}", Site="Vienna")
        spare = self.shelf.add(Serial_Number=f"S{number}", Asset_Tag=f"B-{number}", Site="Depot")
        for each in (failed, spare):
            each.fields |= {"Manufacturer": ["Cisco"], "Model": ["C9300-48P"], "Part Number": ["C9300-48P-E"]}
        spare.status = "new"
        return RecordSwap(
            key=key, failed=asset_ref(failed.id), replacement=asset_ref(spare.id), failed_serial=f"F{number}",
            serial=f"S{number}", asset_tag=f"B-{number}", product=SWITCH, product_ref=None,
            site=SourceRef(kind=EntityKind.SITE, external_id="vienna"), reference="1001",
        )  # fmt: skip

    def _swapped(self, operation: RecordSwap) -> int:
        """Changes of the asset that stands for the replacement, once the failed one is out of use."""
        changes = len(self.shelf.assets[int(operation.record.external_id)].history)
        if operation.replacement is None or operation.failed is None:
            return changes
        return changes if self.shelf.assets[int(operation.failed.external_id)].status == "defective" else 0

    def longest_text(self, operation: WithText) -> int:
        """A fault is written as a note is."""
        return self.longest_note if isinstance(operation, RequestReplacement) else super().longest_text(operation)

    def stored_text(self, operation: WithText) -> str:
        """The fault in the text of an order, or as of any desk."""
        if isinstance(operation, RequestReplacement):
            [order] = self._orders(operation.key)
            return self._texts(order)[0].partition(f"{FAULT}\n")[2]
        return super().stored_text(operation)

    def send_order(self, order: SourceRef, *, carrier: str, tracking_number: str, at: datetime) -> None:
        """A buyer notes the parcel that the goods came on the way with."""
        fields = {"Carrier": carrier, "Tracking Number": tracking_number}
        self.desk.update(self._ticket(order), {"CustomFields": fields}, "buyer", at=at)

    def unknown_order(self) -> SourceRef:
        """A number that no ticket has."""
        return order_ref(max(self.desk.tickets, default=0) + 1000)

    def _orders(self, key: IdempotencyKey) -> list[SandboxTicket]:
        return [each for each in self.desk.tickets.values() if f"[connector:{key}]" in each.subject]

    def _ticket(self, ref: SourceRef) -> SandboxTicket:
        return self.desk.tickets[int(ref.external_id)]

    def _texts(self, ticket: SandboxTicket) -> list[str]:
        return [each.content for each in self.desk.attachments if each.ticket == ticket.id]

    def _payload(self, transaction: Transaction, at: datetime) -> dict[str, object]:
        return {
            "ticket": transaction.ticket, "txn": transaction.id, "type": transaction.type,
            "field": transaction.field or None, "old": transaction.old or None, "new": transaction.new or None,
            "at": int(at.timestamp()),
        }  # fmt: skip

    def _request(self, payload: Mapping[str, object], at: datetime) -> WebhookRequest:
        return json_webhook(payload, at, lambda body: {SIGNATURE.lower(): hmac_hex(self._hook_secret, body)})

    def _changes(self, ref: SourceRef, kind: str, field: object, to: str) -> int:
        history = self.desk.history(self._ticket(ref))
        return sum((each.type, each.new) == (kind, to) and field in ("", each.field) for each in history)

    async def _post_changes(self) -> None:
        """Post what happened, as the scrip does: within the request, two seconds at most, and never again."""
        fresh = self.desk.take_fresh()
        if not fresh or self._hook_url is None:
            return
        async with httpx.AsyncClient(timeout=HOOK_TIMEOUT, trust_env=False) as http:
            for transaction in fresh:
                request = self._request(self._payload(transaction, self._clock.now()), self._clock.now())
                with contextlib.suppress(httpx.HTTPError):
                    await http.post(self._hook_url, content=request.body, headers=dict(request.headers))
