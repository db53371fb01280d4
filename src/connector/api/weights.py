"""What parts of a query weigh beside the rows of a page, each of which weighs one."""

from __future__ import annotations

from typing import Final

LARGEST_COST: Final = 50_000
"""What an operation may cost when nothing else is configured."""

WEIGHT: Final = "weight"
"""Key of a field's metadata under which it says what it weighs by itself."""

LISTING: Final = "listing"
"""Key of the metadata of a root field that is a connection."""

ROW: Final = 1
"""A row: of a page, by its id, at the other end of a relation."""

LIST: Final = 5
"""Rows that a list without pages is taken to have, for each row that it belongs to."""

COUNT: Final = 10
"""A `totalCount`, which looks at every row that the filter lets through."""

HISTORY: Final = 10
"""What the change log, or the references of sources, say of a thing."""

AGGREGATE: Final = 100
"""Rows counted, summed up and grouped; each group is a row beside that."""

COMPUTED: Final = 500
"""What the rules, or the figures of all stock, are asked for."""

CHANGE: Final = 100
"""A mutation."""
