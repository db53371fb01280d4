"""How a subscription follows the log: from where on, what of it, and how its changes become events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from enum import StrEnum
from typing import Final, Generic

import strawberry
from strawberry.utils.str_converters import to_camel_case

from connector.api.compiled_events import CompiledEvents
from connector.api.context import Info
from connector.api.feed import Stretch
from connector.api.patience import in_time, took_too_long
from connector.api.plan import Plan
from connector.api.ready import NotCompiled
from connector.api.schema.nodes import key_of
from connector.api.schema.topic import EventT, Topic
from connector.model.errors import InvalidInput
from connector.storage.database.changes import LoggedChange, parse_cursor
from connector.storage.database.engine import reading
from connector.storage.query import Selection, fetch_rows

EVENT: Final = "the event"


async def follow(
    info: Info,
    topic: Topic[EventT],
    after: str | None,
    only: Mapping[str, strawberry.ID | None],
    *,
    to: StrEnum | None = None,
) -> AsyncGenerator[EventT, None]:
    """Events of a topic, as far as the ordinary executor has to make them. only: column -> id that a thing must have.

    to: the state that it must have come to. Where the context's stretch takes JSON, it gets what can be compiled, each
    event at its place.
    """
    context, stretch = info.context, info.context.stretch or Stretch()
    wanted: dict[str, int | str] = {
        name: _key(name, topic.row, text) for name, text in only.items() if text is not None
    }
    if to is not None:
        wanted[topic.state] = to.value
    events = _Events(info, topic)
    start = parse_cursor(after) if stretch.start is None and after is not None else stretch.start
    now = await context.feed.now()
    if start is not None and start > now:
        raise InvalidInput(
            f"cursor {str(start)!r} lies ahead of everything that has happened",
            hint="Was the database replaced by an older one? Leave `after` out and read the present state again.",
        )
    stretch.position = stretch.begun_at = now if start is None else start
    pages = context.feed.pages(stretch.position, kind=topic.kind, only=wanted, until=stretch.until)
    async with aclosing(pages):
        async for page in pages:
            news = [change for change in page if topic.is_news(change)]
            for change, event in await events.of(news):
                stretch.position = change.position
                if not isinstance(event, bytes):
                    yield event
                elif stretch.tell is not None:
                    await stretch.tell(event)


class _Events(Generic[EventT]):
    """Makes the events of changes: their JSON where that can be compiled, else what the ordinary executor takes."""

    def __init__(self, info: Info, topic: Topic[EventT]) -> None:
        self._context = info.context
        self._topic = topic
        self._plan = Plan.of(info._raw_info)
        self._compiled: CompiledEvents[EventT] | None = None
        self._selection: Selection | None = None
        together = info.context.stretch.together if info.context.stretch else None
        if together is not None:
            try:
                self._compiled = CompiledEvents(info, topic, together)
            except NotCompiled:
                self._compiled = None
        if self._compiled is None:
            self._selection = self._asked()

    async def of(self, changes: Sequence[LoggedChange]) -> list[tuple[LoggedChange, EventT | bytes]]:
        """The events in order; without those of things that somebody limited does not see. Raises TimedOut."""
        longest = self._context.limits.longest_query
        made: dict[int, EventT | bytes | None] = {}
        if changes and self._compiled is not None:
            try:
                made.update(await self._compiled.texts(changes))
            except TimeoutError as error:
                raise took_too_long(EVENT, longest) from error
        left = [change for change in changes if change.position not in made]
        if left:
            async with in_time(EVENT, longest):
                made.update(await self._executed(left))
        return [(change, event) for change in changes if (event := made[change.position]) is not None]

    async def _executed(self, changes: Sequence[LoggedChange]) -> dict[int, EventT | None]:
        """Events for the ordinary executor, with all that is asked of the thing."""
        if self._selection is None:
            self._selection = self._asked()
        sight = self._context.reader.sight
        async with reading(self._context.engine) as tx:
            rows = await fetch_rows(tx, self._selection, {change.entity_id for change in changes}, sight)
        return {
            change.position: None
            if change.entity_id not in rows and sight.is_limited  # gone, or never theirs
            else self._topic.event_of(change, rows.get(change.entity_id), sight)
            for change in changes
        }

    def _asked(self) -> Selection:
        topic = self._topic
        asked = self._plan.below(to_camel_case(topic.row)) or Selection(topic.row)
        return replace(asked, columns=asked.columns | {topic.state})


def _key(column: str, entity: str, text: str) -> int:
    return key_of(text, entity=entity if column == "id" else column.removesuffix("_id"))
