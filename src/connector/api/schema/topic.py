"""What the events of all topics have in common, and how changes become events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

import strawberry

from connector.api.schema.enums import ChangeOperation
from connector.api.schema.scalars import JSON, as_json
from connector.model.refs import EntityKind
from connector.storage.database.changes import LoggedChange
from connector.storage.query import ENTITIES, Row, Sight

EventT = TypeVar("EventT")


@strawberry.type(description="One field that changed.")
class FieldChange:
    """Before and after."""

    field: str = strawberry.field(description="The field's name as the change log has it, for example `state`.")
    before: JSON | None = strawberry.field(description="Its value before; null for something new.")
    after: JSON | None = strawberry.field(description="Its value after; null for something deleted.")


@strawberry.interface(description="Something that happened. Events come in the order in which they were committed.")
class Event:
    """An entry of the change log."""

    cursor: str = strawberry.field(description="Names this event: `after` it a new subscription goes on without gap.")
    at: datetime = strawberry.field(description="When it happened.")
    operation: ChangeOperation = strawberry.field(description="What happened.")
    actor: str = strawberry.field(description="Who or what did it.")
    changes: list[FieldChange] = strawberry.field(description="Every field that changed.")


@dataclass(frozen=True, slots=True)
class Topic(Generic[EventT]):
    """How changes of one kind become events. row: field of the event that holds the thing itself.

    state: its column that `before` and `after` show. news: fields whose change is worth an event, None for all.
    """

    kind: EntityKind
    row: str
    state: str
    states: type[StrEnum]
    event: Callable[..., EventT]
    news: frozenset[str] | None = None

    def is_news(self, change: LoggedChange) -> bool:
        """Whether the change is worth an event."""
        return self.news is None or change.operation != "updated" or not self.news.isdisjoint(change.fields)

    def event_of(self, change: LoggedChange, row: Row | None, sight: Sight) -> EventT:
        """The event that a change is, without what is kept from whoever reads it.

        With a limited sight without keys and documents: they may lead out of it.
        """
        entity = ENTITIES[self.row]
        told = set(entity.names()) if sight.is_limited else change.fields.keys()
        if sight.hidden:
            told = told - sight.hidden_of(entity)
        now = row.values[self.state] if row else None
        before, after = change.fields.get(self.state, (now, now))
        return self.event(
            cursor=str(change.position),
            at=change.at,
            operation=ChangeOperation(change.operation),
            actor=change.actor,
            changes=[
                FieldChange(field=name, before=as_json(pair[0]), after=as_json(pair[1]))
                for name, pair in sorted(change.fields.items())
                if name in told
            ],
            before=None if before is None else self.states(before),
            after=None if after is None else self.states(after),
            **{self.row: row},
        )
