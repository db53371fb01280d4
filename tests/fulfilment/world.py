"""The outside world of the fulfilment tests: a courier and a ticket desk behind one HTTP server, and adapters to them.

The server records what was really done; the adapters are as real ones are, idempotent by key through find. Tests run
it in their own process (`World.connections`) or on a loopback port, so that it outlives a hub that is killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.sdk import (
    Adapter,
    AdapterConfig,
    AddNote,
    BuyLabel,
    Clock,
    Connection,
    EntityKind,
    Health,
    LabelFormat,
    LabelReceipt,
    NotOffered,
    Parcel,
    Quote,
    Receipt,
    SetTicketFields,
    SetTicketState,
    SourceClient,
    SourceRef,
    TrackShipment,
    UnexpectedResponse,
    VoidLabel,
)

BASE = "http://world.test"


@dataclass
class World:
    """What the outside world knows.

    labels: by number; quoted: lanes that offers were asked for; notes: what was written to which ticket;
    refuse: path -> (status, how many times); drop_answer: paths whose effect happens and whose answer is lost, how
    many times.
    """

    url: str = BASE
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)
    fields: dict[str, dict[str, str]] = field(default_factory=dict)
    states: list[tuple[str, str]] = field(default_factory=list)
    tracked: list[str] = field(default_factory=list)
    quoted: list[tuple[str, str]] = field(default_factory=list)
    refuse: dict[str, tuple[int, int]] = field(default_factory=dict)
    drop_answer: dict[str, int] = field(default_factory=dict)
    offers: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"carrier": "dhl", "service": "economy", "amount_cents": 900, "transit_days": 5},
            {"carrier": "dhl", "service": "express", "amount_cents": 4_200, "transit_days": 1},
        ]
    )

    def bought(self) -> list[str]:
        """Numbers of the labels that are paid for and not voided."""
        return [number for number, label in self.labels.items() if label["status"] != "voided"]

    def told(self, ticket: str) -> list[str]:
        """First lines of the notes on a ticket."""
        return [note["body"].splitlines()[0] for note in self.notes if note["ticket"] == ticket]

    def app(self) -> Starlette:
        """The server."""
        routes = [
            Route("/quotes", self._quotes, methods=["POST"]),
            Route("/labels", self._labels, methods=["GET", "POST"]),
            Route("/labels/{number}/void", self._void, methods=["POST"]),
            Route("/trackers", self._trackers, methods=["POST"]),
            Route("/notes", self._notes, methods=["GET", "POST"]),
            Route("/tickets/{ticket}", self._ticket, methods=["GET", "PATCH"]),
        ]
        return Starlette(routes=routes)

    def connections(self, clock: Clock) -> dict[str, Connection]:
        """Connections to this world within the process."""
        return connections(BASE, clock, transport=_Wire(self))

    async def _quotes(self, request: Request) -> Response:
        body = await request.json()
        self.quoted.append((body["from"], body["to"]))
        return JSONResponse(self.offers)

    async def _labels(self, request: Request) -> Response:
        if request.method == "GET":
            key = request.query_params["key"]
            return JSONResponse([label for label in self.labels.values() if label["key"] == key])
        body = await request.json()
        number = f"TRK{len(self.labels) + 1:04}"
        self.labels[number] = {**body, "number": number, "status": "bought"}
        return JSONResponse(self.labels[number])

    async def _void(self, request: Request) -> Response:
        label = self.labels.get(request.path_params["number"])
        if label is None:
            return JSONResponse({"error": "no such label"}, status_code=404)
        if label["status"] == "picked_up":
            return JSONResponse({"error": "under way"}, status_code=409)
        label["status"] = "voided"
        return JSONResponse(label)

    async def _trackers(self, request: Request) -> Response:
        number = (await request.json())["number"]
        if number not in self.tracked:
            self.tracked.append(number)
        return JSONResponse({"id": number})

    async def _notes(self, request: Request) -> Response:
        if request.method == "GET":
            key = request.query_params["key"]
            return JSONResponse([note for note in self.notes if note["key"] == key])
        note = {**(await request.json()), "id": str(len(self.notes) + 1)}
        self.notes.append(note)
        return JSONResponse(note)

    async def _ticket(self, request: Request) -> Response:
        ticket = request.path_params["ticket"]
        if request.method == "PATCH":
            body = await request.json()
            self.fields.setdefault(ticket, {}).update(body.get("fields", {}))
            if "state" in body:
                self.states.append((ticket, body["state"]))
        return JSONResponse({"fields": self.fields.get(ticket, {})})


class _Wire(httpx.ASGITransport):
    """The way to the world, on which requests can be refused and answers lost."""

    def __init__(self, world: World) -> None:
        super().__init__(app=world.app())
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = f"{request.method} {request.url.path.split('/')[1]}"
        if request.url.path.endswith("/void"):
            name = "POST void"
        status, times = self._world.refuse.get(name, (0, 0))
        if times > 0:
            self._world.refuse[name] = (status, times - 1)
            return httpx.Response(status, json={"error": "refused"}, request=request)
        response = await super().handle_async_request(request)
        if self._world.drop_answer.get(name, 0) > 0:
            self._world.drop_answer[name] -= 1
            raise httpx.ReadError("connection lost", request=request)
        return response


class Courier(Adapter[AdapterConfig]):
    """Carries parcels."""

    @classmethod
    def config_type(cls) -> type[AdapterConfig]:
        return AdapterConfig

    async def check(self) -> Health:
        return Health()

    async def quote(self, parcel: Parcel) -> tuple[Quote, ...]:
        lane = {"from": parcel.sender.company, "to": parcel.recipient.company}
        response = await self.http.request("POST", "/quotes", operation="quote", json=lane, reads=True)
        return tuple(Quote(**offer, currency="EUR") for offer in response.json())

    async def buy_label(self, op: BuyLabel) -> LabelReceipt:
        body = {"key": op.key, "carrier": op.carrier, "service": op.service, "reference": op.reference}
        return _label((await self.http.request("POST", "/labels", operation="buy label", json=body)).json())

    async def void_label(self, op: VoidLabel) -> Receipt:
        path = f"/labels/{op.shipment.external_id}/void"
        try:
            await self.http.request("POST", path, operation="void label", json={})
        except UnexpectedResponse as error:  # 405: it has no such thing
            raise NotOffered("the courier takes no label back", operation="void label") from error
        return Receipt(key=op.key, external_id=op.shipment.external_id)

    async def find_label(self, key: str) -> LabelReceipt | None:
        found = (await self.http.request("GET", "/labels", operation="find label", params={"key": key})).json()
        return _label(found[0]) if found else None

    async def track(self, op: TrackShipment) -> Receipt:
        await self.http.request("POST", "/trackers", operation="track", json={"number": op.tracking_number})
        return Receipt(key=op.key, external_id=op.tracking_number)


class Desk(Adapter[AdapterConfig]):
    """Keeps tickets."""

    @classmethod
    def config_type(cls) -> type[AdapterConfig]:
        return AdapterConfig

    async def check(self) -> Health:
        return Health()

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        ticket = op.ticket.external_id
        match op:
            case AddNote():
                body = {"key": op.key, "ticket": ticket, "body": op.body, "is_public": op.is_public}
                note = (await self.http.request("POST", "/notes", operation="add note", json=body)).json()
                return Receipt(key=op.key, external_id=note["id"])
            case SetTicketState():
                change: Mapping[str, Any] = {"state": op.state.value}
            case SetTicketFields():
                change = {"fields": dict(op.fields)}
        await self.http.request("PATCH", f"/tickets/{ticket}", operation="update ticket", json=change)
        return Receipt(key=op.key, external_id=ticket)

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        if not isinstance(op, AddNote):
            return None
        found = (await self.http.request("GET", "/notes", operation="find note", params={"key": op.key})).json()
        return Receipt(key=op.key, external_id=found[0]["id"]) if found else None


def _label(label: Mapping[str, Any]) -> LabelReceipt:
    number = label["number"]
    return LabelReceipt(
        key=label["key"],
        shipment=SourceRef(kind=EntityKind.SHIPMENT, external_id=number),
        tracking_number=number,
        carrier=label["carrier"],
        service=label["service"],
        label_format=LabelFormat.PDF,
        document=f"%PDF label {number}".encode(),
        amount_cents=4_200,
        currency="EUR",
        tracking_url=f"https://track.example/{number}",
    )


def connections(base: str, clock: Clock, *, transport: httpx.AsyncBaseTransport | None = None) -> dict[str, Connection]:
    """The hub's connections to the world at an address."""
    config = AdapterConfig()

    def client() -> SourceClient:
        return SourceClient(base, timeout=timedelta(seconds=10), attempts=1, transport=transport)

    desk, courier = client(), client()
    return {
        "itsm": Connection("itsm", "desk", Desk(config, desk, clock), desk),
        "courier": Connection("courier", "world", Courier(config, courier, clock), courier),
    }
