"""Webhooks that were taken in: understood and applied, those of a source together, each source on its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from connector.ingest.apply import apply
from connector.ingest.arrivals import Heard
from connector.ingest.replay import WEBHOOKS, replay_arrived
from connector.model.records import Record, Tombstone
from connector.model.refs import EntityKind, SourceRef
from connector.sdk.adapter import Batch, Clock, Fetches, ReceivesWebhooks
from connector.sdk.connection import Connection
from connector.sdk.errors import AdapterError, Invalid, NotFound, RateLimited, UnexpectedResponse
from connector.sdk.webhook import WebhookRequest
from connector.storage.database.engine import (
    Database,
    DatabaseRefusal,
    Transaction,
    in_transaction,
    reading,
    transaction,
)
from connector.storage.sources.inbox import (
    CLAIM,
    Delivery,
    claim_deliveries,
    due_sources,
    finish_deliveries,
    postpone_delivery,
)
from connector.storage.sources.quarantine import NewEntry, put_entries

log = logging.getLogger("connector.ingest")

ATTEMPTS: Final = 8
"""After so many a webhook that cannot be dealt with goes to quarantine."""
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=30)
TOGETHER: Final = 100
"""At most so many webhooks of a source are dealt with together."""

FETCHING_S: Final = CLAIM.total_seconds() / 2
"""For asking a source for what webhooks hint at, before others take them over; what is left is asked for next."""

Key: TypeAlias = tuple[EntityKind, str]


class _NotYetError(AdapterError):
    """The source has not come to what a webhook hints at."""

    def __init__(self) -> None:
        super().__init__("the source is slow to answer: what the webhook hints at is asked for next")


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What a source says now of a thing. asked: when it was asked."""

    record: Record
    asked: datetime


@dataclass(slots=True)
class _Understood:
    """A webhook that could be read. fetch: what it hints at. refused: why parts of it cannot be used; empty when all
    can. fetched: what its hints brought.
    """

    delivery: Delivery
    records: tuple[Record, ...]
    fetch: tuple[SourceRef, ...]
    refused: str
    fetched: tuple[_Fetched, ...] = ()

    @property
    def says(self) -> bool:
        """Whether it says anything that can be used."""
        return bool(self.records or self.fetched)

    @property
    def keys(self) -> set[Key]:
        """The things that it is about."""
        return {_key(record) for record in self.records}

    @property
    def fetched_keys(self) -> set[Key]:
        """The things that it made the hub ask for."""
        return {_key(one.record) for one in self.fetched}


async def process_inbox(
    engine: Database, connections: Mapping[str, Connection], *, clock: Clock, limit: int = TOGETHER
) -> int:
    """Deal with waiting webhooks, up to `limit` of each source; returns how many were applied."""
    async with reading(engine) as tx:
        due = await due_sources(tx, list(connections), at=clock.now())
    done = [process_source(engine, connections[name], clock=clock, limit=limit) for name in due]
    return sum(await asyncio.gather(*done))


async def process_source(engine: Database, connection: Connection, *, clock: Clock, limit: int = TOGETHER) -> int:
    """Deal with waiting webhooks of a source, oldest first; returns how many were applied.

    Any number of processes may do this at the same time. A webhook that fails is tried again, ever later, and goes
    to quarantine in the end; one that cannot be read goes there at once. What several hint at is asked for once.
    """
    async with transaction(engine) as tx:
        deliveries = await claim_deliveries(tx, connection.name, limit=limit, at=clock.now())
    if not deliveries:
        return 0
    failed: list[tuple[Delivery, Exception]] = []
    understood: list[_Understood] = []
    for delivery in deliveries:
        try:
            understood.append(_understand(connection, delivery))
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way; the delivery keeps the reason
            failed.append((delivery, error))
    found = await _fetch_all(connection, dict.fromkeys(ref for one in understood for ref in one.fetch), clock)
    ready: list[_Understood] = []
    for one in understood:
        answers = [found[ref] for ref in one.fetch]
        missing = next((answer for answer in answers if isinstance(answer, Exception)), None)
        if missing is not None:
            failed.append((one.delivery, missing))
        else:
            one.fetched = tuple(answer for answer in answers if isinstance(answer, _Fetched))
            ready.append(one)
    done = 0
    for group in _groups(ready):
        done += await _apply(engine, connection, group, clock, failed)
    for delivery, reason in failed:
        await _failed(engine, connection, delivery, reason, clock)
    await replay_arrived(engine, deliveries[0].source_id, actor=f"webhook:{connection.name}", clock=clock)
    return done


def _understand(connection: Connection, delivery: Delivery) -> _Understood:
    adapter = connection.adapter
    if not isinstance(adapter, ReceivesWebhooks):
        raise Invalid(f"adapter {connection.adapter_name!r} no longer takes webhooks", operation="parse webhook")
    request = WebhookRequest(
        headers=delivery.headers, body=delivery.body, received_at=delivery.received_at, query=delivery.query
    )
    result = adapter.parse(request)
    refused = connection.http.redact("; ".join(result.refused))
    return _Understood(delivery, tuple(result.records), tuple(dict.fromkeys(result.fetch)), refused)


