"""Trees of locations: which are sites, which are hubs, and which stands for what is below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from connector.model.refs import EntityKind, SourceRef
from connector.sdk.errors import ConfigError


class LocationNode(NamedTuple):
    """One location. names: by which people may mean it."""

    number: int
    parent: int | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LocationTree:
    """All locations. parents: by id. hubs: ids of those that are hubs. only_tops: sites have no parent."""

    parents: Mapping[int, int | None]
    hubs: frozenset[int]
    only_tops: bool

    @classmethod
    def of(
        cls, nodes: Iterable[LocationNode], hubs: Sequence[str], sites: Literal["every", "top"], system: str
    ) -> LocationTree:
        """The tree. hubs: names or ids. Raises ConfigError for a hub that is not there, rather than make it a site."""
        parents: dict[int, int | None] = {}
        by_name: dict[str, list[int]] = {}
        for node in nodes:
            parents[node.number] = node.parent
            for name in {each.strip().casefold() for each in node.names}:
                by_name.setdefault(name, []).append(node.number)
        numbers: set[int] = set()
        for name in hubs:
            found = by_name.get(name.strip().casefold(), [])
            if name.strip().isdigit() and int(name) in parents:
                found = [*found, int(name)]
            if not found:
                raise ConfigError(
                    f"hub_locations names {name!r}, and {system} has no such location", operation="read locations",
                    hint="Correct the name, or let the hub's user view the location.",
                )  # fmt: skip
            numbers.update(found)
        return cls(parents, frozenset(numbers), sites == "top")

    def of_location(self, number: int) -> SourceRef:
        """The site or hub that a location belongs to: the nearest hub above, else the site."""
        chain = [number]
        while (above := self.parents.get(chain[-1])) is not None and above not in chain:
            chain.append(above)
        hub = next((each for each in chain if each in self.hubs), None)
        if hub is not None:
            return SourceRef(kind=EntityKind.HUB, external_id=str(hub))
        return SourceRef(kind=EntityKind.SITE, external_id=str(chain[-1] if self.only_tops else number))

    def stands_for_itself(self, number: int) -> bool:
        """Whether a location is a site or hub of its own."""
        return self.of_location(number).external_id == str(number)

    def told(self) -> list[str]:
        """The place of every location, for a fingerprint: records of assets depend on it."""
        return [f"{number}={self.of_location(number)}" for number in sorted(self.parents)]
