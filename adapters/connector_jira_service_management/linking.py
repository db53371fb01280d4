"""Links that are written as fields are: the field is called what the link says from this issue, such as `duplicates`.

They are added in the same request as fields, and those that are there stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector_jira_service_management.field_values import NotWritable

LINKS: Final = "issuelinks"
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*-[0-9]+|[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class WantedLink:
    """A link that is to be. says: from this issue, in lower case. way: where this issue shows the other one."""

    kind: str
    says: str
    way: str
    other: str

    def added(self) -> dict[str, Any]:
        """The change that adds it."""
        named = {"id": self.other} if self.other.isdigit() else {"key": self.other}
        return {"add": {"type": {"name": self.kind}, self.way: named}}


def ways_of(types: Iterable[Any]) -> dict[str, tuple[str, str]]:
    """What links say from an issue, in lower case -> their type, and where the issue shows the other one."""
    found: dict[str, tuple[str, str]] = {}
    for each in types:
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            for direction in ("outward", "inward"):
                says = str(each.get(direction) or "").casefold()
                if says:
                    found.setdefault(says, (each["name"], f"{direction}Issue"))
    return found


def wanted_links(name: str, text: str, ways: Mapping[str, tuple[str, str]]) -> list[WantedLink]:
    """The links that a field asks for. Raises NotWritable for what is no issue."""
    others = text.replace(",", " ").split()
    if not others or not all(map(_KEY.fullmatch, others)):
        raise NotWritable(f"{text[:80]!r} is no key or number of an issue")
    kind, way = ways[name.casefold()]
    return [WantedLink(kind, name.casefold(), way, other.upper()) for other in others]


def missing_links(wanted: Iterable[WantedLink], issue: Mapping[str, Any]) -> list[WantedLink]:
    """Those that an issue does not have yet."""
    fields = issue.get("fields")
    links = fields.get(LINKS) if isinstance(fields, dict) else None
    there = {each for link in (links if isinstance(links, list) else ()) for each in _said(link)}
    return [each for each in wanted if (each.says, each.other) not in there]


def _said(link: Any) -> list[tuple[str, str]]:
    """What a link says from here, with the other issue's number and key."""
    kind = link.get("type") if isinstance(link, dict) else None
    if not isinstance(kind, dict):
        return []
    found: list[tuple[str, str]] = []
    for direction in ("outward", "inward"):
        other = link.get(f"{direction}Issue")
        if isinstance(other, dict):
            says = str(kind.get(direction) or "").casefold()
            found += [(says, str(other[name]).upper()) for name in ("id", "key") if name in other]
    return found
