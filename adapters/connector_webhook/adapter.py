"""A system that posts signed events to the hub, and takes signed events of the hub's."""

from __future__ import annotations

from collections.abc import Mapping

from connector.sdk import (
    Adapter,
    AddNote,
    Clock,
    Health,
    Receipt,
    ReceivesWebhooks,
    SetTicketFields,
    SetTicketState,
    SourceClient,
    WebhookRequest,
    WebhookResult,
    WritesTickets,
)
from connector_webhook.config import WebhookConfig
from connector_webhook.delivering import Delivery
from connector_webhook.events import telling_headers
from connector_webhook.mapping import EventReader
from connector_webhook.signatures import require_signature


class Webhook(Adapter[WebhookConfig], ReceivesWebhooks, WritesTickets):
    """Any system that posts. Nothing is pulled: what was not posted is not known."""

    def __init__(self, config: WebhookConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._reader = EventReader(config.definition)
        self._delivery = Delivery(config, http, clock)

    @classmethod
    def config_type(cls) -> type[WebhookConfig]:
        """Settings of a source that posts events."""
        return WebhookConfig

    async def check(self) -> Health:
        """Post an event that changes nothing, where the hub posts at all."""
        system = self.config.definition.system
        if self.config.deliver_to is None:
            return Health(detail=f"{system} posts, nothing is asked")
        await self._delivery.check()
        return Health(detail=f"{system} takes what is posted")

    def verify(self, request: WebhookRequest) -> None:
        """Refuse what neither secret vouches for, and what is too old. Raises AuthError."""
        require_signature(request, self.config.definition.signature, self.config.secrets())

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """The records of what is posted. Raises Invalid."""
        return self._reader.read(request)

    def telling(self, request: WebhookRequest) -> Mapping[str, str]:
        """Attributes of an event whose body is its data alone."""
        return telling_headers(request.headers) if self.config.definition.format == "cloudevents" else {}

    def takes(self, operation: type[object]) -> bool:
        """Whether the settings have it posted."""
        return self._delivery.takes(operation)

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Post it under an id that stays the same. Raises Invalid naming the field, ConfigError where it is off."""
        return await self._delivery.push(op)

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:  # noqa: ARG002 - nobody to ask
        """None: a receiver cannot be asked. It does nothing twice for one id, so that posting again is right."""
        return None
