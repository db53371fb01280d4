"""What must hold of the asset classes of a policy document: each is about something that those before it leave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from connector.rules.checks.expectations import Finding, Location


def findings_in_asset_classes(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Entries that no product can get to, as far as the entries can be read."""
    classes = content.get("asset_classes")
    patterns: dict[str, str] = {}
    for name, entry in (classes if isinstance(classes, dict) else {}).items():
        if not isinstance(name, str) or not isinstance(entry, dict):
            continue
        pattern = entry.get("matches")
        place: Location = ("asset_classes", name, "matches")
        if not isinstance(pattern, str):
            first = next((other for other, before in patterns.items() if re.search(before, name, re.IGNORECASE)), None)
            if first is not None:
                yield (
                    ("asset_classes", name),
                    f"is never reached: {patterns[first]!r} of {first!r} before it fits its name",
                )
            continue
        first = next((other for other, before in patterns.items() if before.casefold() == pattern.casefold()), None)
        if first is not None:
            yield place, f"is never reached: {first!r} before it matches the same"
        try:
            re.compile(pattern)
        except re.error:
            continue
        patterns.setdefault(name, pattern)
