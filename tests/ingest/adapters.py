"""An adapter that says what a test tells it to, over the real interface."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from connector.sdk import (
    Adapter,
    AdapterConfig,
    AuthError,
    Batch,
    Clock,
    Connection,
    Health,
    Invalid,
    NotFound,
    Record,
    SourceClient,
    SourceRef,
    Stream,
    TicketRecord,
    WebhookRequest,
    WebhookResult,
)

SECRET = "canary-secret-4711"

Script = Sequence[Batch | Exception | Callable[[], Any]]


class Scripted(Adapter[AdapterConfig]):
    """Plays its scripts: a batch is yielded, an exception raised, anything else awaited."""

    STREAMS: tuple[Stream, ...] = (Stream("things", TicketRecord, "incremental"),)

    def __init__(self, config: AdapterConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self.scripts: dict[str, Script] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.objects: dict[SourceRef, Record] = {}
        self.webhooks: dict[bytes, WebhookResult | Exception] = {}
        self.fetched: list[SourceRef] = []
        self.failing: Exception | None = None

    @classmethod
    def config_type(cls) -> type[AdapterConfig]:
        return AdapterConfig

    async def check(self) -> Health:
        return Health()

    def streams(self) -> tuple[Stream, ...]:  # type: ignore[override]
        return self.STREAMS

    async def pull(self, stream: Stream, since: str | None) -> AsyncIterator[Batch]:
        self.asked.append((stream.name, since))
        for step in self.scripts.get(stream.name, ()):
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Batch):
                yield step
            else:
                await step()

    async def fetch(self, ref: SourceRef) -> Record:
        self.fetched.append(ref)
        if self.failing is not None:
            raise self.failing
        if ref not in self.objects:
            raise NotFound(f"{ref} is not there", operation="fetch", ref=ref)
        return self.objects[ref]

    def verify(self, request: WebhookRequest) -> None:
        if request.headers.get("x-signature") != SECRET:
            raise AuthError("the signature does not match", operation="verify webhook")

    def parse(self, request: WebhookRequest) -> WebhookResult:
        result = self.webhooks.get(request.body)
        if result is None:
            raise Invalid("the body is not what was expected", operation="parse webhook")
        if isinstance(result, Exception):
            raise result
        return result


def scripted(clock: Clock, *streams: Stream, name: str = "cmdb") -> tuple[Scripted, Connection]:
    """An adapter with these streams, and its connection."""
    http = SourceClient("http://localhost", secrets=[SECRET])
    adapter = Scripted(AdapterConfig(), http, clock)
    if streams:
        adapter.STREAMS = streams
    return adapter, Connection(name=name, adapter_name="scripted", adapter=adapter, http=http)
