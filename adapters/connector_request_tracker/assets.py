"""Assets of the catalogs that are read, along the time of their last update, then id.

The search for assets takes a list of conditions that all hold, and times in UTC. "Later than this row" needs two of
them: rows of the same second with a greater id, then rows of later seconds. A search never finds deleted assets: they
are missed by reading all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from connector.sdk import (
    AssetRecord,
    AuthError,
    Batch,
    Clock,
    ConfigError,
    Cursor,
    NotFound,
    SourceRef,
    UnexpectedResponse,
)
from connector.sdk.answers import read_records
from connector_request_tracker.asset_mapping import ASSET_FIELDS, asset_record, asset_ref
from connector_request_tracker.client import BY_ID, Condition, RequestTrackerClient
from connector_request_tracker.config import RequestTrackerConfig
from connector_request_tracker.cursor import Position, position_of, read_cursor, write_cursor
from connector_request_tracker.mapping import rejected

OPERATION = "pull assets"


class AssetReader:
    """Reads the assets of one Request Tracker, for the length of one call. overlap: of its stream."""

    def __init__(
        self, client: RequestTrackerClient, config: RequestTrackerConfig, clock: Clock, overlap: timedelta
    ) -> None:
        self._client = client
        self._config = config
        self._clock = clock
        self._overlap = overlap

    async def catalogs(self) -> list[Condition]:
        """The condition that an asset is in one of the catalogs.

        Raises ConfigError for one that is not there or hidden, which are answered alike; AuthError for the token.
        """
        found: list[Condition] = []
        for name in self._config.catalogs:
            try:
                found.append(("Catalog", "=", await self._client.catalog(name)))
            except (AuthError, NotFound) as error:
                await self._client.version()  # not even that is told to a token that is not valid
                raise ConfigError(
                    f"catalog {name!r} does not exist, or the token's user may not see it",
                    operation="read catalogs",
                    hint="Correct `catalogs`, or grant that user ShowCatalog and ShowAsset on the catalog.",
                    detail=error.detail,
                ) from error
        return found

    async def batches(self, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """Batches of one page each; a pull from the beginning that is not cut off ends complete."""
        start = position = read_cursor(since)
        started = self._clock.now()
        began = start.began or started
        where = await self.catalogs()
        while True:
            items = await self._behind(position, where)
            records, unread = read_records(
                items, partial(asset_record, config=self._config), partial(rejected, ref_of=asset_ref)
            )
            reached = position_of(items, "LastUpdated", OPERATION)
            if items and position.is_exact and not position.precedes(reached):
                raise UnexpectedResponse(
                    f"{OPERATION}: the list does not go on behind asset {position.id}",
                    operation=OPERATION,
                    hint="Check that the server is Request Tracker 5 and that nothing between rewrites requests.",
                )
            position = reached if items else position
            end = replace(position, began=began)
            if not items:
                end = start.end_of_pull(position, started, self._overlap).not_after(began)
            yield Batch(records, unread, resume=write_cursor(end), complete=since is None and not items)
            if not items:
                return

    async def one(self, ref: SourceRef) -> AssetRecord:
        """An asset as it is now. Raises NotFound when it is gone, or in none of the catalogs."""
        if self._config.catalogs and ref.external_id.isdigit():
            where = [*await self.catalogs(), ("id", "=", ref.external_id)]
            items = await self._client.assets(where, fields=ASSET_FIELDS, per_page=1, order=BY_ID)
            if items:
                return asset_record(items[0], self._config)
        raise NotFound(f"there is no {ref} in our catalogs, or it is hidden", operation="fetch asset", ref=ref)

    async def _behind(self, position: Position, where: list[Condition]) -> tuple[Any, ...]:
        """The next page; empty at the end."""
        if position.at is None:
            return await self._page(where)
        if not position.is_exact:
            return await self._page([*where, ("LastUpdated", ">=", _moment(position.at - self._overlap))])
        at = _moment(position.at)
        same = await self._page([*where, ("LastUpdated", "=", at), ("id", ">", str(position.id))])
        return same or await self._page([*where, ("LastUpdated", ">", at)])

    async def _page(self, where: list[Condition]) -> tuple[Any, ...]:
        return await self._client.assets(where, fields=ASSET_FIELDS, per_page=self._config.page_size)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
