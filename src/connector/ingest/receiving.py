"""Webhooks on arrival: verified, and kept before they are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from connector.ingest.apply import fingerprint
from connector.model.errors import InvalidInput, Overloaded
from connector.sdk.adapter import ReadsHeaders, ReceivesWebhooks
from connector.sdk.connection import Connection
from connector.sdk.webhook import WebhookRequest, WebhookResult
from connector.storage.database.engine import Database, DatabaseRefusal, Transaction, in_transaction
from connector.storage.sources.inbox import NewDelivery, store_deliveries
from connector.storage.sources.sources import register_source, source_ids

TOGETHER: Final = 200
"""At most so many webhooks are kept in one transaction."""
MOST_WAITING: Final = 2_000
"""Webhooks that wait to be kept; some seconds of work."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of their bodies."""
SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class Received:
    """A webhook that was taken in. is_new: False when the same bytes were waiting already. reply: body that the
    sender waits for, None for a plain 2xx.
    """

    is_new: bool
    reply: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A verified webhook that is to be kept. kept: whether it is new, once it is durable."""

    connection: Connection
    fingerprint: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    at: datetime
    kept: asyncio.Future[bool]


class Receiving:
    """Takes webhooks in. Those that come while others are being written are written together, so that the sync of the
    database's log, which is most of what keeping one costs, is one for all of them.
    """

    def __init__(self, engine: Database) -> None:
        self._engine = engine
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._writing: asyncio.Task[None] | None = None

    async def receive(self, connection: Connection, request: WebhookRequest) -> Received:
        """Verify a webhook and keep it, so that it can be answered.

        Raises AuthError when it is not from the source, and InvalidInput when the source's adapter takes none, or the
        database refuses what it says. Raises Overloaded when too many wait already, and DatabaseAway.
        """
        adapter = connection.adapter
        if not isinstance(adapter, ReceivesWebhooks):
            raise InvalidInput(
                f"source {connection.name!r} takes no webhooks",
                hint=f"Its adapter {connection.adapter_name!r} only pulls; remove the webhook over there.",
            )
        if len(self._waiting) >= MOST_WAITING or self._bytes > MOST_BYTES:
            raise Overloaded(
                "more webhooks come than can be kept just now; this one was not taken in", hint="Send it again later."
            )
        adapter.verify(request)
        reply = _parsed(adapter, request).reply
        redact = connection.http.redact
        headers = {name: redact(text) for name, text in request.headers.items() if name not in SECRET_HEADERS}
        query = {name: redact(text) for name, text in request.query.items()}
        named = fingerprint(_said(adapter, request, query))
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._bytes += len(request.body)
        self._waiting.append(_Waiting(connection, named, headers, query, request.body, request.received_at, kept))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="receiving")
        return Received(is_new=await kept, reply=reply)

    async def _write(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
                self._bytes -= sum(len(one.body) for one in group)
                await self._keep(group)
        finally:
            self._writing = None

    async def _keep(self, group: list[_Waiting]) -> None:
        """Keep these in one transaction, and tell each; one by one where the database refuses one of them."""
        try:
            kept = await in_transaction(self._engine, lambda tx: _store(tx, group), durable=True)
        except (DatabaseRefusal, TypeError, ValueError) as error:  # of what one of them says
            if len(group) == 1:
                _tell(group[0], error if isinstance(error, DatabaseRefusal) else DatabaseRefusal(str(error)))
            else:
                for one in group:
                    await self._keep([one])
        except BaseException as error:
            for one in group:
                _tell(one, error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
        else:
            for one, is_new in zip(group, kept, strict=True):
                if not one.kept.done():
                    one.kept.set_result(is_new)


async def _store(tx: Transaction, group: list[_Waiting]) -> list[bool]:
    known = await source_ids(tx)
    for one in group:
        connection = one.connection
        if connection.name not in known:
            known[connection.name] = await register_source(
                tx, name=connection.name, adapter=connection.adapter_name, at=one.at
            )
    new = [
        NewDelivery(known[one.connection.name], one.fingerprint, one.headers, one.query, one.body, one.at)
        for one in group
    ]
    return await store_deliveries(tx, new)


def _tell(one: _Waiting, error: BaseException) -> None:
    if not one.kept.done():  # whoever waited may have gone
        one.kept.set_exception(error)


def _said(adapter: ReceivesWebhooks, request: WebhookRequest, query: Mapping[str, str]) -> bytes:
    """Everything by which one delivery differs from another."""
    told = orjson.dumps(query, option=orjson.OPT_SORT_KEYS)
    if isinstance(adapter, ReadsHeaders):
        told += orjson.dumps(dict(adapter.telling(request)), option=orjson.OPT_SORT_KEYS)
    return told + request.body


def _parsed(adapter: ReceivesWebhooks, request: WebhookRequest) -> WebhookResult:
    """For the reply alone: a webhook that cannot be read is kept all the same and explained in quarantine."""
    try:
        return adapter.parse(request)
    except Exception:  # noqa: BLE001 - said when the delivery is dealt with
        return WebhookResult()
