"""What resolvers may use: given by the composition root, fresh where an operation needs its own."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final, TypeAlias

from starlette.types import Receive
from strawberry.types.info import Info as StrawberryInfo

from connector.api.commands import Commands
from connector.api.documents import Documents
from connector.api.feed import Feed, Stretch
from connector.api.field_rights import EVERY_FIELD, FieldRights
from connector.api.kept import KeptAnswers
from connector.api.limits import Limits
from connector.api.patience import Patience
from connector.api.ready import ReadyQueries
from connector.fulfilment.approvals import Approvals
from connector.fulfilment.channels import Channels
from connector.model.principals import Principal
from connector.rules.policy.reading import Policy
from connector.sdk.adapter import Clock
from connector.storage.database.engine import Database, Transaction, reading
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.quality.days import MEASURING, Measuring
from connector.storage.query import (
    EVERYTHING,
    NO_VALUES,
    Connection,
    Page,
    PreparedReads,
    Row,
    Selection,
    Sight,
    fetch_page,
    fetch_row_at,
    fetch_rows,
)

NOBODY: Final = Principal("nobody", frozenset())
"""Who asks as long as nobody has shown a token."""


class Reader:
    """Reads everything that one operation asks for from one snapshot of the database.

    The snapshot is taken by the first read and kept until `renew` or `aclose`. sight: of whoever reads.
    """

    def __init__(self, engine: Database, sight: Sight = EVERYTHING) -> None:
        self._engine = engine
        self.sight = sight
        self._snapshot: Transaction | None = None

    @property
    def dialect(self) -> str:
        """Name of the database system."""
        return self._engine.dialect.name

    async def fetch(self, reads: PreparedReads, values: Mapping[str, Any] = NO_VALUES) -> Sequence[Any]:
        """What the reads answer, by one statement, which is a snapshot by itself; its sight is theirs.

        values: of the statement's parameters. Raises NotAnswered.
        """
        return await reads.fetch(self._engine, values)

    async def page(self, selection: Selection, page: Page) -> Connection:
        """One page of rows."""
        async with self.exclusively:
            return await fetch_page(await self.snapshot(), selection, page, self.sight)

    async def rows(self, selection: Selection, ids: Collection[int]) -> dict[int, Row]:
        """Rows by their ids."""
        async with self.exclusively:
            return await fetch_rows(await self.snapshot(), selection, ids, self.sight)

    async def row(self, selection: Selection, key: int) -> Row | None:
        """One row, None when there is none of this id."""
        return (await self.rows(selection, [key])).get(key)

    async def row_at(self, selection: Selection, key: int, at: datetime) -> Row | None:
        """One row as it was at an instant, None when there was none of this id."""
        async with self.exclusively:
            return await fetch_row_at(await self.snapshot(), selection, key, at, self.sight)

    async def snapshot(self) -> Transaction:
        """The snapshot itself; hold `exclusively` while using it."""
        if self._snapshot is None:
            self._snapshot = await self._open.enter_async_context(reading(self._engine))
        return self._snapshot

    @cached_property
    def exclusively(self) -> asyncio.Lock:
        """A connection serves one statement at a time."""
        return asyncio.Lock()

    @cached_property
    def _open(self) -> AsyncExitStack:
        return AsyncExitStack()

    async def renew(self) -> None:
        """Let later reads see what has been written since."""
        async with self.exclusively:
            await self._close()

    async def aclose(self) -> None:
        """Give the connection back."""
        await self._close()

    async def _close(self) -> None:
        if self._snapshot is not None:
            self._snapshot = None
            await self._open.aclose()


@dataclass(slots=True)
class ApiContext:
    """The surroundings of a request. principal: who asks. public_url: without a slash at its end.

    kept: answers that were given before, None where none are kept. stretch: over what of the log a subscription is run;
    None for from its `after` on. fields: who reads which. measuring: of data quality. cost: of the operation, once
    it is known. patience: with which it is run.
    receive: of the request whose client is watched while it is.
    """

    engine: Database
    clock: Clock
    commands: Commands
    policy: PolicySource
    feed: Feed
    approvals: Approvals
    channels: Channels
    public_url: str
    ready: ReadyQueries = field(default_factory=ReadyQueries)
    kept: KeptAnswers | None = None
    documents: Documents = field(default_factory=Documents)
    limits: Limits = field(default_factory=Limits)
    cost: int = 0
    patience: Patience | None = None
    fields: FieldRights = EVERY_FIELD
    measuring: Measuring = MEASURING
    principal: Principal = NOBODY
    stretch: Stretch | None = None
    receive: Receive | None = None
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = Reader(self.engine, self.fields.sight(self.principal))

    @property
    def actor(self) -> str:
        """Who asks, for the change log."""
        return self.principal.name

    def come(self, principal: Principal) -> None:
        """Somebody has shown who they are."""
        self.principal = principal
        self.reader = Reader(self.engine, self.fields.sight(principal))

    def for_operation(self) -> ApiContext:
        """The same surroundings with a reader of its own."""
        return replace(self)

    async def active_policy(self) -> Policy:
        """The policy that is active in the snapshot of this operation."""
        async with self.reader.exclusively:
            return await policy_now(await self.reader.snapshot(), self.policy)

    def label_url(self, document_id: int) -> str:
        """Where the file of a label is."""
        return f"{self.public_url}/labels/{document_id}"


Info: TypeAlias = StrawberryInfo[ApiContext, None]
