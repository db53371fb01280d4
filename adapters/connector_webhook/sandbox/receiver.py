"""SANDBOX: the side of Acme Desk that receives webhooks, as Standard Webhooks asks of whoever receives them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LONGEST_NOTE, LONGEST_FIELD = 4_000, 255
TOLERANCE_SECONDS = 300
STATES = {"new", "in_progress", "on_hold", "resolved", "closed", "cancelled"}


@dataclass
class DeskTicket:
    """A ticket. history: states that it was moved to. changes: fields that were set."""

    number: str
    status: str = "Open"
    notes: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)


class Receiver:
    """Takes events once by their id. key: bytes of the secret. now: the desk's clock. seen: headers of each post."""

    def __init__(self, key: bytes, now: Callable[[], datetime]) -> None:
        self._key = key
        self._now = now
        self._done: set[str] = set()
        self.tickets: dict[str, DeskTicket] = {}
        self.events: list[dict[str, Any]] = []

    def app(self) -> Starlette:
        """The server."""
        return Starlette(routes=[Route("/hooks/connector", self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        body = await request.body()
        if not self._is_signed(request, body):
            return JSONResponse({"error": "signature"}, 401)
        event = json.loads(body)
        if request.headers["webhook-id"] != event["id"]:
            return JSONResponse({"errors": {"id": "is not that of the message"}}, 400)
        if event["id"] in self._done:
            return Response(status_code=204)
        refused = self._apply(event)
        if refused:
            return JSONResponse({"errors": refused}, 422)
        self._done.add(event["id"])
        self.events.append(event)
        return Response(status_code=204)

    def _is_signed(self, request: Request, body: bytes) -> bool:
        sent = request.headers.get("webhook-timestamp", "")
        if not sent.isdigit() or abs(self._now().timestamp() - int(sent)) > TOLERANCE_SECONDS:
            return False
        message = b".".join((request.headers.get("webhook-id", "").encode(), sent.encode(), body))
        wanted = "v1," + base64.b64encode(hmac.new(self._key, message, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(wanted, given) for given in request.headers["webhook-signature"].split(" "))

    def _apply(self, event: dict[str, Any]) -> dict[str, str]:
        """Do what the event says; what is wrong with it by field, empty where all is well or nothing is known of it."""
        data, kind = event["data"], event["type"].removeprefix("connector.ticket.")
        if kind == event["type"]:
            return {}
        ticket = self.tickets.get(data["ticket"])
        if ticket is None:
            return {"ticket": "is unknown"}
        match kind:
            case "note_added":
                if not data["body"].strip() or len(data["body"]) > LONGEST_NOTE:
                    return {"body": f"must have 1 to {LONGEST_NOTE} characters"}
                ticket.notes.append(data["body"])
            case "state_set":
                if data["state"] not in STATES or data["state"] == "cancelled":
                    return {"state": "is none of this desk's"}
                ticket.history.append(data["state"])
            case "fields_set":
                wrong = [
                    name for name, value in data["fields"].items() if len(value) > LONGEST_FIELD or not name.strip()
                ]
                if wrong:
                    return dict.fromkeys(wrong, f"is longer than {LONGEST_FIELD} characters")
                ticket.fields |= data["fields"]
                ticket.changes += data["fields"].items()
        return {}
