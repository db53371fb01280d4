"""What people say that fields are, whatever sources say: said and taken back, once per key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

import orjson

from connector.fulfilment.once import once_in
from connector.ingest.overriding import override_field, release_override
from connector.model.refs import EntityKind
from connector.sdk.adapter import Clock
from connector.storage.database.engine import Database, Transaction


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says that a field is. value: as records have it. until: when that ends by itself."""

    kind: EntityKind
    entity_id: int
    field: str
    value: Any
    reason: str
    until: datetime | None = None


class Overrides:
    """Overrides fields and takes that back; each is one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def say(self, said: Said, *, key: str, actor: str) -> int:
        """The field has this value from now on; the id of the override. Raises as `override_field`."""

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            override_id = await override_field(
                tx, said.kind, said.entity_id, said.field, said.value,
                reason=said.reason, by=actor, at=at, until=said.until,
            )  # fmt: skip
            return {"id": override_id}

        asked = crc32(orjson.dumps(said, option=orjson.OPT_SORT_KEYS))
        told = await once_in(self._database, self._clock.now(), "override-field", key, asked, do)
        return int(told["id"])

    async def release(self, override_id: int, *, reason: str | None, key: str, actor: str) -> bool:
        """The field has what sources state again; False when it had before. Raises as `release_override`."""

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            return {"is_new": await release_override(tx, override_id, by=actor, at=at, reason=reason)}

        told = await once_in(self._database, self._clock.now(), "release-override", key, override_id, do)
        return bool(told["is_new"])
