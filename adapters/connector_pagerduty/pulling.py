"""How incidents are pulled so that none is lost.

PagerDuty filters incidents by when they were made, never by when they changed, and gives 10,000 rows of a list at most.
So the first pull reads the history by time of creation, and what is older but still open. Each later one reads
- what is open, since not every change of an open incident is told elsewhere, and passes over what did not change,
- the account's log, which tells of whatever happened to any incident, and each incident that it names once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.sdk import (
    AuthError,
    Batch,
    Clock,
    InvalidRecord,
    NotFound,
    Record,
    Rejected,
    SourceRef,
    Tombstone,
    Transient,
    UnexpectedResponse,
)
from connector_pagerduty.client import CAP, Page, PagerDutyClient, Params
from connector_pagerduty.config import PagerDutyConfig
from connector_pagerduty.cursor import Part, Place, Position, write_cursor
from connector_pagerduty.mapping import is_in_scope, rejected, ticket_record
from connector_pagerduty.refusals import LOST_ACCESS, error_code
from connector_pagerduty.shapes import Incident, incident_ref, read_entry, read_incident

OVERLAP = timedelta(minutes=5)
WINDOW = timedelta(days=180)
"""PagerDuty takes six months at most."""
SECOND = timedelta(seconds=1)
"""Windows are asked for with so much more at both ends: whether these belong to a window is not documented."""
DAY = timedelta(days=1)
"""By how much our clock may be ahead of PagerDuty's."""
TAIL = 10
"""Rows that two pages have in common, so that rows which leave the list meanwhile take none with them."""
MOST_RESTARTS = 3
MOST_REPEATS = 5
"""Pages in a row that are the page before again: entries that come meanwhile may move others to later pages."""
OPEN: Params = (("statuses[]", "triggered"), ("statuses[]", "acknowledged"))
ORDER: Params = (("sort_by", "created_at:asc,incident_number:asc"),)


@dataclass(slots=True)
class _Read:
    """What one page became. known: incidents that this pull has read."""

    known: set[str]
    records: list[Record] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def batch(self, position: Position) -> Batch:
        """What was read, and where it goes on."""
        return Batch(tuple(self.records), tuple(self.rejected), resume=write_cursor(position))


