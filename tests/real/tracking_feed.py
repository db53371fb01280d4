"""What a courier's tracking service would say, told by the tests: in the form of DHL's Shipment Tracking.

Karrio's offline carrier cannot track, so that Karrio's tracker asks this feed. A parcel is announced,
without any event, until a test says more of it:

    PUT /parcels/{number}    {"events": [{"status": "transit", "at": "2026-11-25T10:00:00", "place": "Leipzig",
                              "text": "left the depot"}]}    newest last
"""

from __future__ import annotations

import argparse
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.real.server import LOOPBACK

STATUSES = ("transit", "delivered", "failure", "unknown")
"""Those that Karrio understands; it would take DHL's `pre-transit` of an event for `in_transit`."""


def build() -> Starlette:
    """The feed, without any news yet."""
    news: dict[str, list[dict[str, Any]]] = {}

    async def track(request: Request) -> Response:
        number = request.query_params.get("trackingNumber")
        if not number:
            return JSONResponse({"title": "Bad Request", "status": 400, "detail": "no trackingNumber"}, 400)
        events = [
            _event(item["status"], item["at"], item["place"], item["text"]) for item in reversed(news.get(number, ()))
        ]
        status = events[0] if events else {"statusCode": "pre-transit", "status": "pre-transit"}
        shipment = {"id": number, "service": "express", "status": status, "events": events}
        return JSONResponse({"shipments": [shipment]})

    async def tell(request: Request) -> Response:
        events = (await request.json())["events"]
        unknown = sorted({event["status"] for event in events} - set(STATUSES))
        if unknown:
            return JSONResponse({"detail": f"unknown status {unknown[0]!r}, known are {', '.join(STATUSES)}"}, 400)
        news[request.path_params["number"]] = events
        return Response(status_code=204)

    return Starlette(routes=[Route("/track/shipments", track), Route("/parcels/{number}", tell, methods=["PUT"])])


def _event(status: str, at: str, place: str, text: str) -> dict[str, Any]:
    return {
        "timestamp": at,
        "location": {"address": {"addressLocality": place}},
        "statusCode": status,
        "status": status,
        "description": text,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    uvicorn.run(build(), host=LOOPBACK, port=parser.parse_args().port, log_level="warning")
