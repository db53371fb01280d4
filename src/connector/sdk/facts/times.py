"""Times as a system writes them, read to instants, and instants written so that a list can be asked by them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from connector.model.errors import InvalidRecord

SPELLINGS = ("iso", "iso_ms", "unix", "unix_ms")
"""How times are written, beside patterns such as `%d.%m.%Y %H:%M`."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LATEST_SECONDS = 10**11
"""A number beyond this is no count of seconds: it lies more than three thousand years ahead."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How times are written. form: one of SPELLINGS, or a pattern. zone: of times without one; None refuses them."""

    form: str = "iso"
    zone: str | None = None

    def read(self, value: object) -> datetime:
        """The instant, UTC. Raises InvalidRecord."""
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
            return self._aware(at, text)
        except (ValueError, OverflowError):
            wanted = self.form if "%" in self.form else "a time such as 2026-01-31T09:30:00Z"
            raise InvalidRecord(f"{value!r:.80} is no time, expected {wanted}") from None

    def _aware(self, at: datetime, text: str) -> datetime:
        if at.tzinfo is None and self.zone is None:
            raise InvalidRecord(
                f"time {text[:40]!r} states no zone",
                hint="Name the zone in which the system writes its times: `time_zone: Europe/Berlin`.",
            )
        return (at if at.tzinfo or self.zone is None else at.replace(tzinfo=ZoneInfo(self.zone))).astimezone(UTC)

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
        """The instant that `write` says: never a later one than is meant.

        Where clocks are set back a local time comes twice, and whoever reads it may take the second; an earlier
        time that comes once is said in its place.
        """
        local = self._local(at)
        if "%" in self.form and "%z" not in self.form and _comes_twice(local):
            local = self._local(at - timedelta(hours=1))
            if _comes_twice(local):
                local = self._local(at - timedelta(hours=2))
        step = self.resolution()
        if step >= timedelta(hours=1):
            local = local.replace(minute=0, second=0, microsecond=0)
            return (local.replace(hour=0) if step > timedelta(hours=1) else local).astimezone(UTC)
        if step == timedelta(minutes=1):
            return local.replace(second=0, microsecond=0).astimezone(UTC)
        micros = local.microsecond // 1000 * 1000 if step < SECOND else 0
        return local.replace(microsecond=micros).astimezone(UTC)

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


def _comes_twice(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
