"""One part for each table that a stream is read from: which rows of it, and how they become records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from hashlib import blake2b
from typing import ClassVar, TypeAlias

import orjson

from connector.sdk import Deferred, EntityKind, InvalidRecord, Record, Rejected, SourceRef
from connector.sdk.rest import Row, SentRow, last_updated, made, named, row_id
from connector_servicenow import mapping
from connector_servicenow.client import UPDATED, ServiceNowClient
from connector_servicenow.columns import (
    LOCATIONS,
    MODELS,
    OF_HUB,
    OF_PRODUCT,
    OF_SITE,
    STOCKROOMS,
    columns,
    device_columns,
    needed,
    value,
)
from connector_servicenow.config import ServiceNowConfig
from connector_servicenow.query import among, is_sys_id
from connector_servicenow.relations import TABLE as RELATIONS
from connector_servicenow.relations import item_of, relation_columns, types_of
from connector_servicenow.tickets import ticket, ticket_columns
from connector_servicenow.words import TicketTable

Read: TypeAlias = tuple[Sequence[Record | Deferred], Sequence[Rejected]]

SLAS = ("sys_id", "sys_updated_on", "task", "stage", "planned_end_time", "sla.name", "sla.target")
AUDIT = "sys_audit_delete"
AUDITED = ("sys_id", "sys_created_on", "tablename", "documentkey")
DIGEST_BYTES = 16


class Part(ABC):
    """One table. One object per call.

    fields: the columns that are needed. where: conditions that rows have to meet. history: how old a change may be that
    a pull from the beginning reads; None reads everything.
    """

    stamp: ClassVar[str] = UPDATED
    """The column that tells when a row changed."""
    follows: ClassVar[bool] = False
    """Only its changes are read, for what they change elsewhere, from the first full read of the part before it on."""
    along_ids: ClassVar[bool] = True
    """Everything is read along the identifiers, which finds rows without a time, too."""

    def __init__(
        self,
        client: ServiceNowClient,
        config: ServiceNowConfig,
        table: str,
        fields: Iterable[str],
        where: str | None = None,
        history: timedelta | None = None,
    ) -> None:
        self.client = client
        self.config = config
        self.table = table
        self.fields = tuple(fields)
        self.where = where
        self.history = history
        self.operation = f"pull {table}"

    @property
    def facts(self) -> str:
        """Fingerprint of what is asked for: another table, column or condition makes the next pull read everything."""
        asked = orjson.dumps([self.table, self.where, self.fields])
        return blake2b(asked, digest_size=9).hexdigest()

    @abstractmethod
    async def read(self, rows: Sequence[SentRow]) -> Read:
        """What becomes of some rows."""

    async def elsewhere(self, rows: Sequence[SentRow]) -> AsyncGenerator[Read, None]:
        """Further records that change with these rows, although their own rows do not."""
        for nothing in rows[:0]:
            yield [], [Rejected(None, nothing.raw, "")]


class Locations(Part):
    """Sites."""

    def __init__(self, client: ServiceNowClient, config: ServiceNowConfig) -> None:
        super().__init__(client, config, "cmn_location", columns(config, LOCATIONS, OF_SITE))

    async def read(self, rows: Sequence[SentRow]) -> Read:
        """Sites."""
        return made(rows, lambda row: mapping.site(row, self.config), _names(EntityKind.SITE))


class Stockrooms(Part):
    """Hubs."""

    def __init__(self, client: ServiceNowClient, config: ServiceNowConfig) -> None:
        super().__init__(client, config, "alm_stockroom", columns(config, STOCKROOMS, OF_HUB))

    async def read(self, rows: Sequence[SentRow]) -> Read:
        """Hubs."""
        return made(rows, lambda row: mapping.hub(row, self.config), _names(EntityKind.HUB))


class Models(Part):
    """Products."""

    def __init__(self, client: ServiceNowClient, config: ServiceNowConfig) -> None:
        super().__init__(client, config, config.model_table, columns(config, MODELS, OF_PRODUCT))

    async def read(self, rows: Sequence[SentRow]) -> Read:
        """Products."""
        return made(rows, lambda row: mapping.product(row, self.config), _names(EntityKind.PRODUCT))


class Devices(Part):
    """Assets, made only where something that they are made from is another than last time."""

    def __init__(self, client: ServiceNowClient, config: ServiceNowConfig) -> None:
        super().__init__(client, config, config.device_table, device_columns(config), config.device_query)
        base = [mapping.DEVICE_VERSION, str(config.base_url), config.custom_fields, config.asset_states()]
        base.append(config.relations)
        self._digest = blake2b(orjson.dumps(base, option=orjson.OPT_SORT_KEYS), digest_size=DIGEST_BYTES)

    async def read(self, rows: Sequence[SentRow]) -> Read:
        """Assets that are made when they are new."""
        found = await self._relations(rows)
        return made(rows, lambda row: self._deferred(row, found[item_of(row, self.config)]), _names(EntityKind.ASSET))

    async def _relations(self, rows: Sequence[SentRow]) -> defaultdict[str | None, list[tuple[str, SentRow]]]:
        """Rows of cmdb_rel_ci by the configuration item of which they say something, with the side that it is on."""
        found = defaultdict[str | None, list[tuple[str, SentRow]]](list)
        items = [each for row in rows if is_sys_id(each := str(item_of(row, self.config)))]
        for side in ("parent", "child"):
            types = types_of(side, self.config)
            if types and items:
                where, fields = among("type.name", types), relation_columns(self.config)
                told = self.client.by_values(RELATIONS, side, items, fields, "pull relations", where=where)
                async with aclosing(told) as pages:
                    async for page in pages:
                        for row in page:
                            found[value(row, side)].append((side, row))
        return found

    def _deferred(self, row: SentRow | Row, relations: Sequence[tuple[str, SentRow]]) -> Deferred:
        raw = row.raw if isinstance(row, SentRow) else orjson.dumps(dict(row))
        digest = self._digest.copy()
        digest.update(raw)
        for side, each in relations:
            digest.update(side.encode())
            digest.update(each.raw)
        return Deferred(
            ref=mapping.ref(EntityKind.ASSET, row),
            updated_at=last_updated(row),
            digest=digest.digest(),
            raw=raw,
            make=partial(named, row, lambda row: mapping.device(row, self.config, relations)),
        )


class Tickets(Part):
    """Tickets of one table, with the times of their SLAs."""

    def __init__(self, client: ServiceNowClient, config: ServiceNowConfig, table: TicketTable) -> None:
        super().__init__(client, config, table, ticket_columns(table, config), history=config.history)
        self._name = table

    async def read(self, rows: Sequence[SentRow]) -> Read:
        """Tickets."""
        slas = await self._slas(rows)
        return made(
            rows,
            lambda row: ticket(row, self._name, self.config, slas[row_id(row) or ""]),
            _names(EntityKind.TICKET),
        )

    async def _slas(self, rows: Sequence[SentRow]) -> defaultdict[str, list[Row]]:
        found = defaultdict[str, list[Row]](list)
        if self.config.read_slas and rows:
            tasks = [each for row in rows if (each := row_id(row)) is not None and is_sys_id(each)]
            async with aclosing(self.client.by_values("task_sla", "task", tasks, SLAS, "pull SLAs")) as pages:
                async for page in pages:
                    for sla in page:
                        found[str(sla.get("task"))].append(sla)
        return found


class Following(Part):
    """Changes of a table that rows of others show something of.

    column: of those others. named_by: what it is equal to here, in one of these columns.
    """

    follows = True

    def __init__(
        self,
        client: ServiceNowClient,
        config: ServiceNowConfig,
        table: str,
        parts: Sequence[Part],
        *,
        column: str,
        named_by: Sequence[str] = ("sys_id",),
        where: str | None = None,
    ) -> None:
        super().__init__(client, config, table, dict.fromkeys(("sys_id", "sys_updated_on", *named_by)), where)
        self._parts = parts
        self._column = column
        self._named_by = named_by

    async def read(self, rows: Sequence[SentRow]) -> Read:  # noqa: ARG002 - nothing is made of them
        """Nothing."""
        return [], []

    async def elsewhere(self, rows: Sequence[SentRow]) -> AsyncGenerator[Read, None]:
        """The records of the rows that refer to these."""
        named = dict.fromkeys(str(row.get(column)) for row in rows for column in self._named_by)
        known = [each for each in named if is_sys_id(each)]
        for part in self._parts:
            found = self.client.by_values(
                part.table, self._column, known, part.fields, self.operation, where=part.where
            )  # fmt: skip
            async with aclosing(found) as pages:
                async for page in pages:
                    yield await part.read(page)


class Deletions(Part):
    """What was deleted of the tables that are read, as ServiceNow's own record of deletions has it."""

    stamp = "sys_created_on"
    along_ids = False

    def __init__(self, client: ServiceNowClient, config: ServiceNowConfig) -> None:
        super().__init__(client, config, AUDIT, AUDITED, deleted_tables(config), config.history)

    async def read(self, rows: Sequence[SentRow]) -> Read:
        """What is gone."""
        return made(rows, self._erased, lambda _: None)

    def _erased(self, row: Row) -> Record | None:
        key = needed(row, "documentkey")
        if not is_sys_id(key):
            raise InvalidRecord(f"documentkey {key!r} is no sys_id", path="/documentkey")
        return mapping.tombstone(value(row, "tablename") or "", key, last_updated(row), self.config)


