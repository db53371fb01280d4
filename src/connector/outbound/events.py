"""A change of the log as other systems are told of it: a CloudEvent, with what whoever is told may see.

It is the event that a subscription of the same rights gets, but for the thing itself, which is asked for by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from connector.api.schema.nodes import ENTITY_TYPES, global_id
from connector.api.schema.subscription import TOPICS
from connector.api.schema.topic import Topic
from connector.model.refs import EntityKind
from connector.storage.database.changes import LoggedChange
from connector.storage.database.engine import Transaction
from connector.storage.query import Selection, Sight, fetch_rows

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
TOPIC_OF: Final[Mapping[EntityKind, Topic[Any]]] = {topic.kind: topic for topic in TOPICS}
TEST_TYPE: Final = "connector.test"


async def bodies_of(tx: Transaction, changes: Sequence[LoggedChange], sight: Sight, *, source: str) -> dict[int, bytes]:
    """Position -> the body that tells of it; without those of things that a limited sight does not reach."""
    found: dict[int, bytes] = {}
    for kind in {change.kind for change in changes}:
        topic = TOPIC_OF[kind]
        own = [change for change in changes if change.kind is kind]
        selection = Selection(topic.row, columns=frozenset({topic.state}))
        rows = await fetch_rows(tx, selection, {change.entity_id for change in own}, sight)
        for change in own:
            row = rows.get(change.entity_id)
            if row is not None or not sight.is_limited:
                found[change.position] = _body(topic, change, topic.event_of(change, row, sight), source)
    return found


def probe(number: str, *, source: str, at: datetime) -> bytes:
    """A body that tells of nothing, to try an endpoint with."""
    return _cloud_event(number, TEST_TYPE, source=source, subject=None, at=at, data={})


def _body(topic: Topic[Any], change: LoggedChange, event: Any, source: str) -> bytes:
    subject = global_id(ENTITY_TYPES[topic.row], change.entity_id)
    data = {
        "id": subject,
        "cursor": event.cursor,
        "operation": event.operation.value,
        "actor": event.actor,
        "before": event.before,
        "after": event.after,
        "changes": [{"field": one.field, "before": one.before, "after": one.after} for one in event.changes],
    }
    name = f"connector.{topic.row}.{change.operation}"
    return _cloud_event(str(change.position), name, source=source, subject=subject, at=change.at, data=data)


def _cloud_event(
    number: str, name: str, *, source: str, subject: str | None, at: datetime, data: Mapping[str, Any]
) -> bytes:
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": number,
        "source": source,
        "type": name,
        "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
    }
    if subject is not None:
        event["subject"] = subject
    return orjson.dumps({**event, "data": data}, default=str)
