"""What assets have to do with each other, by Freshservice's relationships. Pure.

A type has two names: what its primary is to its secondary (downstream), and the other way round (upstream): a laptop
that `Depends On` a dock is the primary, and the dock is `Used By` it. Both ends are named by display ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from connector.sdk import AssetRelation, ConfigError, RelationKind
from connector.sdk.rest import ListedRow
from connector_freshservice.config import FreshserviceConfig, RelationWord

SEPARATOR: Final = "::"
ASSET: Final = "asset"
MOST: Final = 1000
"""Relations of one device that are kept."""
MEANT: Final[dict[RelationWord, tuple[RelationKind, bool]]] = {
    "part_of": (RelationKind.PART_OF, True),
    "contains": (RelationKind.PART_OF, False),
    "depends_on": (RelationKind.DEPENDS_ON, True),
    "needed_by": (RelationKind.DEPENDS_ON, False),
    "connected_to": (RelationKind.CONNECTED_TO, True),
}
"""What a word says, and whether it says it of the primary."""


@dataclass(frozen=True, slots=True)
class RelationTypes:
    """The types that mean something here, by their ids."""

    words: Mapping[int, RelationWord]

    @classmethod
    def of(cls, rows: Iterable[ListedRow], config: FreshserviceConfig) -> RelationTypes:
        """Those of the settings. Raises ConfigError for one that somebody named and that is not there."""
        wanted = {folded(name): word for name, word in config.relations.items()}
        found = {row["id"]: folded(name_of(row)) for row in rows if isinstance(row.get("id"), int)}
        missing = [name for name in config.relations if folded(name) not in found.values()]
        if missing and "relations" in config.model_fields_set:
            raise ConfigError(
                f"relations names {', '.join(map(repr, missing))}, and Freshservice has no such relationship type",
                operation="read relationship types",
                hint="Write both names as in Admin, Relationship Types: `Downstream::Upstream`.",
            )  # fmt: skip
        return cls({number: wanted[name] for number, name in found.items() if name in wanted})


class Relations:
    """Relationships between assets, by the one that has each."""

    def __init__(self, rows: Iterable[ListedRow], types: RelationTypes) -> None:
        self._found: defaultdict[int, set[tuple[RelationKind, int]]] = defaultdict(set)
        for row in rows:
            primary, secondary = _end(row, "primary"), _end(row, "secondary")
            number = row.get("relationship_type_id")
            word = types.words.get(number) if isinstance(number, int) else None
            if word is None or primary is None or secondary is None or primary == secondary:
                continue
            kind, is_of_primary = MEANT[word]
            one, other = (primary, secondary) if is_of_primary else (secondary, primary)
            self._found[one].add((kind, other))

    def of(self, display_id: int) -> tuple[AssetRelation, ...]:
        """Those of an asset, from its side."""
        found = sorted(self._found.get(display_id, ()))[:MOST]
        return tuple(AssetRelation.to(kind, str(other)) for kind, other in found)


def name_of(row: ListedRow) -> str:
    """A type as the settings name it."""
    return f"{row.get('downstream_relation') or ''}{SEPARATOR}{row.get('upstream_relation') or ''}"


def folded(name: str) -> str:
    """A name as it is compared."""
    return SEPARATOR.join(each.strip().casefold() for each in name.split(SEPARATOR))


def _end(row: ListedRow, side: str) -> int | None:
    """The asset at one end; people, departments and software are none."""
    number = row.get(f"{side}_id")
    is_asset = str(row.get(f"{side}_type")).casefold() == ASSET
    return number if is_asset and isinstance(number, int) and not isinstance(number, bool) and number > 0 else None
