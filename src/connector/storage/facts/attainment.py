"""What a ticket counts towards, and whether it was resolved in time, as SQL sees it: what measures group by and count.

All of it is worked out from the ticket as it is now: a ticket that is opened again is not resolved.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, and_, case, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from connector.storage.tables import asset, product, site


class _Minutes(FunctionElement[int]):
    """Whole minutes from one instant to a later one, fractions of seconds left aside."""

    name = "minutes_between"
    inherit_cache = True
    type = BigInteger()


@compiles(_Minutes, "postgresql")
def _by_epoch(element: _Minutes, compiler: SQLCompiler, **kwargs: Any) -> str:
    start, end = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"((floor(extract(epoch FROM {end}))::bigint - floor(extract(epoch FROM {start}))::bigint) / 60)"


@compiles(_Minutes, "sqlite")
def _by_text(element: _Minutes, compiler: SQLCompiler, **kwargs: Any) -> str:
    """Of the first 19 signs: SQLite rounds fractions of seconds to thousandths, which may be the next second."""
    start, end = (compiler.process(clause, **kwargs) for clause in element.clauses)
    seconds = (f"CAST(strftime('%s', substr({instant}, 1, 19)) AS INTEGER)" for instant in (end, start))
    return f"(({' - '.join(seconds)}) / 60)"


def minutes_to_resolve(source: FromClause) -> ColumnElement[int]:
    """Whole minutes from opening to resolution of a row of `ticket`, or of an alias of it; NULL until resolved."""
    return _Minutes(source.c.opened_at, source.c.resolved_at)


def is_within_sla(source: FromClause) -> ColumnElement[bool]:
    """Whether a row of `ticket` was resolved when it had to be; NULL until it is resolved, and without a due time."""
    known = and_(source.c.resolved_at.is_not(None), source.c.sla_due_at.is_not(None))
    return case((known, source.c.resolved_at <= source.c.sla_due_at))


def region_of_ticket(source: FromClause) -> ColumnElement[str]:
    """The region of the site of a row of `ticket`, or of its device's where it names none."""
    its_asset, its_site = asset.alias(), site.alias()
    of_asset = select(its_asset.c.site_id).where(its_asset.c.id == source.c.asset_id).correlate(source)
    place = func.coalesce(source.c.site_id, of_asset.scalar_subquery())
    return select(its_site.c.region).where(its_site.c.id == place).correlate(source).scalar_subquery()


def asset_class_of_ticket(source: FromClause) -> ColumnElement[str]:
    """The class of the device of a row of `ticket`, or of the product that it needs where no device is known."""
    its_asset, its_product = asset.alias(), product.alias()
    of_asset = select(its_asset.c.product_id).where(its_asset.c.id == source.c.asset_id).correlate(source)
    what = func.coalesce(of_asset.scalar_subquery(), source.c.product_id)
    return select(its_product.c.asset_class).where(its_product.c.id == what).correlate(source).scalar_subquery()
