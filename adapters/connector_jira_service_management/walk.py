"""The issues that changed, page by page, without relying on what a page's token means while issues change.

Jira does not say what becomes of a token when an issue that it counts changes and moves to the end of the list. So each
page is asked for by time, from the minute of the last issue on, and what was read of that minute is left out here. The
token is followed only where one minute fills more than a page, or an hour that the account's clock shows twice. What
such pages bring may lack an issue that moved up between two of them, so they are read until they bring nothing new.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from connector.sdk import UnexpectedResponse
from connector.sdk.cursors import read_instant
from connector_jira_service_management.client import Page
from connector_jira_service_management.cursor import Asked, Position, Stamp

Ask: TypeAlias = Callable[[datetime | None, str | None], Awaitable[Page]]
"""A page of what changed since an instant, or since ever, and the token of the page before."""


@dataclass(frozen=True, slots=True)
class Step:
    """Issues that were not read before. here: behind them. is_last: nothing follows."""

    items: tuple[Any, ...]
    here: Position
    is_last: bool


async def walk(ask: Ask, floor: datetime | None, here: Position, asked: Asked) -> AsyncIterator[Step]:
    """Issues from `floor` on that lie behind `here`, at most a page at once; a page is asked for when it is wanted."""
    token: str | None = None
    may_lack = False
    while True:
        page = await ask(floor, token)
        stamps = [stamp_of(item) for item in page.items]
        items = tuple(
            item for item, stamp in zip(page.items, stamps, strict=True) if stamp is None or not here.has_passed(stamp)
        )
        known = [stamp for stamp in stamps if stamp is not None]
        here = here.after(known, asked, since=floor and asked(floor))
        may_lack = may_lack or (token is not None and bool(items))
        reached = asked(max(known)[0]) if known else None
        leads_on = reached is not None and (floor is None or reached > asked(floor))
        is_last = page.token is None and not may_lack
        if items or is_last:
            yield Step(items, here.after((), asked) if is_last else here, is_last)
        if is_last:
            return
        if here.at is None:
            raise UnexpectedResponse(
                f"none of {len(page.items)} issues says when it changed: there is no way to go on behind them",
                operation="pull tickets",
                hint="Check that the token's account sees the field `updated`.",
            )
        if may_lack and (leads_on or page.token is None):
            token, may_lack = None, False
        elif leads_on:
            floor, token = reached, None
        else:
            token = page.token


def stamp_of(item: Any) -> Stamp | None:
    """When an issue changed, and its id; None where it cannot be read."""
    try:
        return read_instant(item["fields"]["updated"]), str(item["id"])
    except (KeyError, TypeError, ValueError):
        return None
