"""Queries that were run before and are ready to be run again, without parsing, checking and planning them anew.

What is kept has passed every check of the document and of its variables, and none of them looks at anything but the
schema, which stays the same as long as the process lives. Who asks is checked before; what they see is a part of the
statement, so it is a part of the key too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from connector.storage.query import Sight

if TYPE_CHECKING:
    from connector.api.compiled import CompiledQuery

MOST_READY: Final = 500
LONGEST_READY: Final = 16 * 1024
"""Signs of a document, and bytes of its variables: what is longer is not kept."""

_Key: TypeAlias = tuple[str, str | None, bytes, Sight]


class NotCompiled(Exception):  # noqa: N818 - named by what is wrong
    """The query, or its answer, is the ordinary executor's affair."""


class ReadyQueries:
    """The queries that were last run, by document, operation, variables and sight.

    The same variables: the same JSON text.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, CompiledQuery] = OrderedDict()

    def find(
        self, query: str, operation: str | None, variables: Mapping[str, Any] | None, sight: Sight
    ) -> CompiledQuery | None:
        """The query, when it is kept."""
        key = _key(query, operation, variables, sight)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(
        self, query: str, operation: str | None, variables: Mapping[str, Any] | None, compiled: CompiledQuery
    ) -> None:
        """Keep a query that was run without an error; the one that was not asked for longest goes."""
        key = _key(query, operation, variables, compiled.sight)
        if len(query) > LONGEST_READY or len(key[2]) > LONGEST_READY:
            return
        self._kept[key] = compiled
        if len(self._kept) > MOST_READY:
            self._kept.popitem(last=False)


def _key(query: str, operation: str | None, variables: Mapping[str, Any] | None, sight: Sight) -> _Key:
    return query, operation, orjson.dumps(variables or {}, option=orjson.OPT_SORT_KEYS), sight
