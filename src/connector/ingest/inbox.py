"""Webhooks: kept raw and answered at once, understood and applied afterwards."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from connector.ingest.apply import apply, fingerprint
from connector.ingest.arrivals import Heard
from connector.ingest.replay import WEBHOOKS, replay_arrived
from connector.model.errors import InvalidInput
from connector.model.records import Record, Tombstone
from connector.model.refs import SourceRef
from connector.sdk.adapter import Batch, Clock, Fetches, ReadsHeaders, ReceivesWebhooks
from connector.sdk.connection import Connection
from connector.sdk.errors import AdapterError, Invalid, NotFound, RateLimited, UnexpectedResponse
from connector.sdk.webhook import WebhookRequest, WebhookResult
from connector.storage.database.engine import Database, DatabaseRefusal, Transaction, in_transaction, transaction
from connector.storage.sources.inbox import (
    Delivery,
    claim_deliveries,
    finish_delivery,
    postpone_delivery,
    store_delivery,
)
from connector.storage.sources.quarantine import NewEntry, put_entries
from connector.storage.sources.sources import register_source, source_ids

log = logging.getLogger("connector.ingest")

ATTEMPTS = 8
"""After so many a webhook that cannot be dealt with goes to quarantine."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=30)
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class Received:
    """A webhook that was taken in. is_new: False when the same bytes were waiting already. reply: body that the
    sender waits for, None for a plain 2xx.
    """

    is_new: bool
    reply: bytes | None = None


async def receive(engine: Database, connection: Connection, request: WebhookRequest) -> Received:
    """Verify a webhook and keep it, so that it can be answered.

    Raises AuthError when it is not from the source, and InvalidInput when the source's adapter takes none.
    """
    adapter = connection.adapter
    if not isinstance(adapter, ReceivesWebhooks):
        raise InvalidInput(
            f"source {connection.name!r} takes no webhooks",
            hint=f"Its adapter {connection.adapter_name!r} only pulls; remove the webhook over there.",
        )
    adapter.verify(request)
    reply = _parsed(adapter, request).reply
    redact = connection.http.redact
    headers = {name: redact(text) for name, text in request.headers.items() if name not in SECRET_HEADERS}
    query = {name: redact(text) for name, text in request.query.items()}
    async with transaction(engine) as tx:
        known = (await source_ids(tx)).get(connection.name)
        source_id = known or await register_source(
            tx, name=connection.name, adapter=connection.adapter_name, at=request.received_at
        )
        is_new = await store_delivery(
            tx,
            source_id,
            fingerprint=fingerprint(_said(adapter, request, query)),
            headers=headers,
            query=query,
            body=request.body,
            at=request.received_at,
        )
    return Received(is_new=is_new, reply=reply)


async def process_inbox(
    engine: Database, connections: Mapping[str, Connection], *, clock: Clock, limit: int = 100
) -> int:
    """Deal with waiting webhooks, oldest first; returns how many were applied.

    Any number of processes may do this at the same time. A webhook that fails is tried again, ever later, and goes
    to quarantine in the end; one that cannot be read goes there at once.
    """
    async with transaction(engine) as tx:
        deliveries = await claim_deliveries(tx, list(connections), limit=limit, at=clock.now())
    done = 0
    for delivery in deliveries:
        done += await _deal_with(engine, connections[delivery.source], delivery, clock)
    for source, source_id in {d.source: d.source_id for d in deliveries}.items():
        await replay_arrived(engine, source_id, actor=f"webhook:{source}", clock=clock)
    return done