async def _fetch_all(
    connection: Connection, refs: Iterable[SourceRef], clock: Clock
) -> dict[SourceRef, _Fetched | Exception]:
    """What the source says now of each, or why that is not known; it is asked for as many at a time as it lets."""
    asking = {ref: asyncio.ensure_future(_fetch(connection, ref, clock)) for ref in refs}
    if not asking:
        return {}
    try:
        await asyncio.wait(asking.values(), timeout=FETCHING_S)
    finally:
        for task in asking.values():
            task.cancel()
        await asyncio.gather(*asking.values(), return_exceptions=True)
    return {ref: _NotYetError() if task.cancelled() else task.result() for ref, task in asking.items()}


async def _fetch(connection: Connection, ref: SourceRef, clock: Clock) -> _Fetched | Exception:
    asked = clock.now()
    if not isinstance(connection.adapter, Fetches):
        return Invalid(f"{ref} cannot be read: adapter {connection.adapter_name!r} does not fetch", operation="fetch")
    try:
        return _Fetched(await connection.adapter.fetch(ref), asked)
    except NotFound:
        return _Fetched(Tombstone(ref=ref, updated_at=clock.now()), asked)
    except Exception as error:  # noqa: BLE001 - a plugin may fail in any way; the delivery keeps the reason
        return error


def _groups(understood: Sequence[_Understood]) -> Iterator[list[_Understood]]:
    """Webhooks that can be applied together, in their order: no two of them tell of the same thing by themselves, and
    none of what another one asked for.
    """
    group: list[_Understood] = []
    told: set[Key] = set()
    asked: set[Key] = set()
    for one in understood:
        if group and (one.keys & (told | asked) or one.fetched_keys & told):
            yield group
            group, told, asked = [], set(), set()
        group.append(one)
        told |= one.keys
        asked |= one.fetched_keys
    if group:
        yield group


async def _apply(
    engine: Database,
    connection: Connection,
    group: Sequence[_Understood],
    clock: Clock,
    failed: list[tuple[Delivery, Exception]],
) -> int:
    """Apply webhooks in one transaction, one by one where the database refuses something of them; how many said
    anything. Those that cannot be stored are added to what failed.
    """

    async def take(tx: Transaction) -> None:
        now = clock.now()
        heard = {_key(record): Heard(by=one.delivery.received_at) for one in group for record in one.records}
        fetched = {_key(got.record): got for one in group for got in one.fetched}
        heard |= {key: Heard(by=now, since=got.asked) for key, got in fetched.items()}
        records = (*(record for one in group for record in one.records), *(got.record for got in fetched.values()))
        await apply(
            tx, group[0].delivery.source_id, WEBHOOKS, Batch(records), actor=f"webhook:{connection.name}", at=now,
            hearing=heard.__getitem__,
        )  # fmt: skip
        await finish_deliveries(tx, [one.delivery for one in group if not one.refused], at=now)
        for one in group:
            if one.refused:
                await _quarantine(tx, one.delivery, one.refused, now)

    try:
        await in_transaction(engine, take)
    except DatabaseRefusal as error:
        if len(group) > 1:
            return sum([await _apply(engine, connection, [one], clock, failed) for one in group])
        told = f"the database refuses what it says: {error.message}"
        failed.append((group[0].delivery, Invalid(told, operation="apply webhook")))
        return 0
    for one in group:
        if one.refused:
            log.warning("parts of a webhook of source %s went to quarantine: %s", connection.name, one.refused)
    return sum(one.says or not one.refused for one in group)


async def _failed(engine: Database, connection: Connection, delivery: Delivery, error: Exception, clock: Clock) -> None:
    reason = _text(connection, error)
    now = clock.now()
    async with transaction(engine) as tx:
        if isinstance(error, _NotYetError):
            await postpone_delivery(tx, delivery, error=reason, until=now, counts=False)
            return
        if isinstance(error, RateLimited):
            until = now + (error.retry_after or _pause(delivery.attempts))
            await postpone_delivery(tx, delivery, error=reason, until=until, counts=False)
            return
        if delivery.attempts < ATTEMPTS and not isinstance(error, Invalid | UnexpectedResponse):
            await postpone_delivery(tx, delivery, error=reason, until=now + _pause(delivery.attempts))
            return
        tried = f" It was tried {delivery.attempts} times." if delivery.attempts > 1 else ""
        await _quarantine(tx, delivery, f"{reason}{tried}", now)
    log.warning("a webhook of source %s went to quarantine: %s", connection.name, reason)


async def _quarantine(tx: Transaction, delivery: Delivery, reason: str, now: datetime) -> None:
    """Keep the webhook with what is wrong with it; it is dealt with."""
    entry = NewEntry(fingerprint=delivery.fingerprint, reason=f"webhook: {reason}", raw=delivery.body)
    await put_entries(tx, delivery.source_id, WEBHOOKS, [entry], actor=f"webhook:{delivery.source}", at=now)
    await finish_deliveries(tx, [delivery], error=reason, at=now)


def _key(record: Record) -> Key:
    return record.ref.kind, record.ref.external_id


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
