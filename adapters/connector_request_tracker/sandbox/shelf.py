"""SANDBOX: assets as Request Tracker keeps and shows them, and the conditions by which they are searched for.

Conditions on one column are joined by "or" where they ask for equality, all others by "and"; a column that cannot be
searched is passed over without a word. Assets that were deleted are never found.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connector.sdk import Clock

STATUSES = ("new", "allocated", "in-use", "recycled", "stolen", "deleted", "defective", "levitating")
FIELDS = ("Serial Number", "Asset Tag", "Site", "Manufacturer", "Model", "Part Number")
CATALOGS = ("General assets", "Furniture")
TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda have, want: str(have).casefold() == str(want).casefold(),
    ">": lambda have, want: have > want,
    ">=": lambda have, want: have >= want,
}


@dataclass
class SandboxAsset:
    """An asset. links: what a hyperlink calls them, with the other asset. extra: columns of a later release."""

    id: int
    name: str
    status: str
    catalog: str
    last_updated: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    held_by: list[str] = field(default_factory=list)
    links: list[tuple[str, int]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, str]] = field(default_factory=list)

    @property
    def etag(self) -> str:
        """Moves with each change."""
        return f'"{self.id}-{len(self.history)}-{self.last_updated}"'


class Shelf:
    """The assets."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.assets: dict[int, SandboxAsset] = {}
        self.refused_tags: set[str] = set()

    def add(self, at: datetime | None = None, *, catalog: str = CATALOGS[0], **fields: str) -> SandboxAsset:
        """A new asset. fields: custom ones, with blanks for underscores."""
        number = max(self.assets, default=0) + 1
        named = {name.replace("_", " "): [text] for name, text in fields.items()}
        asset = SandboxAsset(number, f"asset {number}", "in-use", catalog, self._now(at), named)
        self.assets[number] = asset
        return asset

    def change(self, asset: SandboxAsset, at: datetime | None = None, **values: Any) -> None:
        """Change what is kept of an asset."""
        for name, value in values.items():
            setattr(asset, name, value)
        asset.last_updated = self._now(at)

    def update(self, asset: SandboxAsset, body: dict[str, Any], at: datetime | None = None) -> list[str]:
        """Change an asset as `PUT /asset/N` does, and say in English what came of it."""
        said: list[str] = []
        done: dict[str, str] = {}
        status = str(body.get("Status", asset.status))
        if status != asset.status:
            if status not in STATUSES:
                said.append(f"Asset {asset.id}: Status '{status}' isn't a valid status for this asset.")
            else:
                done["Status"], asset.status = status, status
                said.append(f"Asset {asset.id}: Status changed to '{status}'")
        for name, value in (body.get("CustomFields") or {}).items():
            values = [value] if isinstance(value, str) else list(value)
            if name not in FIELDS:
                continue  # passed over without a word
            if name == "Asset Tag" and any(text in self.refused_tags for text in values):
                said.append(f"Asset {asset.id}: '{values[0]}' is not a permitted value for this custom field.")
            elif asset.fields.get(name, []) != values:
                asset.fields[name] = values
                done[name] = ", ".join(values)
                said.append(f"{name} changed to {', '.join(values)}")
        if done:
            asset.history.append(done)
            asset.last_updated = self._now(at)
        return said

    def search(self, query: str) -> list[SandboxAsset]:
        """What is found by a list of conditions as JSON."""
        by_column: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        for condition in json.loads(query or "[]"):
            by_column[condition["field"]].append((condition.get("operator", "="), condition["value"]))
        visible = [each for each in self.assets.values() if each.status != "deleted"]
        return [asset for asset in visible if all(self._meets(asset, name, by_column[name]) for name in by_column)]

    def _meets(self, asset: SandboxAsset, name: str, tests: list[tuple[str, Any]]) -> bool:
        have: Any = {
            "id": asset.id, "Catalog": CATALOGS.index(asset.catalog) + 1, "Status": asset.status,
            "LastUpdated": asset.last_updated.replace("T", " ").removesuffix("Z"),
        }.get(name)  # fmt: skip
        if name.startswith("CustomField.{") and name[13:-1] in FIELDS:
            have = ", ".join(asset.fields.get(name[13:-1], []))
        if have is None:
            return True
        met = [TESTS[sign](have, type(have)(value)) for sign, value in tests]
        return any(met) if all(sign == "=" for sign, _ in tests) else all(met)

    def shown(self, asset: SandboxAsset, root: str) -> dict[str, Any]:
        """An asset with all that a search may be asked for."""
        return {
            "id": str(asset.id), "type": "asset", "_url": f"{root}/asset/{asset.id}", "Name": asset.name,
            "Status": asset.status, "LastUpdated": asset.last_updated,
            "Catalog": {"type": "catalog", "id": str(CATALOGS.index(asset.catalog) + 1)},
            "HeldBy": [{"type": "user", "id": name, "_url": f"{root}/user/{name}"} for name in asset.held_by],
            "CustomFields": [
                {"type": "customfield", "id": str(number), "name": name, "values": self._values(asset, name)}
                for number, name in enumerate(FIELDS, 100)
            ],
            "_hyperlinks": [{"ref": "self", "type": "asset", "id": str(asset.id)}] + [
                {"ref": name, "type": "asset", "id": str(number)} for name, number in asset.links
            ],
        } | asset.extra  # fmt: skip

    def _values(self, asset: SandboxAsset, name: str) -> list[str | None]:
        """A field that was emptied has a value that is none."""
        values = asset.fields.get(name)
        return [] if values is None else list(values) or [None]

    def _now(self, at: datetime | None) -> str:
        return (at or self._clock.now()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
