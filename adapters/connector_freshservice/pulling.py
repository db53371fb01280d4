"""Reads tickets that changed since, and assets.

Freshservice lists tickets that changed since a time, and states no order but that of their making. So a pull reads all
of them, page by page, each joined to the one before; the trash and the spam folder are lists of their own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Any

from connector.sdk import (
    AuthError,
    Batch,
    Clock,
    ConfigError,
    Cursor,
    InvalidRecord,
    NotFound,
    Record,
    Rejected,
    SourceRef,
    Tombstone,
)
from connector.sdk.answers import said
from connector.sdk.cursors import read_instant
from connector.sdk.rest import (
    ListedPart,
    ListedPull,
    ListedRow,
    LocationTree,
    Position,
    read_cursor,
    read_each,
    write_cursor,
    write_time,
)
from connector.sdk.rest.watermark import Progress
from connector_freshservice.assets import VERSION, AssetTypes, asset_record, asset_ref, asset_tombstone, changed
from connector_freshservice.client import WITH_FIELDS, FreshserviceClient
from connector_freshservice.config import FreshserviceConfig
from connector_freshservice.names import Form, read_form
from connector_freshservice.places import tree_of
from connector_freshservice.relations import Relations, RelationTypes
from connector_freshservice.tickets import ENDED, Desk, read_ticket, ticket_ref

LISTS: dict[str, dict[str, str]] = {"listed": {}, "deleted": {"filter": "deleted"}, "spam": {"filter": "spam"}}
BESIDE = {"include": "requester,stats"}
OF_ONE = {"include": "requester,stats,assets,related_tickets"}
ASSOCIATED = {"include": "assets,related_tickets"}
NOT_ALLOWED = ("access_denied", "require_feature")
FACTS = "1"
SINCE_EVER = "2000-01-01T00:00:00Z"
CLOCKS_APART = timedelta(days=1)
"""How far our clock and theirs may differ: in the first pull, nothing older than that is looked for in the trash."""
TICKETS = "pull tickets"
ASSETS = "pull hardware"


FEW = 10
"""So many changed assets of a page are asked for their relationships one by one; the account's list tells of more."""


