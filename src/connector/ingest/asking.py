"""Parcels of couriers that have no list of them: each that is under way is asked about, as a stream like any other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from connector.model.records import Record, ShipmentRecord
from connector.model.refs import EntityKind, SourceRef
from connector.sdk.adapter import Batch, Clock, Cursor, Fetches, Pulls, Rejected, Ships, Stream
from connector.sdk.connection import Connection
from connector.sdk.cursors import load_cursor
from connector.sdk.errors import NotFound, UnexpectedResponse
from connector.storage.database.engine import Database, reading
from connector.storage.shipments.parcels_under_way import open_parcels

PARCELS: Final = Stream("parcels", ShipmentRecord, "incremental", overlap=timedelta(0), batch_limit=20)
ASKED_FOR: Final = timedelta(days=60)
"""How long after its label was bought a parcel is asked about; most labels that are older were never used."""


def with_parcels(engine: Database, connection: Connection, clock: Clock) -> Connection:
    """The connection; where its adapter sells labels and lists no parcels, with a stream of them."""
    adapter = connection.adapter
    if isinstance(adapter, Pulls) or not (isinstance(adapter, Ships) and isinstance(adapter, Fetches)):
        return connection
    asking: Any = _Asking(engine, connection.name, adapter, clock)
    return replace(connection, adapter=asking)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What is pulled in place of the adapter."""

    engine: Database
    source: str
    adapter: Fetches
    clock: Clock

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """The parcels."""
        return (PARCELS,)

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches of parcels, in the order of their labels; from the beginning each time."""
        after: int | None = load_cursor(since, _place, adapter="parcels") if since else 0
        after = after or 0
        while after is not None:
            async with reading(self.engine) as tx:
                oldest = self.clock.now() - ASKED_FOR
                parcels = await open_parcels(
                    tx, self.source, bought_after=oldest, after=after, limit=stream.batch_limit
                )
            told = await asyncio.gather(*(self._ask(external_id) for _, external_id in parcels))
            after = parcels[-1][0] if len(parcels) == stream.batch_limit else None
            yield Batch(
                records=tuple(each for each in told if each is not None and not isinstance(each, Rejected)),
                rejected=tuple(each for each in told if isinstance(each, Rejected)),
                resume=json.dumps({"after": after}),
            )

    async def _ask(self, external_id: str) -> Record | Rejected | None:
        """What the courier says; None while it knows nothing of the parcel."""
        ref = SourceRef(kind=EntityKind.SHIPMENT, external_id=external_id)
        try:
            return await self.adapter.fetch(ref)
        except NotFound:
            return None
        except UnexpectedResponse as error:
            return Rejected(ref=ref, raw=error.detail.encode() or external_id.encode(), reason=str(error))


def _place(saved: Any) -> int | None:
    after = saved["after"]
    return None if after is None else int(after)
