"""What a reference says of the fields of a thing, from one record to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connector.model.refs import EntityKind
from connector.rules.golden.choosing import Said, Statement, Teller
from connector.rules.golden.fields import FIELDS

_COLUMNS: Final = {kind: tuple((name, field.columns) for name, field in of.items()) for kind, of in FIELDS.items()}


def restated(
    kind: EntityKind,
    told: Mapping[Teller, Said],
    teller: Teller,
    values: Mapping[str, Any],
    *,
    at: int,
    version: int | None,
) -> Said:
    """What the reference says from now on; what it said before in the same words keeps its time.

    told: what every reference to the thing has said. values: columns that the record states, as JSON has them, None for
    what it leaves open; a field of which no column is there is left as it was said before. at, version: as statements
    have them; what is said now counts as said later than all that was said before of the same field.
    """
    said = dict(told.get(teller, ()))
    value_of = values.get
    for name, columns in _COLUMNS[kind]:
        given = tuple(map(value_of, columns))
        if given.count(None) == len(given):
            if name in said and not values.keys().isdisjoint(columns):
                del said[name]
        elif name not in said or said[name].values != given:
            last = max((each[name].said for each in told.values() if name in each), default=0) if told else 0
            said[name] = Statement(given, max(at, last + 1), version)
    return said
