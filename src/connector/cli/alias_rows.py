"""Aliases as people write them, on the command line and in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from connector.cli.csv_rows import Row
from connector.model.errors import InvalidInput, NotKnown
from connector.model.kinds import AliasKind, AliasOrigin
from connector.storage.aliases.listing import ListedAlias
from connector.storage.aliases.rows import NewAlias
from connector.storage.database.engine import Transaction
from connector.storage.sources.catalogue import product_called
from connector.storage.sources.named import hub_called, site_called
from connector.storage.sources.sources import source_ids

COLUMNS = ("kind", "name", "manufacturer", "stands_for", "stands_for_manufacturer", "source", "reason")
"""Of the files that `export` writes and `import` reads."""


class Word(StrEnum):
    """What a name is of."""

    MANUFACTURER = "manufacturer"
    MODEL = "model"
    SITE = "site"
    HUB = "hub"


async def alias_of_row(tx: Transaction, row: Row) -> NewAlias:
    """The alias that a row of a file states. Raises as `alias_of_words`."""
    values = row.values
    try:
        kind = Word(values["kind"].lower())
    except ValueError:
        raise InvalidInput(f"kind {values['kind']!r} is none of {', '.join(Word)}") from None
    named = " ".join(filter(None, (values.get("stands_for_manufacturer"), values["stands_for"])))
    maker = values.get("manufacturer") or values.get("stands_for_manufacturer")
    return await alias_of_words(
        tx,
        kind,
        values["name"],
        named,
        maker if kind is Word.MODEL else None,
        values.get("source"),
        origin=AliasOrigin.IMPORT,
        reason=values.get("reason"),
    )


async def alias_of_words(
    tx: Transaction,
    kind: Word,
    name: str,
    stands_for: str,
    manufacturer: str | None,
    source: str | None,
    *,
    origin: AliasOrigin,
    reason: str | None,
) -> NewAlias:
    """An alias of what people call so, or by `#` and its number.

    Raises NotKnown, and InvalidInput where it could be more than one thing.
    """
    number = int(stands_for[1:]) if stands_for.startswith("#") and stands_for[1:].isdigit() else None
    told = NewAlias(AliasKind.SITE, name, manufacturer, origin=origin, reason=reason)
    if source is not None:
        known = await source_ids(tx)
        if source not in known:
            raise NotKnown(f"there is no source {source!r}", hint=f"There are: {', '.join(sorted(known)) or 'none'}.")
        told = replace(told, source_id=known[source])
    match kind:
        case Word.MANUFACTURER:
            if manufacturer is not None:
                raise InvalidInput("a manufacturer is given beside a manufacturer", hint="Say which of them is meant.")
            return replace(told, kind=AliasKind.MANUFACTURER, manufacturer=stands_for)
        case Word.MODEL:
            product_id = number or await product_called(tx, stands_for)
            return replace(told, kind=AliasKind.MODEL, product_id=product_id)
        case Word.SITE:
            return replace(told, site_id=number or await site_called(tx, stands_for))
        case Word.HUB:
            return replace(told, hub_id=number or await hub_called(tx, stands_for))


def cells_of(item: ListedAlias) -> Sequence[str | None]:
    """The cells of an alias in a file."""
    to = item.stands_for
    return (to.word, item.name, item.manufacturer, to.name, to.manufacturer, item.source, item.reason)
