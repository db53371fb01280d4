"""Hardware: three lists, of which archived and deleted hardware has one each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b

from connector.sdk import Clock, EntityKind, Record, Rejected
from connector.sdk.rest import ListedPart, ListedPull, of_kind, read_each
from connector_snipe_it.client import Row, SnipeItClient
from connector_snipe_it.config import SnipeItConfig
from connector_snipe_it.mapping import VERSION, asset_record, tombstone
from connector_snipe_it.places import Places
from connector_snipe_it.times import changed_at

OPERATION = "pull hardware"
LISTS: dict[str, dict[str, str]] = {"listed": {}, "archived": {"status": "Archived"}, "deleted": {"status": "Deleted"}}
"""The plain list leaves archived hardware out, unless a setting of Snipe-IT's shows it there, too."""


def hardware_pull(
    client: SnipeItClient, config: SnipeItConfig, places: Places, clock: Clock, overlap: timedelta
) -> ListedPull:
    """One pull. overlap: how far it goes back for what was committed late."""
    told = [VERSION, config.time_zone, *sorted(f"{name}={state}" for name, state in config.states.items())]
    told += [*sorted(f"{ours}={theirs}" for ours, theirs in config.custom_fields.items()), *places.told()]
    makers: dict[str, Callable[[Row], Record]] = {
        "deleted": lambda row: tombstone(row, config),
        "listed": lambda row: asset_record(row, places, config),
    }

    async def read(name: str, rows: Sequence[Row]) -> tuple[tuple[Record, ...], tuple[Rejected, ...]]:
        return read_each(rows, makers.get(name, makers["listed"]), of_kind(EntityKind.ASSET))

    def at(row: Row, *, latest: bool = False) -> datetime:
        return changed_at(row, config.time_zone, latest=latest)

    parts = [
        ListedPart(
            name, client.walk("hardware", config.page_size, OPERATION, params), partial(read, name), name == "deleted"
        )
        for name, params in LISTS.items()
    ]  # fmt: skip
    facts = blake2b("\n".join(told).encode(), digest_size=16).hexdigest()
    return ListedPull(parts, clock, overlap, facts, at)