class Reader:
    """Reads for an adapter."""

    def __init__(self, client: FreshserviceClient, config: FreshserviceConfig, clock: Clock) -> None:
        self._client = client
        self._config = config
        self._clock = clock

    async def types(self, operation: str) -> AssetTypes:
        """All asset types."""
        return AssetTypes.of(await self._client.all("asset_types", "asset_types", operation), self._config)

    async def locations(self, operation: str) -> list[ListedRow]:
        """All locations."""
        return await self._client.all("locations", "locations", operation)

    async def places(self, operation: str) -> LocationTree:
        """The tree of all locations; nothing of it is needed where each is a site."""
        if not self._config.hub_locations and self._config.sites == "every":
            return tree_of((), self._config)
        return tree_of(await self.locations(operation), self._config)

    async def form(self, workspace: int | None, operation: str) -> Form:
        """The fields of a workspace's tickets; none where the hub's agent may not see them and no setting needs them.

        Raises ConfigError where one does.
        """
        try:
            return read_form(await self._client.form_fields(workspace, operation))
        except AuthError as error:
            if said(error).get("code") not in NOT_ALLOWED:
                raise
            if names := self._config.names_of_fields():
                raise ConfigError(
                    f"{operation}: the hub's agent may not see the fields of tickets, which {', '.join(names)} need",
                    operation=operation, detail=error.detail,
                    hint="Let its role manage ticket fields, or give numbers and names as the API has them.",
                ) from error  # fmt: skip
            return Form()

    async def ticket(self, ref: SourceRef, operation: str) -> Record:
        """A ticket as it is now. Raises NotFound, InvalidRecord."""
        wanted = BESIDE if self._config.associations == "none" else OF_ONE
        row = await self._client.one("tickets", "ticket", ref, operation, wanted)
        return (await self._desk(workspace_of(row, self._config), operation)).record(row)

    async def relation_types(self, operation: str) -> RelationTypes:
        """Types of relationships that mean something here. Raises ConfigError for one that is not there."""
        return RelationTypes.of(
            await self._client.all("relationship_types", "relationship_types", operation), self._config
        )

    async def relations(self, display_ids: Sequence[int], operation: str, known: _Related) -> Relations | None:
        """What assets have to do with others; None where that is not read. known: what this pull has asked so far."""
        if not self._config.read_relations:
            return None
        if known.whole is not None or not display_ids:
            return known.whole or Relations((), RelationTypes({}))
        known.types = known.types or await self.relation_types(operation)
        if len(display_ids) > FEW:
            known.whole = Relations(await self._client.relationships(operation), known.types)
            return known.whole
        rows = [row for each in display_ids for row in await self._client.relationships_of(each, operation)]
        return Relations(rows, known.types)

    async def asset(self, ref: SourceRef, operation: str) -> Record | None:
        """An asset as it is now; None for one of a type that is not read. Raises NotFound, InvalidRecord."""
        row = await self._client.one("assets", "asset", ref, operation, WITH_FIELDS)
        types, places = await self.types(operation), await self.places(operation)
        relations = await self.relations(_display_ids([row], types), operation, _Related())
        return asset_record(row, types, places, self._config, relations)

    async def _desk(self, workspace: int | None, operation: str) -> Desk:
        is_needed = "cmdb" in self._config.roles and self._config.associations != "none"
        types = await self.types(operation) if is_needed else None
        return Desk(await self.form(workspace, operation), self._config, types)

    async def tickets(self, since: Cursor | None, lag: timedelta) -> AsyncGenerator[Batch, None]:
        """Batches of a page each."""
        saved, now = read_cursor(since), self._clock.now()
        feeds: dict[str, Progress] = {}
        for workspace in self._config.workspaces or (None,):
            name = str(workspace or "")
            feeds[name] = saved.get(name, Progress()).begin(now, FACTS)
        for workspace in self._config.workspaces or (None,):
            name, desk = str(workspace or ""), _Later()
            begun, offset, last = _place(feeds[name])
            for kind in list(LISTS)[begun:]:
                floor = self._floor(feeds[name], kind)
                asked = {**BESIDE, **LISTS[kind], "updated_since": _second(floor), "order_type": "asc"}
                if workspace is not None:
                    asked["workspace_id"] = str(workspace)
                walk = self._client.pages("tickets", "tickets", self._config.page_size, TICKETS, asked)
                walk.offset, walk.last = offset, last
                async with aclosing(walk.rows()) as pages:
                    async for rows in pages:
                        at = _latest(rows, feeds[name].at)
                        place = f"{kind}:{walk.offset}:{walk.last}"
                        feeds[name] = feeds[name].step(Position(at or "", place))
                        wanted = [row for row in rows if _is_since(row, floor)]
                        if wanted and desk.known is None:
                            desk.known = await self._desk(workspace, TICKETS)
                        records, refused = await self._made(wanted, kind, desk.known) if desk.known else ((), ())
                        yield Batch(records=records, rejected=refused, resume=write_cursor(feeds))
                offset, last = 0, None
        done = {name: progress.finish(self._clock.now(), lag) for name, progress in feeds.items()}
        yield Batch(records=(), resume=write_cursor(done))

    def _floor(self, progress: Progress, kind: str) -> datetime:
        """From when on changes are read."""
        if progress.floor is not None:
            floor = read_instant(progress.floor)
            return floor if floor.microsecond == 0 else floor.replace(microsecond=0) + timedelta(seconds=1)
        if kind != "listed" and progress.started is not None:
            return read_instant(progress.started) - CLOCKS_APART
        return self._config.start or read_instant(SINCE_EVER)

    async def _made(
        self, rows: list[ListedRow], kind: str, desk: Desk
    ) -> tuple[tuple[Record, ...], tuple[Rejected, ...]]:
        if kind != "listed":
            return read_each(rows, _gone, ticket_ref)
        rows = [await self._with_associations(row, desk) for row in rows]
        return read_each(rows, desk.record, ticket_ref)

    async def _with_associations(self, row: ListedRow, desk: Desk) -> ListedRow:
        """The row with its assets and parent, which the list does not tell, where the settings want them."""
        if self._config.associations == "none":
            return row
        with suppress(InvalidRecord, NotFound):  # said of the row, or it is gone, which the trash tells
            ticket = read_ticket(row)
            is_wanted = self._config.associations == "all" or desk.state_of(ticket) not in ENDED
            if is_wanted and desk.is_read(ticket):
                more = await self._client.one("tickets", "ticket", ticket.ref, TICKETS, ASSOCIATED)
                return row | {name: more.get(name) for name in ("assets", "related_tickets")}
        return row

    async def hardware(self, since: Cursor | None, lag: timedelta) -> AsyncGenerator[Batch, None]:
        """Assets that changed, and those that went to the trash, of each workspace."""
        config = self._config
        types, places = await self.types(ASSETS), await self.places(ASSETS)
        told = [VERSION, *sorted(f"{name}={state}" for name, state in config.states.items())]
        told += [*sorted(f"{ours}={theirs}" for ours, theirs in config.custom_fields.items()), *places.told()]
        told += [f"type {each}" for each in sorted(types.read)]
        told += [f"relation {each}" for each in sorted(config.relations.items())] if config.read_relations else []
        known = _Related()

        async def read(is_gone: bool, rows: Any) -> tuple[tuple[Record, ...], tuple[Rejected, ...]]:
            if is_gone:
                return read_each(rows, asset_tombstone, asset_ref, name="display_id")
            relations = await self.relations(_display_ids(rows, types), ASSETS, known)
            make = partial(asset_record, types=types, places=places, config=config, relations=relations)
            return read_each(rows, make, asset_ref, name="display_id")

        parts: list[ListedPart] = []
        for workspace in config.workspaces or (None,):
            where: Mapping[str, str | int] = {} if workspace is None else {"workspace_id": workspace}
            for name, which in {"listed": {}, "trashed": {"trashed": "true"}}.items():
                walk = self._client.assets(config.page_size, ASSETS, {**where, **which})
                is_gone = name == "trashed"
                parts.append(ListedPart(f"{workspace or ''}{name}", walk, partial(read, is_gone), is_gone))
        facts = blake2b("\n".join(told).encode(), digest_size=16).hexdigest()
        pull = ListedPull(parts, self._clock, lag, facts, _changed_at)
        async with aclosing(pull.batches(since)) as batches:
            async for batch in batches:
                yield batch


