"""Fields of stored things that are for some roles only: what each role reads.

Nothing is checked in a resolver. What somebody must not read is a part of their sight, so that it reads as missing in
every statement. Which columns the fields of a configuration are is told by `connector.api.field_names`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from connector.model.principals import Principal
from connector.storage.query import EVERYTHING, Column, Sight
from connector.storage.query.telling import with_what_tells

_MOST_SIGHTS: Final = 500
"""Of those who have the same roles and regions, that are remembered."""


class FieldRights:
    """Who reads which column. readers: column -> roles that read it; nobody else does. shown_by: column -> fields."""

    def __init__(
        self,
        readers: Mapping[Column, frozenset[str]] | None = None,
        shown_by: Mapping[Column, Sequence[str]] | None = None,
    ) -> None:
        self._readers = readers or {}
        self._shown_by = shown_by or {}
        self._seen_by: Callable[[frozenset[str], frozenset[str] | None], Sight] = lru_cache(_MOST_SIGHTS)(self._sight)

    def sight(self, who: Principal) -> Sight:
        """What is there for somebody."""
        if not self._readers:
            return EVERYTHING if who.regions is None else Sight(who.regions)
        return self._seen_by(who.roles, who.regions)

    def hidden_fields(self, who: Principal) -> list[str]:
        """The fields that read as missing for somebody, because of their roles."""
        return sorted({name for column in self.sight(who).hidden for name in self._shown_by.get(column, ())})

    def _sight(self, roles: frozenset[str], regions: frozenset[str] | None) -> Sight:
        somebody = Principal("", roles)
        kept = (column for column, readers in self._readers.items() if not somebody.has_any(readers))
        return Sight(regions, with_what_tells(frozenset(kept)))


EVERY_FIELD: Final = FieldRights()
"""Everybody reads every field."""
