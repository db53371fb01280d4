"""Times as a system writes them, read to instants, and instants written so that a list can be asked by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from connector.model.errors import InvalidRecord

SPELLINGS = ("iso", "iso_ms", "unix", "unix_ms")
"""How times are written, beside patterns such as `%d.%m.%Y %H:%M`."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
EARLIEST_ASKED = datetime(1000, 1, 4, tzinfo=UTC)
"""No list is asked by an earlier time: years before it are not written with four digits. Who means one asks for all."""
LATEST_SECONDS = 10**11
"""A number beyond this is no count of seconds: it lies more than three thousand years ahead."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How times are written. form: one of SPELLINGS, or a pattern. zone: of times without one; None refuses them."""

    form: str = "iso"
    zone: str | None = None

    def read(self, value: object) -> datetime:
        """The instant, UTC; of two that a time without zone may mean the earlier. Raises InvalidRecord."""
        return self._instant(value, _first)

    def read_change(self, value: object) -> datetime:
        """The instant by which versions are compared and lists read on, UTC. Raises InvalidRecord.

        Never later than when the row changed, and never earlier than that of a row that changed before. Where clocks
        are set back, all local times that come twice are the beginning of the first; where they are set forward, those
        that do not exist are the last instant before.
        """
        return self._instant(value, _in_order)

    def read_latest(self, value: object) -> datetime:
        """The last instant at which a row can have changed that tells this time, UTC. Raises InvalidRecord.

        Never earlier than when it changed, nor than that of an earlier time; one that does not exist is the instant at
        which clocks are set forward.
        """
        return self._instant(value, _last)

    def _instant(self, value: object, chosen: Callable[[datetime], datetime]) -> datetime:
        try:
            if self.form in ("unix", "unix_ms"):
                return _counted(value, 1000 if self.form == "unix_ms" else 1)
            if not isinstance(value, str):
                raise InvalidRecord(
                    f"{value!r:.80} is a {type(value).__name__}, expected a time as text",
                    hint="Where times are numbers, say `times: unix` or `times: unix_ms`.",
                )
            text = value.strip()
            at = datetime.strptime(text, self.form) if "%" in self.form else datetime.fromisoformat(text)  # noqa: DTZ007
            return self._aware(at, text, chosen)
        except (ValueError, OverflowError):
            wanted = self.form if "%" in self.form else "a time such as 2026-01-31T09:30:00Z"
            raise InvalidRecord(f"{value!r:.80} is no time, expected {wanted}") from None

    def _aware(self, at: datetime, text: str, chosen: Callable[[datetime], datetime]) -> datetime:
        if at.tzinfo is not None:
            return at.astimezone(UTC)
        if self.zone is None:
            raise InvalidRecord(
                f"time {text[:40]!r} states no zone",
                hint="Name the zone in which the system writes its times: `time_zone: Europe/Berlin`.",
            )
        return chosen(at.replace(tzinfo=ZoneInfo(self.zone)))

    def read_day(self, value: object) -> date:
        """A date; of a time the date where the system is. Raises InvalidRecord."""
        if isinstance(value, str) and len(value.strip()) == len("2026-01-31"):
            try:
                return date.fromisoformat(value.strip())
            except ValueError:
                pass  # by the pattern, then
        at = self.read(value)
        return at.astimezone(ZoneInfo(self.zone)).date() if self.zone else at.date()

    def resolution(self) -> timedelta:
        """The difference between two instants that are written differently."""
        if self.form in ("iso_ms", "unix_ms"):
            return timedelta(milliseconds=1)
        if "%" not in self.form:
            return SECOND
        if "%S" in self.form or "%T" in self.form or "%X" in self.form:
            return SECOND
        if "%M" in self.form or "%R" in self.form:
            return timedelta(minutes=1)
        return timedelta(hours=1) if "%H" in self.form else timedelta(days=1)

    def asked(self, at: datetime) -> datetime:
        """The instant that `write` says: never a later one than is meant, nor earlier than that of an earlier one.

        A time that does not say which of two instants it means is not asked for: whoever reads it may take the second.
        The last that comes once before it is said in its place. at: not before EARLIEST_ASKED.
        """
        local = self._floored(self._local(at))
        if "%" not in self.form or "%z" in self.form:
            return local.astimezone(UTC)
        while (turn := _turn(local)) is not None:
            if not turn.is_back:
                return turn.at
            local = self._floored(self._local(turn.begins - TICK))
        return local.astimezone(UTC)

    def _floored(self, local: datetime) -> datetime:
        step = self.resolution()
        if step > timedelta(hours=1):
            return local.replace(hour=0, minute=0, second=0, microsecond=0)
        if step == timedelta(hours=1):
            return local.replace(minute=0, second=0, microsecond=0)
        if step == timedelta(minutes=1):
            return local.replace(second=0, microsecond=0)
        return local.replace(microsecond=local.microsecond // 1000 * 1000 if step < SECOND else 0)

    def write(self, at: datetime) -> str:
        """The text for an instant, as `asked` has rounded it."""
        at = self.asked(at)
        if self.form == "unix":
            return str((at - EPOCH) // SECOND)
        if self.form == "unix_ms":
            return str((at - EPOCH) // timedelta(milliseconds=1))
        if "%" in self.form:
            return self._local(at).strftime(self.form)
        spec = "milliseconds" if self.form == "iso_ms" else "seconds"
        return at.isoformat(timespec=spec).replace("+00:00", "Z")

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.zone)) if self.zone and "%" in self.form else at.astimezone(UTC)


def _counted(value: object, per_second: int) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    try:
        seconds = Decimal(str(value).strip()) / per_second
    except InvalidOperation:
        raise ValueError from None
    if not seconds.is_finite() or abs(seconds) > LATEST_SECONDS:
        raise ValueError
    return EPOCH + timedelta(microseconds=int(seconds * 1_000_000))


@dataclass(frozen=True, slots=True)
class _Turn:
    """Clocks being set. at: the instant, UTC. by: how far, back where it is negative."""

    at: datetime
    by: timedelta

    @property
    def is_back(self) -> bool:
        return self.by < timedelta(0)

    @property
    def begins(self) -> datetime:
        """When the local times that come twice came first."""
        return self.at + self.by


def _turn(local: datetime) -> _Turn | None:
    """What makes a local time come twice, or never; None where it comes once."""
    before, after = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    if before is None or after is None or before == after:
        return None
    whole = local.replace(microsecond=0, fold=0)
    naive = whole.replace(tzinfo=UTC)
    low, high = sorted((naive - before, naive - after))
    high += SECOND
    while high - low > SECOND:  # clocks are set after `low`, and at `high` at the latest
        middle = low + (high - low) // 2 // SECOND * SECOND
        low, high = (middle, high) if middle.astimezone(local.tzinfo).utcoffset() == before else (low, middle)
    return _Turn(high, after - before)


def _first(local: datetime) -> datetime:
    return local.astimezone(UTC)


def _last(local: datetime) -> datetime:
    turn = _turn(local)
    if turn is None or turn.is_back:
        return local.replace(fold=1).astimezone(UTC)
    return turn.at


def _in_order(local: datetime) -> datetime:
    turn = _turn(local)
    if turn is None:
        return local.astimezone(UTC)
    return turn.begins if turn.is_back else turn.at - TICK