@dataclass
class _Later:
    """What is asked for when the first row needs it: an idle pull costs no more than its lists."""

    known: Desk | None = None


@dataclass
class _Related:
    """What a pull knows of relationships: their types, and all of them once many assets have changed."""

    types: RelationTypes | None = None
    whole: Relations | None = None


def _display_ids(rows: Iterable[ListedRow], types: AssetTypes) -> list[int]:
    """Assets that become records."""
    numbers = [row.get("display_id") for row in rows if types.is_read(row.get("asset_type_id"))]
    return [each for each in numbers if isinstance(each, int) and not isinstance(each, bool)]


def _changed_at(row: ListedRow, *, latest: bool = False) -> datetime:  # noqa: ARG001 - times here state their zone
    return changed(row)


def _gone(row: ListedRow) -> Record:
    ticket = read_ticket(row)
    return Tombstone(ref=ticket.ref, updated_at=ticket.updated_at)


def workspace_of(row: ListedRow, config: FreshserviceConfig) -> int | None:
    """Whose fields a ticket has, as far as the settings name workspaces."""
    if not config.workspaces:
        return None
    told = row.get("workspace_id")
    return told if told in config.workspaces else config.workspaces[0]


def _place(progress: Progress) -> tuple[int, int, int | None]:
    """Where a pull stopped: which list, how many rows, and the last of them."""
    kind, _, rest = (progress.id or "").partition(":")
    offset, _, last = rest.partition(":")
    if kind in LISTS and offset.isdecimal() and last.isdecimal():
        return list(LISTS).index(kind), int(offset), int(last)
    return 0, 0, None


def _second(floor: datetime) -> str:
    """A second before, since nobody says whether a change of that very instant is one since it."""
    return write_time((floor - timedelta(seconds=1)).replace(microsecond=0))


def _is_since(row: ListedRow, floor: datetime) -> bool:
    """Whether a row is not older; one that does not say when it changed is refused later."""
    try:
        return changed(row) >= floor
    except InvalidRecord:
        return True


def _latest(rows: list[ListedRow], known: str | None) -> str | None:
    times = [read_instant(known)] if known else []
    for row in rows:
        with suppress(InvalidRecord):
            times.append(changed(row))
    return write_time(max(times)) if times else None