class IncidentPull:
    """Pulls of incidents. Keeps nothing between them."""

    def __init__(self, config: PagerDutyConfig, client: PagerDutyClient, clock: Clock) -> None:
        self._config = config
        self._client = client
        self._clock = clock

    async def batches(self, position: Position) -> AsyncIterator[Batch]:
        """A batch for each page that has something new, and one at the end.

        Raises UnexpectedResponse when a list does not go on.
        """
        position = position if position.place else self._begun(position)
        known: set[str] = set()
        before: list[Any] = []
        restarts = repeats = 0
        while (place := position.place) is not None:
            page = await self._page(place)
            if position.started and page.answered_at:
                position = replace(position, started=min(position.started, page.answered_at))
            shown = [_id(row) or row for row in page.rows]
            repeats = repeats + 1 if page.has_more and shown == before else 0
            if repeats > MOST_REPEATS:
                raise _does_not_go_on(place)
            before = shown
            if place.tail and not {*place.tail} & {_id(row) for row in page.rows}:
                restarts += 1
                if restarts > MOST_RESTARTS:
                    raise Transient(
                        f"incidents leave the list faster than it can be read, {restarts} times now",
                        operation="pull incidents",
                    )
                position = replace(position, place=replace(place, offset=0, tail=()))
                continue
            read = _Read(known)
            rows = [row for row in page.rows if _id(row) not in place.tail]
            of_page = self._changed if place.part == "changes" else self._listed
            position = await of_page(rows, position, read)
            position = replace(position, place=self._next(place, page, position))
            if position.place and (read.records or read.rejected):
                yield read.batch(position)
        yield read.batch(position.end_of_pull(self._clock.now(), OVERLAP))

    def _begun(self, position: Position) -> Position:
        started = self._clock.now()
        position = replace(position, started=started, newest=None)
        if position.at is not None:
            return replace(position, place=Place("open", None, started))
        return replace(position, place=_window("history", started - self._config.history, started))

    async def _page(self, place: Place) -> Page:
        asked: Params = (("date_range", "all"),)
        if place.since is not None:
            asked = (("since", _text(place.since - SECOND)), ("until", _text(place.until + SECOND)))
        limit = self._config.page_size
        if place.part == "changes":
            return await self._client.rows(
                "log_entries", asked, limit=limit, offset=place.offset, operation="pull log entries"
            )
        scope = (
            *(("service_ids[]", each) for each in self._config.services),
            *(("team_ids[]", each) for each in self._config.teams),
            *(OPEN if place.part == "open" else ()),
        )
        return await self._client.rows(
            "incidents", (*asked, *scope, *ORDER), limit=limit, offset=place.offset, operation="pull incidents"
        )

    async def _listed(self, rows: list[Any], position: Position, read: _Read) -> Position:
        for row in rows:
            try:
                incident = read_incident(row)
            except InvalidRecord as error:
                read.rejected.append(rejected(row, str(error), error.path))
                continue
            position = position.seen(incident.changed_at)
            if not self._is_wanted(incident, position):
                continue
            read.known.add(incident.id)
            if self._config.read_details:
                await self._read(incident_ref(incident.id), row, read)
            else:
                self._make(row, incident, read)
        return position

    async def _changed(self, rows: list[Any], position: Position, read: _Read) -> Position:
        for row in rows:
            try:
                entry = read_entry(row)
            except InvalidRecord as error:
                raw = rejected(row, str(error), error.path)
                read.rejected.append(replace(raw, ref=None))  # its id is the entry's, not an incident's
                continue
            if not _is_new(entry.created_at, position):
                continue
            position = position.seen(entry.created_at)
            incident_id = entry.incident.id or ""
            if incident_id not in read.known:
                read.known.add(incident_id)
                await self._read(incident_ref(incident_id), row, read)
        return position

    def _is_wanted(self, incident: Incident, position: Position) -> bool:
        """In the first pull what the history does not cover, later on what may have changed."""
        if position.at is not None:
            return _is_new(incident.changed_at, position)
        is_history = position.place is not None and position.place.part == "history"
        started = position.started or incident.created_at
        return is_history or incident.created_at < started - self._config.history + DAY or incident.created_at > started

    async def _read(self, ref: SourceRef, row: Any, read: _Read) -> None:
        """Read an incident by itself. row: what named it."""
        try:
            item = await self._client.incident(ref, "pull incident", with_details=self._config.read_details)
            self._make(item, read_incident(item), read)
        except NotFound as error:
            read.rejected.append(rejected(row, f"{ref} is named and cannot be found: {error}", ref=ref))
        except AuthError as error:
            if error_code(error) != LOST_ACCESS:
                raise
            read.rejected.append(rejected(row, f"{ref} is named and hidden from the key's user: {error}", ref=ref))
        except InvalidRecord as error:
            read.rejected.append(rejected(item, str(error), error.path))

    def _make(self, item: Any, incident: Incident, read: _Read) -> None:
        if not is_in_scope(incident, self._config):
            read.records.append(Tombstone(ref=incident_ref(incident.id), updated_at=incident.changed_at))
            return
        try:
            read.records.append(ticket_record(incident, self._config))
        except InvalidRecord as error:
            read.rejected.append(rejected(item, str(error), error.path))

    def _next(self, place: Place, page: Page, position: Position) -> Place | None:
        """The next page, window or part; None at the end."""
        if page.has_more:
            shared = 0 if place.part == "changes" else min(TAIL, len(page.rows) // 2)
            offset = place.offset + len(page.rows) - shared
            if offset + self._config.page_size > CAP:
                return _halved(place) if place.part == "changes" else _split(place, page)
            tail = tuple(_id(row) for row in page.rows[len(page.rows) - shared :])
            return replace(place, offset=offset, tail=tail)
        started = position.started or place.until
        if place.since is not None and place.until < started:
            return _window(place.part, place.until, started)
        if place.part == "history":
            return Place("open", None, started)
        if place.part == "open" and position.at is not None:
            since = position.at if position.is_exact else position.at - OVERLAP
            return _window("changes", min(since, started - SECOND), started)
        return None


def _window(part: Part, since: datetime, end: datetime) -> Place:
    return Place(part, since, min(since + WINDOW, end))


def _split(place: Place, page: Page) -> Place:
    """What follows the last row that may be read, as a window of its own: rows come in the order of their making."""
    times = [read_incident(row).created_at for row in page.rows if _is_readable(row)]
    if not times or times[-1] != max(times) or (place.since is not None and times[-1] <= place.since):
        raise UnexpectedResponse(
            f"more than {CAP} incidents cannot be told apart by when they were made, around {place.since}",
            operation="pull incidents",
            hint="Read fewer in one source: name `services` or `teams`.",
        )
    return Place(place.part, times[-1], min(times[-1] + WINDOW, place.until))


def _halved(place: Place) -> Place:
    """The first half of a window of the log, whose order is not documented."""
    since = place.since or place.until
    half = (place.until - since) / 2
    if half < SECOND:
        raise UnexpectedResponse(
            f"the log has more than {CAP} entries in the seconds after {since.isoformat()}",
            operation="pull log entries",
            hint="Pull the stream from the beginning: `connector sync NAME --full`.",
        )
    return Place(place.part, since, since + half)


def _does_not_go_on(place: Place) -> UnexpectedResponse:
    name = "log entries" if place.part == "changes" else "incidents"
    return UnexpectedResponse(
        f"PagerDuty's list of {name} does not go on: the page at offset {place.offset} is the page before it again, "
        "and says that more follow",
        operation=f"pull {name}",
        hint="The next pull asks again. Report it to PagerDuty, or to whoever runs base_url, where it stays so.",
    )


def _is_new(at: datetime, position: Position) -> bool:
    if position.at is None:
        return True
    return at > position.at if position.is_exact else at >= position.at - OVERLAP


def _is_readable(row: Any) -> bool:
    try:
        read_incident(row)
    except InvalidRecord:
        return False
    return True


def _id(row: Any) -> str:
    return str(row.get("id")) if isinstance(row, dict) else ""


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
