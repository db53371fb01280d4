"""Queries in JQL. Pure.

JQL knows a time to the minute, and reads it in the time zone of whoever asks. A minute that the clock there shows twice
is not asked for, but the last before it that comes once (docs/decisions/0170).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from connector.sdk.facts import Spelling


def times_in(zone: ZoneInfo) -> Spelling:
    """How times are written in queries of an account with this zone."""
    return Spelling("%Y-%m-%d %H:%M", zone.key)


def changed_since(projects: Sequence[str], issue_types: Sequence[str], at: datetime | None, times: Spelling) -> str:
    """Issues that changed at an instant or later, and some before it, in the order in which they changed.

    times: as they are written here.
    """
    terms = [f"project in ({_listed(projects)})"]
    if issue_types:
        terms.append(f"issuetype in ({_listed(issue_types)})")
    if at is not None:
        terms.append(f'updated >= "{times.write(at)}"')
    return f"{' AND '.join(terms)} ORDER BY updated ASC, key ASC"


def _listed(names: Sequence[str]) -> str:
    return ", ".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
