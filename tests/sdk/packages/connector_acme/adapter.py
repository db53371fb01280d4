"""The adapter: what Acme can do, in the hub's terms."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from connector.sdk import (
    Adapter,
    AddNote,
    AssetState,
    AuthError,
    Batch,
    BuyLabel,
    CancelOrder,
    ConfigError,
    Cursor,
    EntityKind,
    Health,
    IdempotencyKey,
    Invalid,
    InvalidRecord,
    LabelReceipt,
    OrderParts,
    OrderReceipt,
    Parcel,
    Quote,
    Receipt,
    Record,
    RecordSwap,
    Rejected,
    RequestReplacement,
    SetTicketFields,
    SetTicketState,
    SiteRecord,
    SourceRef,
    Stream,
    SwapReceipt,
    TicketRecord,
    TrackShipment,
    UnexpectedResponse,
    VoidLabel,
    WebhookRequest,
    WebhookResult,
    require_hmac,
    require_json,
    require_recent,
)
from connector.sdk.cursors import read_instant, watermark
from connector_acme.config import AcmeConfig
from connector_acme.mapping import STATUSES, asset_of, order_of, rejected, site_of, ticket_of

TICKETS = Stream("tickets", TicketRecord, "incremental", overlap=timedelta(minutes=5), batch_limit=100)
SITES = Stream("sites", SiteRecord, "snapshot", batch_limit=100)


READ = {
    EntityKind.SITE: ("sites", site_of), EntityKind.TICKET: ("tickets", ticket_of),
    EntityKind.PROCUREMENT: ("orders", order_of), EntityKind.ASSET: ("assets", asset_of),
}  # fmt: skip


class Acme(Adapter[AcmeConfig]):
    """Acme Desk 2.1."""

    @classmethod
    def config_type(cls) -> type[AcmeConfig]:
        """Settings."""
        return AcmeConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Sites first, tickets refer to them."""
        return (SITES, TICKETS)

    async def check(self) -> Health:
        """Ask for the version."""
        answer = await self._ask("GET", "/api/version", "check")
        return Health(version=self._text(answer, "version", "check"))

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Pages by key: `(updated, id)` for tickets, `id` for sites."""
        operation = f"pull {stream.name}"
        position: dict[str, str] = json.loads(since) if since else {}
        began = self.clock.now()
        while True:
            params = {**position, "limit": str(self.config.page_size)}
            answer = await self._ask("GET", f"/api/{stream.name}", operation, params=params)
            items, more = answer.get("items"), answer.get("more")
            if not isinstance(items, list) or not isinstance(more, bool):
                raise UnexpectedResponse(f"{operation}: the answer has no 'items' and 'more'", operation=operation)
            records, refused = self._mapped(stream, items)
            last = self._last(items, "id" if stream.name == "sites" else "updated", operation)
            if stream.name == "sites":
                position = {"after": last[1]} if last else position
                yield Batch(records, refused, complete=not more)
            else:
                if last:
                    position = {"from": last[0], "after": last[1]}
                yield Batch(records, refused, resume=self._resume(position, began, more=more))
            if not more:
                return

    def _last(self, items: list[Any], order: str, operation: str) -> tuple[str, str] | None:
        """What the list is sorted by, and the id, of the last object. Raises UnexpectedResponse."""
        if not items:
            return None
        found = items[-1] if isinstance(items[-1], dict) else {}
        at, key = found.get(order), found.get("id")
        try:
            if not isinstance(at, str) or not isinstance(key, str):
                raise ValueError("they are no texts")
            if order == "updated":
                read_instant(at)
        except ValueError as error:
            raise UnexpectedResponse(
                f"{operation}: the last object has {order}={at!r} and id={key!r}: {error}", operation=operation
            ) from error
        return at, key

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:
        """Tickets that have changed since an instant; sites are always read whole."""
        return json.dumps({"from": at.isoformat()}) if stream.name == "tickets" else None

    def _resume(self, position: dict[str, str], began: datetime, *, more: bool) -> Cursor:
        """Behind what was read; where that is ahead of the beginning of the pull, the overlap before that."""
        if "from" in position:
            at = datetime.fromisoformat(position["from"])
            if (reached := watermark(at, began)) != at:
                position, more = {"from": reached.isoformat(), "after": ""}, False
        return json.dumps(position if more else self._back(position))

    def _back(self, position: dict[str, str]) -> dict[str, str]:
        """Where the next pull begins: the overlap before the newest change."""
        if "after" not in position:
            return position
        return {"from": (datetime.fromisoformat(position["from"]) - TICKETS.overlap).isoformat()}

    def _mapped(self, stream: Stream, items: list[Any]) -> tuple[tuple[Record, ...], tuple[Rejected, ...]]:
        kind, read = (EntityKind.SITE, site_of) if stream.name == "sites" else (EntityKind.TICKET, ticket_of)
        records, refused = [], []
        for item in items:
            try:
                records.append(read(item))
            except InvalidRecord as error:
                refused.append(rejected(item, kind, error))
        return tuple(records), tuple(refused)

    async def fetch(self, ref: SourceRef) -> Record:
        """One ticket, site, order or asset."""
        name, read = READ[ref.kind]
        answer = await self._ask("GET", f"/api/{name}/{ref.external_id}", f"fetch {ref}", ref=ref)
        try:
            return read(answer)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=f"fetch {ref}", ref=ref) from error

    def verify(self, request: WebhookRequest) -> None:
        """HMAC over the body, which holds the time of sending."""
        secret = self.config.webhook_secret.get_secret_value()
        require_hmac(request, header="x-acme-signature", secret=secret, algorithm="sha256")
        try:
            sent_at = datetime.fromisoformat(cast("dict[str, Any]", require_json(request))["sent_at"])
            require_recent(sent_at, request, within=self.config.webhook_age)
        except (Invalid, KeyError, TypeError, ValueError) as error:
            raise AuthError(f"the webhook has no time of sending: {error}", operation="verify webhook") from error

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """A changed ticket, whole."""
        body = require_json(request)
        if not isinstance(body, dict) or not isinstance(body.get("event"), str):
            raise Invalid("the webhook names no event", operation="read webhook")
        if body["event"] not in ("ticket.created", "ticket.updated"):
            return WebhookResult()
        return WebhookResult(records=(ticket_of(body.get("ticket")),))

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Acme keeps the key of each change and makes none twice."""
        match op:
            case AddNote():
                body: dict[str, object] = {"note": op.body, "public": op.is_public}
            case SetTicketState():
                body = {"status": STATUSES[op.state]}
            case SetTicketFields():
                body = {"fields": dict(op.fields)}
        answer = await self._ask(
            "POST", f"/api/tickets/{op.ticket.external_id}/changes", "write ticket", json=body, key=op.key,
            ref=op.ticket,
        )  # fmt: skip
        return Receipt(key=op.key, external_id=self._text(answer, "id", "write ticket"))

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Acme finds changes by their key."""
        found = await self._found("/api/changes", op.key)
        return Receipt(key=op.key, external_id=self._text(found, "id", "find change")) if found else None

    async def quote(self, parcel: Parcel) -> tuple[Quote, ...]:
        """One price by weight."""
        answer = await self._ask("POST", "/api/quotes", "quote", json={"weight_g": parcel.weight_g}, reads=True)
        amount = answer.get("amount_cents")
        if not isinstance(amount, int):
            raise UnexpectedResponse("quote: the answer has no 'amount_cents'", operation="quote")
        return (Quote(carrier="acme", service="next_day", amount_cents=amount, currency="EUR", transit_days=1),)

    async def buy_label(self, op: BuyLabel) -> LabelReceipt:
        """Acme buys once per key."""
        body = {
            "consignee": op.parcel.recipient.name, "postal_code": op.parcel.recipient.address.postal_code,
            "weight_g": op.parcel.weight_g, "format": op.label_format.value,
        }  # fmt: skip
        return self._label(await self._ask("POST", "/api/labels", "buy label", json=body, key=op.key), op.key)

    async def find_label(self, key: IdempotencyKey) -> LabelReceipt | None:
        """Acme finds labels by their key."""
        found = await self._found("/api/labels", key)
        return self._label(found, key) if found else None

    async def void_label(self, op: VoidLabel) -> Receipt:
        """Void is void."""
        path = f"/api/labels/{op.shipment.external_id}/void"
        answer = await self._ask("POST", path, "void label", json={}, key=op.key, ref=op.shipment)
        return Receipt(key=op.key, external_id=self._text(answer, "id", "void label"))

    async def track(self, op: TrackShipment) -> Receipt:
        """One tracker per number."""
        body = {"number": op.tracking_number}
        answer = await self._ask("POST", "/api/trackers", "track", json=body, key=op.key)
        return Receipt(key=op.key, external_id=self._text(answer, "id", "track"))

    async def order(self, op: RequestReplacement | OrderParts) -> OrderReceipt:
        """Acme orders once per key."""
        body: dict[str, object] = {
            "model": op.product.model, "quantity": op.quantity, "to": op.recipient.name, "reference": op.reference,
        }  # fmt: skip
        if isinstance(op, RequestReplacement):
            body |= {"serial": op.serial, "fault": op.fault}
        return self._order(await self._ask("POST", "/api/orders", "order", json=body, key=op.key), op.key)

    async def find_order(self, key: IdempotencyKey) -> OrderReceipt | None:
        """Acme finds orders by their key."""
        found = await self._found("/api/orders", key)
        return self._order(found, key) if found else None

    async def cancel_order(self, op: CancelOrder) -> Receipt:
        """Cancelled is cancelled."""
        path = f"/api/orders/{op.order.external_id}/cancel"
        answer = await self._ask("POST", path, "cancel order", json={"reason": op.reason}, key=op.key, ref=op.order)
        return Receipt(key=op.key, external_id=self._text(answer, "id", "cancel order"))

    def may_write_assets(self) -> bool:
        """Where the settings say so."""
        return self.config.write_back

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        """Acme swaps once per key."""
        if not self.config.write_back:
            raise ConfigError("record swap: write_back is off", operation="record swap", hint="Set it to true.")
        body = {
            "failed": _id_of(op.failed), "failed_serial": op.failed_serial, "replacement": _id_of(op.replacement),
            "serial": op.serial, "tag": op.asset_tag, "model": _id_of(op.product_ref), "site": _id_of(op.site),
            "reference": op.reference,
        }  # fmt: skip
        return self._swap(await self._ask("POST", "/api/swaps", "record swap", json=body, key=op.key), op.key)

    async def find_swap(self, op: RecordSwap) -> SwapReceipt | None:
        """Acme finds swaps by their key."""
        found = await self._found("/api/swaps", op.key)
        return self._swap(found, op.key) if found else None

    def _swap(self, answer: Mapping[str, Any], key: IdempotencyKey) -> SwapReceipt:
        asset = self._text(answer, "asset", "record swap")
        failed = AssetState.RETURN_PENDING if answer.get("failed") else None
        return SwapReceipt(key, SourceRef(kind=EntityKind.ASSET, external_id=asset), failed_state=failed)

    def _order(self, answer: Mapping[str, Any], key: IdempotencyKey) -> OrderReceipt:
        try:
            record = order_of(answer)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation="order") from error
        return OrderReceipt(key, record.ref, record.order_number, record.state, record.expected_at)

    def _label(self, answer: Mapping[str, Any], key: IdempotencyKey) -> LabelReceipt:
        try:
            return LabelReceipt(
                key=key, shipment=SourceRef(kind=EntityKind.SHIPMENT, external_id=answer["id"]),
                tracking_number=answer["number"], carrier="acme", service="next_day",
                label_format=answer["format"], document=base64.b64decode(answer["document"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise UnexpectedResponse(f"the label lacks {error}", operation="buy label") from error

    async def _found(self, path: str, key: IdempotencyKey) -> dict[str, Any] | None:
        answer = await self._ask("GET", path, "find", params={"key": key})
        items = answer.get("items")
        if not isinstance(items, list):
            raise UnexpectedResponse("find: the answer has no 'items'", operation="find")
        return items[0] if items else None

    async def _ask(
        self, method: str, path: str, operation: str, *, params: Mapping[str, str] | None = None,
        json: object = None, key: str | None = None, ref: SourceRef | None = None, reads: bool | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """One request; its JSON object."""
        headers = {"idempotency-key": key} if key else {}
        try:
            response = await self.http.request(
                method, path, operation=operation, params=params, json=json, headers=headers, ref=ref, reads=reads
            )
        except Invalid as error:
            raise self._named(error) from None
        answer = self.http.json(response, operation=operation)
        if not isinstance(answer, dict):
            raise UnexpectedResponse(f"{operation}: the answer is no object", operation=operation)
        return answer

    def _named(self, error: Invalid) -> Invalid:
        """The refusal with the fields that Acme names in its answer."""
        try:
            fields = {str(name): str(why) for name, why in json.loads(error.detail)["fields"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return error
        return Invalid(error.message, fields=fields, operation=error.operation, ref=error.ref, detail=error.detail)

    def _text(self, answer: Mapping[str, Any], name: str, operation: str) -> str:
        value = answer.get(name)
        if not isinstance(value, str):
            raise UnexpectedResponse(f"{operation}: the answer has no {name!r}", operation=operation)
        return value


def _id_of(ref: SourceRef | None) -> str | None:
    return ref.external_id if ref else None