async def _deal_with(engine: Database, connection: Connection, delivery: Delivery, clock: Clock) -> bool:
    asked = clock.now()
    try:
        records, fetched, refused = await _records(connection, delivery, clock)
    except RateLimited as error:
        until = clock.now() + (error.retry_after or _pause(delivery.attempts))
        async with transaction(engine) as tx:
            await postpone_delivery(tx, delivery, error=_text(connection, error), until=until, counts=False)
        return False
    except Exception as error:  # noqa: BLE001 - a plugin may fail in any way; the delivery keeps the reason
        await _failed(engine, connection, delivery, error, clock)
        return False

    async def take(tx: Transaction) -> None:
        now, refs = clock.now(), {(record.ref.kind, record.ref.external_id) for record in fetched}
        await apply(
            tx, delivery.source_id, WEBHOOKS, Batch((*records, *fetched)), actor=f"webhook:{delivery.source}", at=now,
            hearing=lambda key: Heard(by=now, since=asked) if key in refs else Heard(by=delivery.received_at),
        )  # fmt: skip
        if refused:
            await _quarantine(tx, delivery, refused, clock.now())
        else:
            await finish_delivery(tx, delivery, at=clock.now())

    try:
        await in_transaction(engine, take)
    except DatabaseRefusal as error:
        unstorable = Invalid(f"the database refuses what it says: {error.message}", operation="apply webhook")
        await _failed(engine, connection, delivery, unstorable, clock)
        return False
    if refused:
        log.warning("parts of a webhook of source %s went to quarantine: %s", delivery.source, refused)
    return bool(records or fetched) or not refused


async def _records(
    connection: Connection, delivery: Delivery, clock: Clock
) -> tuple[tuple[Record, ...], list[Record], str]:
    """What the webhook says, and what its source says now of the things that it only hints at.

    The third says why parts of it cannot be used; empty when all can.
    """
    adapter = connection.adapter
    if not isinstance(adapter, ReceivesWebhooks):
        raise Invalid(f"adapter {connection.adapter_name!r} no longer takes webhooks", operation="parse webhook")
    request = WebhookRequest(
        headers=delivery.headers, body=delivery.body, received_at=delivery.received_at, query=delivery.query
    )
    result = adapter.parse(request)
    fetched = [await _fetch(connection, ref, clock.now()) for ref in dict.fromkeys(result.fetch)]
    return result.records, fetched, connection.http.redact("; ".join(result.refused))


async def _fetch(connection: Connection, ref: SourceRef, now: datetime) -> Record:
    if not isinstance(connection.adapter, Fetches):
        raise Invalid(f"{ref} cannot be read: adapter {connection.adapter_name!r} does not fetch", operation="fetch")
    try:
        return await connection.adapter.fetch(ref)
    except NotFound:
        return Tombstone(ref=ref, updated_at=now)


async def _failed(engine: Database, connection: Connection, delivery: Delivery, error: Exception, clock: Clock) -> None:
    reason = _text(connection, error)
    now = clock.now()
    async with transaction(engine) as tx:
        if delivery.attempts < ATTEMPTS and not isinstance(error, Invalid | UnexpectedResponse):
            await postpone_delivery(tx, delivery, error=reason, until=now + _pause(delivery.attempts))
            return
        tried = f" It was tried {delivery.attempts} times." if delivery.attempts > 1 else ""
        await _quarantine(tx, delivery, f"{reason}{tried}", now)
    log.warning("a webhook of source %s went to quarantine: %s", delivery.source, reason)


async def _quarantine(tx: Transaction, delivery: Delivery, reason: str, now: datetime) -> None:
    """Keep the webhook with what is wrong with it; it is dealt with."""
    entry = NewEntry(fingerprint=delivery.fingerprint, reason=f"webhook: {reason}", raw=delivery.body)
    await put_entries(tx, delivery.source_id, WEBHOOKS, [entry], actor=f"webhook:{delivery.source}", at=now)
    await finish_delivery(tx, delivery, error=reason, at=now)


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


def _text(connection: Connection, error: Exception) -> str:
    if isinstance(error, AdapterError):
        return connection.http.redact(str(error))
    return connection.http.redact(
        f"the adapter {connection.adapter_name!r} failed with {type(error).__name__}: {error}. "
        "That is a defect of the adapter; report it to whoever maintains it."
    )


def _pause(attempts: int) -> timedelta:
    pause: timedelta = FIRST_PAUSE * 2 ** (attempts - 1)
    return min(pause, LONGEST_PAUSE)
