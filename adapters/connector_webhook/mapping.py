"""From events to records, by the facts of the document. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from connector.sdk import InvalidRecord, Record, Rejected, SourceRef, WebhookRequest, WebhookResult
from connector.sdk.facts import Expression, RowReader, matches
from connector_webhook.definition import TIME, Definition, EventFacts
from connector_webhook.events import checked, cloud_events, plain_events

MOST_REASONS = 20
EARLIEST = datetime.min.replace(tzinfo=UTC)


class EventReader:
    """Reads what one system posts."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._kinds = [
            (facts, RowReader.of(name, _timed(facts), definition.spelling(facts), needs_time=True))
            for name, facts in definition.events.items()
        ]

    def read(self, request: WebhookRequest) -> WebhookResult:
        """Records of all events, the newest of each thing; why others cannot be used. Raises Invalid."""
        if self._definition.format == "plain":
            posted, check = plain_events(request), _unchecked
        else:
            posted, check = cloud_events(request, unsigned_headers=self._definition.unsigned_headers), checked
        records: dict[SourceRef, Record] = {}
        refused: list[str] = []
        for number, event in enumerate(posted, start=1):
            where = f"event {number} of {len(posted)}: " if len(posted) > 1 else ""
            made, reasons = self._read(event, check, request.received_at)
            refused += [f"{where}{reason}" for reason in reasons]
            for record in made:
                known = records.get(record.ref)
                if known is None or (known.updated_at or EARLIEST) <= (record.updated_at or EARLIEST):
                    records[record.ref] = record
        if len(refused) > MOST_REASONS:
            refused[MOST_REASONS:] = [f"and {len(refused) - MOST_REASONS} more"]
        return WebhookResult(records=tuple(records.values()), refused=tuple(refused))

    def _read(self, event: object, check: Callable[[object], object], now: datetime) -> tuple[list[Record], list[str]]:
        records: list[Record] = []
        reasons: list[str] = []
        try:
            content = check(event)
            for facts, reader in self._kinds:
                if facts.when is None or matches(content, facts.when):
                    made = reader.read(content, now)
                    if isinstance(made, Rejected):
                        reasons.append(f"{made.ref}: {made.reason}" if made.ref else made.reason)
                    elif made is not None:
                        records.append(made)
        except InvalidRecord as error:
            reasons.append(str(error))
        return records, reasons


def _unchecked(event: object) -> object:
    return event


def _timed(facts: EventFacts) -> EventFacts:
    """With the time of the event itself, where the document names no other."""
    return facts if facts.updated_at else facts.model_copy(update={"updated_at": Expression(TIME)})
