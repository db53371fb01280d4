"""Events go around the ordinary executor as queries do: rows are read as they are shown, and shaped once.

A field of an event is either a thing as it is now, which is read like a row of a query, or told by the change itself.
Whatever cannot be compiled, and an event that would hold an error, is left to the ordinary executor. The licence is the
differential test `tests/api/compiled/test_events.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeAlias

import orjson
from graphql import GraphQLError, get_named_type
from strawberry.utils.str_converters import to_camel_case

from connector.api.context import Info
from connector.api.document import object_type
from connector.api.plan import Plan
from connector.api.ready import NotCompiled
from connector.api.schema.topic import EventT, Topic
from connector.api.shape import Shape, Shaper, Surroundings
from connector.model.errors import ConnectorError
from connector.storage.database.changes import LoggedChange
from connector.storage.database.refusals import NotAnswered
from connector.storage.query import Row, Selection, Together, layout_of, place_key

_Rows: TypeAlias = Sequence[Any]
"""A thing as each of the event's fields for it has it; empty when it is not there."""


class CompiledEvents(Generic[EventT]):
    """Makes the events of a subscription. together: reads the rows.

    Raises NotCompiled when it is the ordinary executor's affair.
    """

    def __init__(self, info: Info, topic: Topic[EventT], together: Together) -> None:
        self._topic = topic
        self._together = together
        self._around = Surroundings(info.context)
        self._sight = info.context.reader.sight
        self._extensions = info.context.limits.told(info.input_extensions, info.context.cost)
        self._key = str(info.path.key)
        try:
            self._plan(Plan.of(info._raw_info), info.context.reader.dialect)
        except (ConnectorError, GraphQLError) as error:
            raise NotCompiled("what is asked for cannot be used") from error

    async def texts(self, changes: Sequence[LoggedChange]) -> dict[int, bytes | None]:
        """Position -> the JSON of the event, None where there is none for whoever sees no more.

        Positions of events that the ordinary executor has to make are left out. Raises TimeoutError when reading takes
        too long.
        """
        ids = sorted({change.entity_id for change in changes})
        try:
            rows = await self._rows(ids)
        except NotAnswered:
            return {}
        return dict(self._texts(changes, rows))

    def _plan(self, plan: Plan, dialect: str) -> None:
        type_, row_field = plan.type, to_camel_case(self._topic.row)
        shaper = Shaper(plan.document, dialect)
        self._key_of = shaper.key_of
        selections: list[Selection] = []
        self._members: list[tuple[str, Shape, int | None]] = []
        for key, nodes in plan.document.collect(type_, plan.nodes).items():
            if nodes[0].name.value != row_field:
                self._members.append((key, shaper.attribute(type_, nodes), None))
                continue
            target = object_type(get_named_type(type_.fields[row_field].type))
            selection = self._with_state(plan.selection_at(target, nodes))
            self._members.append((key, shaper.row(target, nodes, layout_of(selection)), len(selections)))
            selections.append(selection)
        if not selections:
            selections.append(self._with_state(Selection(self._topic.row)))
        layout = layout_of(selections[0])
        place = layout.place(self._topic.state)
        self._state, self._decode = place_key(dialect)(place), layout.decoders[place]
        self._reads = self._together.read_of(selections, self._sight)

    def _with_state(self, selection: Selection) -> Selection:
        return Selection(selection.entity, selection.columns | {self._topic.state}, selection.children)

    async def _rows(self, ids: Sequence[int]) -> Mapping[int, _Rows]:
        found: dict[int, list[Any]] = {}
        for rows in await self._together.rows(self._reads, ids):
            for row in rows:
                found.setdefault(self._key_of(row), []).append(row)
        return found

    def _texts(self, changes: Sequence[LoggedChange], found: Mapping[int, _Rows]) -> Iterator[tuple[int, bytes | None]]:
        for change in changes:
            rows = found.get(change.entity_id, ())
            if not rows and self._sight.is_limited:
                yield change.position, None
                continue
            try:
                yield change.position, self._text(change, rows)
            except NotCompiled:
                continue

    def _text(self, change: LoggedChange, rows: _Rows) -> bytes:
        event = self._topic.event_of(change, self._state_of(rows[0]) if rows else None, self._sight)
        around = self._around
        data: dict[str, Any] = {}
        for key, member, place in self._members:
            if place is None:
                data[key] = member(event, around)
            else:
                data[key] = member(rows[place], around) if rows else None
        body: dict[str, Any] = {"data": {self._key: data}}
        if self._extensions:
            body["extensions"] = self._extensions
        return orjson.dumps(body)

    def _state_of(self, row: Any) -> Row:
        """As much of the row as an event shows by itself."""
        value = row[self._state]
        if value is not None and self._decode is not None:
            value = self._decode(value)
        return Row(self._topic.row, {self._topic.state: value})
