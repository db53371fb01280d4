"""SANDBOX: the HTTP side of the sandbox of Karrio, answers in the shape of version 2026.1.32."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connector_karrio.sandbox.hooks import Hooks
from connector_karrio.sandbox.labels import draw
from connector_karrio.sandbox.office import SHIPMENT_STATUSES, TRACKER_STATUSES, Office, Refusal
from connector_karrio.sandbox.shapes import PickupBody, RatesBody, ShipmentBody, TrackerBody, checked
from connector_karrio.sandbox.tariff import CARRIERS

VERSION = "2026.1.32 (sandbox)"
MEDIA = {"PDF": "application/pdf", "ZPL": "application/octet-stream"}
Answer: TypeAlias = Callable[[Request], Awaitable[Response]]


class Counter:
    """Answers requests for an office; what happened is told to the hooks after each."""

    def __init__(self, office: Office, token: str, hooks: Hooks) -> None:
        self._office = office
        self._token = token
        self._hooks = hooks

    def app(self, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]]) -> Starlette:
        """The server."""
        routes: list[tuple[str, str, Answer]] = [
            ("GET", "/v1/connections", self._connections),
            ("POST", "/v1/proxy/rates", self._rates),
            ("GET", "/v1/shipments", self._shipments),
            ("POST", "/v1/shipments", self._create),
            ("GET", "/v1/shipments/{id}", self._shipment),
            ("POST", "/v1/shipments/{id}/purchase", self._purchase),
            ("POST", "/v1/shipments/{id}/cancel", self._cancel),
            ("POST", "/v1/shipments/{id}/documents/label", self._document),
            ("GET", "/v1/pickups", self._pickups),
            ("POST", "/v1/pickups", self._schedule),
            ("GET", "/v1/pickups/{id}", self._pickup),
            ("POST", "/v1/pickups/{id}/cancel", self._call_off),
            ("GET", "/v1/trackers", self._trackers),
            ("POST", "/v1/trackers", self._track),
            ("GET", "/v1/trackers/{id}", self._tracker),
            ("DELETE", "/v1/trackers/{id}", self._discard),
            ("POST", "/v1/trackers/{id}/inject-events", self._inject),
            ("GET", "/v1/webhooks", self._webhooks),
            ("POST", "/v1/webhooks", self._hook),
        ]
        guarded = [Route(path, self._guarded(answer), methods=[method]) for method, path, answer in routes]
        free = [Route("/", self._home), Route("/v1/shipments/{id}/label.{format}", self._file)]
        return Starlette(routes=[*free, *guarded], lifespan=lifespan)

    def _guarded(self, answer: Answer) -> Answer:
        async def respond(request: Request) -> Response:
            given = request.headers.get("authorization")
            try:
                if not given:
                    raise Refusal(401, "not_authenticated", "Authentication credentials were not provided.")
                if given != f"Token {self._token}":
                    raise Refusal(401, "invalid_token", "Given token not valid for any token type")
                response = await answer(request)
            except Refusal as refusal:
                response = JSONResponse(refusal.body, status_code=refusal.status)
            await self._hooks.post(self._office.take_outbox())
            return response

        return respond

    async def _home(self, _request: Request) -> Response:
        return JSONResponse({"VERSION": VERSION, "APP_NAME": "Karrio sandbox"})

    async def _connections(self, request: Request) -> Response:
        rows = [
            {"id": f"car_{name}", "object_type": "carrier-connection", "carrier_name": name, "carrier_id": name,
             "display_name": name, "capabilities": ["rating", "shipping", "tracking"], "active": True,
             "test_mode": True, "is_system": False}
            for name in CARRIERS
        ]  # fmt: skip
        return _page(request, rows)

    async def _rates(self, request: Request) -> Response:
        body = checked(RatesBody, await _body(request))
        return JSONResponse({"messages": [], "rates": self._office.rates(body)})

    async def _create(self, request: Request) -> Response:
        body = checked(ShipmentBody, await _body(request))
        return JSONResponse(self._office.create_shipment(body), status_code=201)

    async def _shipments(self, request: Request) -> Response:
        asked = request.query_params
        if (status := asked.get("status")) and status not in SHIPMENT_STATUSES:
            raise Refusal(
                400, "validation", f"status: Select a valid choice. {status} is not one of the available choices."
            )
        rows = [
            shipment
            for shipment in self._newest(self._office.shipments)
            if asked.get("status", shipment["status"]) == shipment["status"]
            and asked.get("reference", "").casefold() in str(shipment["reference"] or "").casefold()
            and asked.get("tracking_number", "").casefold() in str(shipment["tracking_number"] or "").casefold()
            and ("metadata_key" not in asked or asked["metadata_key"] in shipment["metadata"])
            and ("metadata_value" not in asked or asked["metadata_value"] in shipment["metadata"].values())
        ]
        return _page(request, rows)

    async def _shipment(self, request: Request) -> Response:
        return JSONResponse(self._known(request))

    async def _purchase(self, request: Request) -> Response:
        bought = self._office.purchase(self._known(request), await _body(request))
        return JSONResponse(bought | {"shipping_documents": [self._drawn(bought)]})

    async def _cancel(self, request: Request) -> Response:
        shipment = self._office.shipments.get(request.path_params["id"])
        if shipment is None:
            raise Refusal(404, "not_found", "Resource not found")
        return JSONResponse(shipment, status_code=200 if self._office.cancel(shipment) else 202)

    async def _document(self, request: Request) -> Response:
        shipment = self._office.shipments.get(request.path_params["id"])
        if shipment is None or not shipment["tracking_number"]:
            message = f"Shipment '{request.path_params['id']}' not found or has no label"
            return JSONResponse({"errors": [{"message": message}]}, status_code=404)
        return JSONResponse(self._drawn(shipment))

    async def _file(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Token {self._token}":
            return PlainTextResponse("Access token required.", status_code=403)
        shipment = self._office.shipments.get(request.path_params["id"])
        if shipment is None or not shipment["tracking_number"]:
            return JSONResponse({"errors": [{"message": "not found or has no label"}]}, status_code=404)
        return Response(draw(shipment, shipment["label_type"]), media_type=MEDIA[shipment["label_type"]])

    async def _pickups(self, request: Request) -> Response:
        after = datetime.fromisoformat(request.query_params.get("created_after", "1970-01-01T00:00:00Z"))
        rows = [each for each in self._newest(self._office.pickups) if self._office.made_at[each["id"]] >= after]
        return _page(request, rows)

    async def _schedule(self, request: Request) -> Response:
        body = checked(PickupBody, await _body(request))
        return JSONResponse(self._office.schedule(body), status_code=201)

    async def _pickup(self, request: Request) -> Response:
        return JSONResponse(self._ordered(request))

    async def _call_off(self, request: Request) -> Response:
        return JSONResponse(self._office.call_off(self._ordered(request)))

    def _ordered(self, request: Request) -> dict[str, Any]:
        pickup = self._office.pickups.get(request.path_params["id"])
        if pickup is None:
            raise Refusal(404, "not_found", "Pickup not found")
        return pickup

    async def _trackers(self, request: Request) -> Response:
        asked = request.query_params
        if (status := asked.get("status")) and status not in TRACKER_STATUSES:
            raise Refusal(
                400, "validation", f"status: Select a valid choice. {status} is not one of the available choices."
            )
        after = datetime.fromisoformat(asked["created_after"]) if "created_after" in asked else None
        rows = [
            tracker
            for tracker in self._newest(self._office.trackers)
            if asked.get("status", tracker["status"]) == tracker["status"]
            and asked.get("tracking_number", "").casefold() in tracker["tracking_number"].casefold()
            and (after is None or self._office.made_at[tracker["id"]] >= after)
        ]
        return _page(request, rows)

    async def _track(self, request: Request) -> Response:
        body = checked(TrackerBody, await _body(request))
        tracker = self._office.add_tracker(body["tracking_number"], body["carrier_name"])
        return JSONResponse(tracker, status_code=202)

    async def _tracker(self, request: Request) -> Response:
        return JSONResponse(self._reported(request))

    async def _discard(self, request: Request) -> Response:
        return JSONResponse(self._office.trackers.pop(self._reported(request)["id"]))

    async def _inject(self, request: Request) -> Response:
        tracker = self._reported(request)
        body = await _body(request)
        tracker["events"] = [*body.get("events", []), *tracker["events"]]
        self._office.set_status(tracker, body.get("status") or tracker["status"])
        return JSONResponse({"operation": "Inject Tracking Events", "success": True})

    async def _webhooks(self, request: Request) -> Response:
        return _page(request, self._hooks.told())

    async def _hook(self, request: Request) -> Response:
        body = await _body(request)
        if not body.get("url"):
            raise Refusal(400, "validation", "url: This field is required.")
        hook = self._hooks.add(str(body["url"]), self._office.new_id("whsec"), body.get("enabled_events") or ["all"])
        return JSONResponse(hook, status_code=201)

    def _known(self, request: Request) -> dict[str, Any]:
        shipment = self._office.shipments.get(request.path_params["id"])
        if shipment is None:
            raise Refusal(404, "not_found", "Shipment not found")
        return shipment

    def _reported(self, request: Request) -> dict[str, Any]:
        wanted = request.path_params["id"]
        for tracker in self._office.trackers.values():
            if wanted in (tracker["id"], tracker["tracking_number"]):
                return tracker
        raise Refusal(404, "not_found", "Tracking not found")

    def _drawn(self, shipment: dict[str, Any]) -> dict[str, Any]:
        document = base64.b64encode(draw(shipment, shipment["label_type"])).decode()
        return {
            "category": "label", "format": shipment["label_type"], "print_format": None,
            "url": shipment["label_url"], "base64": document,
        }  # fmt: skip

    def _newest(self, rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows.values(), key=lambda row: (self._office.made_at[row["id"]], row["id"]), reverse=True)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise Refusal(400, "parse_error", "JSON parse error") from None
    if not isinstance(body, dict):
        raise Refusal(400, "validation", "non_field_errors: Invalid data.")
    return body


def _page(request: Request, rows: Sequence[dict[str, Any]]) -> Response:
    def number(name: str, default: int) -> int:
        given = request.query_params.get(name, "")
        return int(given) if given.isdigit() else default

    limit, offset = number("limit", 20) or 20, number("offset", 0)
    following = offset + limit
    url = str(request.url.include_query_params(limit=limit, offset=following)) if following < len(rows) else None
    return JSONResponse({"count": len(rows), "next": url, "previous": None, "results": rows[offset:following]})
