"""Encoded queries, times and identifiers as ServiceNow writes them. Pure.

`^` means and, `^OR` binds to the condition just before it: `a^b^ORc` is a and (b or c). A condition on a column that
does not exist is passed over without a word, unless `glide.invalid_query.returns_no_rows` is set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from connector.sdk.cursors import read_instant
from connector.sdk.rest import Position

SECOND = timedelta(seconds=1)
"""Of the times of ServiceNow."""
WRITTEN = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)")
SYS_ID = re.compile(r"[0-9A-Za-z_-]{1,32}")
"""A `sys_id` is a GUID; those of records that came with the platform may hold other letters."""


def joined(*conditions: str | None) -> str:
    """Conditions that all hold, and orders, as one query."""
    return "^".join(part for part in conditions if part)


def equal(column: str, value: str) -> str:
    """The column has this value; a `^` in it is no operator."""
    return f"{column}={value.replace('^', '^^')}"


def among(column: str, values: Iterable[str]) -> str:
    """The column has one of these values, none of which holds a comma."""
    return f"{column}IN{','.join(values)}"


def not_before(column: str, at: str) -> str:
    """The column is not before an instant."""
    return f"{column}>={written(at)}"


def behind(column: str, here: Position) -> str:
    """Rows behind a position in the order (column, sys_id).

    An instant alone is not enough: rows that share the second of the last one read would be lost.
    """
    at = written(here.at)
    return joined(f"{column}>={at}", f"{column}>{at}^ORsys_id>{here.id}")


def written(at: str) -> str:
    """ISO 8601 as `2026-03-02 09:00:00`, in UTC; the first whole second that is not before it."""
    moment = read_instant(at)
    whole = moment.replace(microsecond=0)
    return (whole + SECOND if moment > whole else whole).strftime("%Y-%m-%d %H:%M:%S")


def iso(value: object) -> object:
    """`2026-03-02 09:00:00`, which is UTC without saying so, as ISO 8601; anything else as it is, "" as None."""
    if not isinstance(value, str):
        return value
    found = WRITTEN.fullmatch(value.strip())
    return f"{found[1]}T{found[2]}Z" if found else value or None


def instant(value: object) -> datetime | None:
    """The instant of a column; None when it is empty. Raises ValueError."""
    text = iso(value)
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no time")
    return read_instant(text)


def is_sys_id(text: str) -> bool:
    """Whether it can be asked for by this; nothing else gets into a query or an address."""
    return SYS_ID.fullmatch(text) is not None