def _names(kind: EntityKind) -> Callable[[str], SourceRef]:
    return lambda external_id: SourceRef(kind=kind, external_id=external_id)


def parts_of(stream: str, client: ServiceNowClient, config: ServiceNowConfig) -> tuple[Part, ...]:
    """What a stream is read from, in this order; nothing where the instance is not used for it."""
    if stream == "deletions":
        return (Deletions(client, config),) if config.read_deletions else ()
    if stream == "tickets":
        return tickets_of(client, config) if "itsm" in config.roles else ()
    if "cmdb" not in config.roles:
        return ()
    if stream == "places":
        stockrooms = Stockrooms(client, config)
        return Locations(client, config), stockrooms, Following(
            client, config, "cmn_location", [stockrooms], column="location"
        )  # fmt: skip
    if stream == "models":
        models = Models(client, config)
        return models, Following(client, config, "core_company", [models], column="manufacturer")
    devices = Devices(client, config)
    if not config.relations:
        return (devices,)
    column = "ci" if config.device_table == "alm_hardware" else "sys_id"
    where = among("type.name", sorted(config.relations))
    return devices, Following(
        client, config, RELATIONS, [devices], column=column, named_by=["parent", "child"], where=where
    )  # fmt: skip


def tickets_of(client: ServiceNowClient, config: ServiceNowConfig) -> tuple[Part, ...]:
    """The tables of tickets, and what changes their times of SLAs."""
    tables = [Tickets(client, config, table) for table in config.ticket_tables]
    if not config.read_slas:
        return tuple(tables)
    return *tables, Following(client, config, "task_sla", tables, column="sys_id", named_by=["task"])


def deleted_tables(config: ServiceNowConfig) -> str:
    """The tables whose deletions are read, those that extend others included."""
    names: list[str] = []
    families: list[str] = []
    if "cmdb" in config.roles:
        names += ["cmn_location", "alm_stockroom", config.device_table, config.model_table]
        family = "cmdb_ci" if config.device_table == "cmdb_ci_hardware" else config.device_table
        families = [f"tablenameSTARTSWITH{family}_", "tablenameENDSWITH_model"]
    if "itsm" in config.roles:
        names += config.ticket_tables
    return "^OR".join([among("tablename", names), *families])
