"""A sandbox of Acme Desk: everything in memory, the protocol as Acme speaks it."""

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.sdk import (
    AddNote,
    Address,
    AssetState,
    BuyLabel,
    CancelOrder,
    Clock,
    EntityKind,
    IdempotencyKey,
    OrderParts,
    Parcel,
    Party,
    ProductKey,
    RecordSwap,
    RequestReplacement,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    TicketState,
    TrackShipment,
    VoidLabel,
    WebhookRequest,
)
from connector.sdk.testing import (
    App,
    NotApplicable,
    Operation,
    OperationKind,
    Refused,
    Sandbox,
    SentWebhook,
    Signature,
    WithText,
)
from connector_acme.mapping import STATUSES

TOKEN = "acme-canary-5f0c2d"
SECRET = "acme-webhook-canary-77e1"
ADDRESS = Address(line1="1 Depot Road", city="Berlin", postal_code="10115", country="DE")


class AcmeSandbox(Sandbox):
    """Acme Desk in memory."""

    def __init__(self, clock: Clock) -> None:
        self.tickets: dict[str, dict[str, Any]] = {}
        self.sites: dict[str, dict[str, Any]] = {}
        self.changes: list[dict[str, Any]] = []
        self.labels: dict[str, dict[str, Any]] = {}
        self.trackers: dict[str, str] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.assets: dict[str, dict[str, Any]] = {}
        self.swaps: list[dict[str, Any]] = []
        self._clock = clock
        self._numbers = itertools.count(1)
        guarded = self._guarded
        self._app = Starlette(
            routes=[
                Route("/api/version", guarded(self._version)),
                Route("/api/sites", guarded(self._list_sites)),
                Route("/api/sites/{id}", guarded(self._site)),
                Route("/api/tickets", guarded(self._list_tickets)),
                Route("/api/tickets/{id}", guarded(self._ticket)),
                Route("/api/tickets/{id}/changes", guarded(self._change), methods=["POST"]),
                Route("/api/changes", guarded(self._find_change)),
                Route("/api/quotes", guarded(self._quote), methods=["POST"]),
                Route("/api/labels", guarded(self._buy), methods=["POST"]),
                Route("/api/labels", guarded(self._find_label)),
                Route("/api/labels/{id}/void", guarded(self._void), methods=["POST"]),
                Route("/api/orders", guarded(self._take_order), methods=["POST"]),
                Route("/api/orders", guarded(self._find_order)),
                Route("/api/orders/{id}", guarded(self._get_order)),
                Route("/api/orders/{id}/cancel", guarded(self._cancel_order), methods=["POST"]),
                Route("/api/assets/{id}", guarded(self._asset)),
                Route("/api/swaps", guarded(self._take_swap), methods=["POST"]),
                Route("/api/swaps", guarded(self._find_swap)),
                Route("/api/trackers", guarded(self._track), methods=["POST"]),
            ]
        )

    # The server

    def _guarded(self, handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def check(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return JSONResponse({"error": "who are you?"}, 401)
            return await handle(request)

        return check

    async def _version(self, request: Request) -> Response:
        return JSONResponse({"version": "2.1"})

    async def _list_sites(self, request: Request) -> Response:
        after, limit = request.query_params.get("after", ""), int(request.query_params["limit"])
        rows = [row for key, row in sorted(self.sites.items()) if key > after]
        rows = rows[int(request.query_params.get("offset", "0")) :]
        return JSONResponse({"items": rows[:limit], "more": len(rows) > limit})

    async def _site(self, request: Request) -> Response:
        row = self.sites.get(request.path_params["id"])
        return JSONResponse(row) if row else JSONResponse({"error": "no such site"}, 404)

    async def _list_tickets(self, request: Request) -> Response:
        query = request.query_params
        start = (query.get("from", ""), query.get("after", ""))
        rows = sorted(self.tickets.values(), key=lambda row: (row["updated"], row["id"]))
        rows = [row for row in rows if (row["updated"], row["id"]) > start]
        limit = int(query["limit"])
        return JSONResponse({"items": rows[:limit], "more": len(rows) > limit})

    async def _ticket(self, request: Request) -> Response:
        row = self.tickets.get(request.path_params["id"])
        return JSONResponse(row) if row else JSONResponse({"error": "no such ticket"}, 404)

    async def _change(self, request: Request) -> Response:
        key, body = request.headers.get("idempotency-key"), await request.json()
        earlier = [change for change in self.changes if key and change["key"] == key]
        if earlier:
            return JSONResponse(earlier[0])
        if "status" in body and body["status"] not in STATUSES.values():
            return JSONResponse({"fields": {"status": "unknown status"}}, 422)
        if len(body.get("note", "")) > 4_000:
            return JSONResponse({"fields": {"note": "too long"}}, 422)
        if "colour" in body.get("fields", {}):
            return JSONResponse({"fields": {"colour": "no such field"}}, 422)
        change = {"id": f"c{next(self._numbers)}", "key": key, "ticket": request.path_params["id"], **body}
        self.changes.append(change)
        return JSONResponse(change, 201)

    async def _find_change(self, request: Request) -> Response:
        key = request.query_params["key"]
        return JSONResponse({"items": [change for change in self.changes if change["key"] == key]})

    async def _quote(self, request: Request) -> Response:
        return JSONResponse({"amount_cents": 500 + (await request.json())["weight_g"] // 10})

    async def _buy(self, request: Request) -> Response:
        key, body = request.headers.get("idempotency-key"), await request.json()
        for label in self.labels.values():
            if key and label["key"] == key:
                return JSONResponse(label)
        if not body["postal_code"]:
            return JSONResponse({"fields": {"postal_code": "is required"}}, 422)
        number = f"l{next(self._numbers)}"
        document = base64.b64encode(b"%PDF-1.4 label").decode()
        self.labels[number] = {
            **body, "id": number, "key": key, "number": f"AC{number}", "document": document, "state": "bought",
        }  # fmt: skip
        return JSONResponse(self.labels[number], 201)

    async def _find_label(self, request: Request) -> Response:
        key = request.query_params["key"]
        return JSONResponse({"items": [label for label in self.labels.values() if label["key"] == key]})

    async def _void(self, request: Request) -> Response:
        label = self.labels.get(request.path_params["id"])
        if label is None:
            return JSONResponse({"fields": {"label": "no such label"}}, 422)
        if label["state"] == "used":
            return JSONResponse({"error": "the parcel is under way"}, 409)
        label["state"] = "void"
        return JSONResponse({"id": label["id"]})

    async def _track(self, request: Request) -> Response:
        number = (await request.json())["number"]
        if not number.startswith("AC"):
            return JSONResponse({"fields": {"number": "is none of ours"}}, 422)
        return JSONResponse({"id": self.trackers.setdefault(number, f"t{next(self._numbers)}")})

    async def _take_order(self, request: Request) -> Response:
        key, body = request.headers.get("idempotency-key"), await request.json()
        for order in self.orders.values():
            if key and order["key"] == key:
                return JSONResponse(order)
        if not body["to"]:
            return JSONResponse({"fields": {"to": "is required"}}, 422)
        return JSONResponse(self._add_order(key=key, **body), 201)

    def _add_order(self, **fields: object) -> dict[str, Any]:
        number = f"o{next(self._numbers)}"
        self.orders[number] = {"id": number, "state": "taken", "updated": self._clock.now().isoformat(), **fields}
        return self.orders[number]

    async def _find_order(self, request: Request) -> Response:
        key = request.query_params["key"]
        return JSONResponse({"items": [order for order in self.orders.values() if order["key"] == key]})

    async def _get_order(self, request: Request) -> Response:
        row = self.orders.get(request.path_params["id"])
        return JSONResponse(row) if row else JSONResponse({"error": "no such order"}, 404)

    async def _cancel_order(self, request: Request) -> Response:
        order = self.orders.get(request.path_params["id"])
        if order is None:
            return JSONResponse({"error": "no such order"}, 404)
        if not (await request.json())["reason"]:
            return JSONResponse({"fields": {"reason": "is required"}}, 422)
        if order["state"] == "sent":
            return JSONResponse({"error": "it is under way"}, 409)
        order["state"] = "cancelled"
        return JSONResponse(order)

    async def _asset(self, request: Request) -> Response:
        row = self.assets.get(request.path_params["id"])
        return JSONResponse(row) if row else JSONResponse({"error": "no such asset"}, 404)

    async def _take_swap(self, request: Request) -> Response:
        key, body = request.headers.get("idempotency-key"), await request.json()
        earlier = [swap for swap in self.swaps if key and swap["key"] == key]
        if earlier:
            return JSONResponse(earlier[0])
        failed, moved = self.assets.get(body["failed"]), self.assets.get(body["replacement"])
        stands_for_it = moved or failed
        if stands_for_it is None:
            return JSONResponse({"error": "no such asset"}, 404)
        if body["tag"] in {row["tag"] for row in self.assets.values() if row is not stands_for_it}:
            return JSONResponse({"fields": {"tag": "another asset has it"}}, 422)
        values = {"serial": body["serial"], "tag": body["tag"], "model": body["model"], "state": "deployed"}
        if moved is None and stands_for_it["serial"] != body["failed_serial"]:
            return JSONResponse({"error": "another device"}, 409)
        if failed is not None:
            failed["state"] = "return_pending"
        stands_for_it |= {**values, "site": body["site"]}
        self.swaps.append({
            "key": key, "serial": body["serial"], "asset": stands_for_it["id"],
            "failed": failed["id"] if moved and failed else None,
        })  # fmt: skip
        return JSONResponse(self.swaps[-1], 201)

    async def _find_swap(self, request: Request) -> Response:
        key = request.query_params["key"]
        return JSONResponse({"items": [swap for swap in self.swaps if swap["key"] == key]})

    # What the kit asks for

    def app(self) -> App | None:
        return self._app

    def settings(self) -> Mapping[str, object]:
        return {
            "base_url": "http://acme.test", "token": TOKEN, "webhook_secret": SECRET, "page_size": 5,
            "max_concurrency": 3, "write_back": True,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        return {**self.settings(), "token": "wrong-0000000000"}

    def page_size(self, stream: str) -> int:
        return 5

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        if stream == "sites":
            return tuple(self._add_site() for _ in range(count))
        return tuple(self._add_ticket(at + step * number) for number in range(count))

    def _add_site(self, **fields: object) -> SourceRef:
        key = f"s{next(self._numbers):06}"
        self.sites[key] = {"id": key, "name": f"Site {key}", "lat": 52.5, "lon": 13.4, **fields}
        return SourceRef(kind=EntityKind.SITE, external_id=key)

    def _add_ticket(self, at: datetime, **fields: object) -> SourceRef:
        key = f"t{next(self._numbers):06}"
        self.tickets[key] = {
            "id": key, "subject": f"Ticket {key}", "status": "open", "urgency": 1, "updated": at.isoformat(), **fields,
        }  # fmt: skip
        return SourceRef(kind=EntityKind.TICKET, external_id=key)

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        if ref.kind is EntityKind.SITE:
            self.sites[ref.external_id]["name"] = f"Changed {at}"
        else:
            self.tickets[ref.external_id].update(subject=f"Changed {at}", updated=at.isoformat())

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        if ref.kind is EntityKind.SITE:
            del self.sites[ref.external_id]
        else:
            self.tickets[ref.external_id].update(deleted=True, updated=at.isoformat())

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        return self._add_site(lat=123.0) if stream == "sites" else self._add_ticket(at, subject=None)

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        if stream == "sites":
            return self._add_site(colour="red", lat=None)
        return self._add_ticket(at, colour="red", status="pondering")

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        event = "ticket.updated" if ref else "ticket.created"
        if ref:
            self.touch(ref, at=at)
        else:
            ref = self._add_ticket(at)
        return SentWebhook(ref, self._signed(event, at, ticket=self.tickets[ref.external_id]))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        return self._signed("survey.answered", at, survey={"stars": 5})

    def _signed(self, event: str, at: datetime, **content: object) -> WebhookRequest:
        body = json.dumps({"event": event, "sent_at": at.isoformat(), **content}).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        return WebhookRequest(headers={"x-acme-signature": signature}, body=body, received_at=at)

    def signature(self) -> Signature:
        return Signature("x-acme-signature", expires_after=timedelta(minutes=5))

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        ticket = SourceRef(kind=EntityKind.TICKET, external_id="t1")
        if kind is AddNote:
            return AddNote(key, ticket, "A spare is on its way")
        if kind is SetTicketState:
            return SetTicketState(key, ticket, TicketState.IN_PROGRESS)
        if kind is SetTicketFields:
            return SetTicketFields(key, ticket, {"Spare": "SN1"})
        if kind is VoidLabel:
            return VoidLabel(key, self._bought("bought"))
        if kind is TrackShipment:
            return TrackShipment(key, "AC1", "acme")
        switch = ProductKey(manufacturer="Acme", model="SW-48")
        if kind is RequestReplacement:
            return RequestReplacement(key, switch, "SN1", "No power", Party("Zoë", ADDRESS), reference="INC-1")
        if kind is OrderParts:
            return OrderParts(key, switch, 2, Party("Zoë", ADDRESS), reference="INC-1")
        if kind is RecordSwap:
            failed, spare = self._add_asset("SN1", "deployed"), self._add_asset("SN2", "in_stock")
            return RecordSwap(
                key, _asset_ref(failed), _asset_ref(spare), "SN1", "SN2", self.assets[spare]["tag"], switch,
                SourceRef(kind=EntityKind.PRODUCT, external_id="SW-48"),
                SourceRef(kind=EntityKind.SITE, external_id="s1"), reference="INC-1",
            )  # fmt: skip
        if kind is CancelOrder:
            order = self._add_order(key=None)
            return CancelOrder(key, _order_ref(order["id"]), "A unit from stock came first")
        return BuyLabel(key, Parcel(Party("Hub", ADDRESS), Party("Zoë", ADDRESS), weight_g=4_500), reference="INC-1")

    def _add_asset(self, serial: str, state: str) -> str:
        number, site = f"a{next(self._numbers)}", "s1" if state == AssetState.DEPLOYED else "depot"
        self.assets[number] = {
            "id": number, "serial": serial, "tag": f"T-{number}", "model": "SW-48", "site": site, "state": state,
        }  # fmt: skip
        return number

    def _bought(self, state: str) -> SourceRef:
        number = f"l{next(self._numbers)}"
        self.labels[number] = {"id": number, "key": None, "state": state}
        return SourceRef(kind=EntityKind.SHIPMENT, external_id=number)

    def effects(self, operation: Operation) -> int:
        match operation:
            case AddNote():
                return sum(change.get("note") == operation.body for change in self.changes)
            case SetTicketState():
                return sum("status" in change for change in self.changes)
            case SetTicketFields():
                return sum("fields" in change for change in self.changes)
            case BuyLabel():
                return sum(label["key"] == operation.key for label in self.labels.values())
            case VoidLabel():
                return int(self.labels[operation.shipment.external_id]["state"] == "void")
            case RequestReplacement() | OrderParts():
                wanted = (operation.reference, operation.quantity)
                return sum((order.get("reference"), order.get("quantity")) == wanted for order in self.orders.values())
            case RecordSwap():
                return sum(swap["serial"] == operation.serial for swap in self.swaps)
            case CancelOrder():
                return int(self.orders[operation.order.external_id]["state"] == "cancelled")
            case TrackShipment():
                return len(self.trackers)

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        ticket = SourceRef(kind=EntityKind.TICKET, external_id="t1")
        if kind is AddNote:
            return Refused(AddNote(key, ticket, "x" * 4_001), "note")
        if kind is SetTicketFields:
            return Refused(SetTicketFields(key, ticket, {"colour": "red"}), "colour")
        if kind is VoidLabel:
            return Refused(VoidLabel(key, SourceRef(kind=EntityKind.SHIPMENT, external_id="none")), "label")
        if kind in (RequestReplacement, OrderParts):
            operation = self.operation(kind, key)
            assert isinstance(operation, RequestReplacement | OrderParts)
            return Refused(replace(operation, recipient=Party("", ADDRESS)), "to")
        if kind is RecordSwap:
            swap = self.operation(kind, key)
            assert isinstance(swap, RecordSwap)
            return Refused(replace(swap, asset_tag=self.assets[self._add_asset("SN3", "deployed")]["tag"]), "tag")
        if kind is CancelOrder:
            return Refused(CancelOrder(key, _order_ref(self._add_order(key=None)["id"]), ""), "reason")
        if kind is TrackShipment:
            return Refused(TrackShipment(key, "XX1", "acme"), "number")
        if kind is BuyLabel:
            nowhere = Party("Zoë", Address(city="Berlin", country="DE"))
            return Refused(BuyLabel(key, Parcel(nowhere, nowhere, weight_g=1), reference="INC-1"), "postal_code")
        raise NotApplicable("Acme knows every state that the hub knows, bar cancelled")

    def void_of_used_label(self, key: IdempotencyKey) -> VoidLabel:
        return VoidLabel(key, self._bought("used"))

    def longest_text(self, operation: WithText) -> int:
        return 4_000

    def stored_text(self, operation: WithText) -> str:
        if isinstance(operation, BuyLabel):
            texts = [label["consignee"] for label in self.labels.values() if label["key"] == operation.key]
        elif isinstance(operation, RequestReplacement):
            texts = [order["fault"] for order in self.orders.values() if order["key"] == operation.key]
        else:
            wanted = "note" if isinstance(operation, AddNote) else "fields"
            changes = [change for change in self.changes if wanted in change]
            texts = [change.get("note") or change["fields"]["Spare"] for change in changes[-1:]]
        return str(texts[0])

    def send_order(self, order: SourceRef, *, carrier: str, tracking_number: str, at: datetime) -> None:
        sent = {"state": "sent", "carrier": carrier, "parcel": tracking_number, "updated": at.isoformat()}
        self.orders[order.external_id].update(sent)

    def settings_without_write_back(self) -> Mapping[str, object]:
        return {**self.settings(), "write_back": False}

    def unknown_asset(self) -> SourceRef:
        return _asset_ref("a0")

    def unknown_order(self) -> SourceRef:
        return _order_ref("o0")


def _order_ref(number: str) -> SourceRef:
    return SourceRef(kind=EntityKind.PROCUREMENT, external_id=number)


def _asset_ref(number: str) -> SourceRef:
    return SourceRef(kind=EntityKind.ASSET, external_id=number)
