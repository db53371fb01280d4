"""What the hub writes on tickets, posted as signed CloudEvents of which each happens once by its id."""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeAlias

from connector.sdk import (
    AddNote,
    Clock,
    ConfigError,
    Invalid,
    InvalidRecord,
    Receipt,
    SetTicketFields,
    SetTicketState,
    SourceClient,
    SourceRef,
    UnexpectedResponse,
)
from connector.sdk.answers import refusal, said
from connector_webhook.config import Delivered, WebhookConfig
from connector_webhook.signatures import standard_headers

Operation: TypeAlias = AddNote | SetTicketState | SetTicketFields
KINDS: dict[type[object], Delivered] = {AddNote: "notes", SetTicketState: "states", SetTicketFields: "fields"}
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
CHECK = "connector.check"


class Delivery:
    """Posts to one address."""

    def __init__(self, config: WebhookConfig, http: SourceClient, clock: Clock) -> None:
        self._config = config
        self._http = http
        self._clock = clock

    def takes(self, operation: type[object]) -> bool:
        """Whether the settings have operations of this class posted."""
        return self._config.deliver_to is not None and KINDS.get(operation) in self._config.deliver

    async def check(self) -> None:
        """Post an event that changes nothing. Raises as `push` does, and Transient where nobody answers."""
        now = self._clock.now()
        event = self._event(CHECK, f"msg_check_{now.timestamp():.6f}".replace(".", "_"), {})
        await self._post(event, "check", reads=True)

    async def push(self, op: Operation) -> Receipt:
        """Post it. The id is made of the operation's key, so that whoever receives it does nothing twice."""
        if not self.takes(type(op)):
            raise ConfigError(
                f"{KINDS[type(op)]} of tickets are not posted", operation="deliver", ref=op.ticket,
                hint=f"Set deliver_to, and name {KINDS[type(op)]!r} under `deliver`.",
            )  # fmt: skip
        message_id = f"msg_{hashlib.sha256(op.key.encode()).hexdigest()[:32]}"
        kind, content = _content(op)
        data = {"ticket": op.ticket.external_id, "key": op.key, **content}
        event = self._event(kind, message_id, data) | {"subject": op.ticket.external_id}
        try:
            await self._post(event, kind.replace("_", " "), ref=op.ticket)
        except Invalid as error:
            raise self._named(error) from None
        return Receipt(key=op.key, external_id=message_id)

    def _event(self, kind: str, message_id: str, data: dict[str, Any]) -> dict[str, Any]:
        """Without a time, so that the same id is the same event to the last byte, however often it is posted."""
        return {
            "specversion": "1.0", "id": message_id, "source": self._config.event_source, "type": kind,
            "datacontenttype": "application/json", "data": data,
        }  # fmt: skip

    async def _post(
        self, event: dict[str, Any], operation: str, *, ref: SourceRef | None = None, reads: bool = False
    ) -> None:
        there = self._config.deliver_to
        if there is None:
            return
        body = json.dumps(event, separators=(",", ":")).encode()
        headers = standard_headers(event["id"], self._clock.now(), body, self._config.deliver_secrets())
        answer = await self._http.request(
            "POST", str(there), operation=operation, params=there.query_params(), content=body,
            headers={"Content-Type": CONTENT_TYPE, **headers}, ref=ref, reads=reads,
        )  # fmt: skip
        if answer.content[:200].lstrip().lower().startswith((b"<!doctype html", b"<html")):
            raise UnexpectedResponse(
                f"{operation}: a web page answers at deliver_to, not a receiver of webhooks",
                operation=operation, ref=ref, hint="Check that deliver_to is no login page or proxy.",
                detail=self._http.redact(answer.text[:500]),
            )  # fmt: skip

    def _named(self, error: Invalid) -> Invalid:
        try:
            told = self._config.definition.refusal.search(said(error))
        except InvalidRecord:
            return error
        fields = told if isinstance(told, dict) else {}
        return refusal(
            error, self._config.definition.system, {str(name)[:100]: str(why)[:300] for name, why in fields.items()}
        )


def _content(op: Operation) -> tuple[str, dict[str, Any]]:
    match op:
        case AddNote():
            return "connector.ticket.note_added", {"body": op.body, "is_public": op.is_public}
        case SetTicketState():
            return "connector.ticket.state_set", {"state": op.state.value}
        case SetTicketFields():
            return "connector.ticket.fields_set", {"fields": dict(op.fields)}
