"""Queries that were run before and are ready to be run again, without parsing, checking and planning them anew.

What is kept has passed every check of the document and of its variables, and none of them looks at anything but the
schema, which stays the same as long as the process lives. Who asks is checked before; what they see is a part of the
statement, so it is a part of the key too. Of the variables it is what the plan depends on (`connector.api.variables`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from connector.api.variables import Facet, sent_at, shape_of
from connector.storage.query import Sight

if TYPE_CHECKING:
    from connector.api.compiled import CompiledQuery

MOST_READY: Final = 500
LONGEST_READY: Final = 16 * 1024
"""Signs of a document, and bytes of its variables: what is longer is not kept."""

_Base: TypeAlias = tuple[str, str | None, Hashable, Sight]
"""Document, operation, what is there of its variables, sight."""

_Key: TypeAlias = tuple[_Base, tuple[Facet, ...], tuple[Hashable, ...]]


class NotCompiled(Exception):  # noqa: N818 - named by what is wrong
    """The query, or its answer, is the ordinary executor's affair."""


class ReadyQueries:
    """The queries that were last run, by document, operation, variables as far as they matter, and sight."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, CompiledQuery] = OrderedDict()
        self._facets: dict[_Base, dict[tuple[Facet, ...], int]] = {}
        """Of what is kept of a document, and how much of it: which facets a plan has may depend on the others."""

    def find(
        self, query: str, operation: str | None, variables: Mapping[str, Any] | None, sight: Sight
    ) -> CompiledQuery | None:
        """The query, when it is kept."""
        sent = variables or {}
        base = query, operation, shape_of(sent), sight
        for facets in self._facets.get(base, ()):
            key = base, facets, _seen(facets, sent)
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        return None

    def keep(
        self, query: str, operation: str | None, variables: Mapping[str, Any] | None, compiled: CompiledQuery
    ) -> None:
        """Keep a query that was run without an error; the one that was not asked for longest goes."""
        sent, facets = variables or {}, compiled.dependence.facets
        base = query, operation, shape_of(sent), compiled.sight
        key = base, facets, _seen(facets, sent)
        if len(query) > LONGEST_READY or len(orjson.dumps(sent)) > LONGEST_READY:
            return
        if key not in self._kept:
            counted = self._facets.setdefault(base, {})
            counted[facets] = counted.get(facets, 0) + 1
        self._kept[key] = compiled
        if len(self._kept) > MOST_READY:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: _Key) -> None:
        base, facets, _ = key
        del self._kept[key]
        counted = self._facets[base]
        counted[facets] -= 1
        if not counted[facets]:
            del counted[facets]
        if not counted:
            del self._facets[base]


def _seen(facets: tuple[Facet, ...], sent: Mapping[str, Any]) -> tuple[Hashable, ...]:
    return tuple(of(sent_at(path, sent)) for path, of in facets)
