"""Who said what of each field of a thing, and who changed it here; what sources call the thing. As SQL sees it.

What holds of all that is worked out of these by `connector.rules.golden.origin`. A change row holds every field that it
changed and whoever did it, and there is none where nothing changed. So the newest change of a field is what gave it its
value here: not a source that said the same again, nor one that was not believed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, ColumnElement, FromClause, TableValuedAlias, func, or_, select, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from connector.model.refs import EntityKind
from connector.rules.golden.fields import field_of
from connector.storage.tables import change, field_override, source, source_ref
from connector.storage.tables import precedence as precedence_row

MOST_CHANGES: Final = 1_000
"""Changes of one thing that are looked at, the newest ones: a field that none of them has touched is left out."""
UNTOLD: Final = "untold_"
"""What columns of a view begin with that say: nothing is told of the one whose name follows."""


class _Each(FunctionElement[Any]):
    """The members of a document, as rows of `key` and `value`."""

    name = "members"
    inherit_cache = True


class _List(FunctionElement[Any]):
    """A list of all rows, each of which is the list of the arguments."""

    name = "listed"
    inherit_cache = True
    type = JSON()


class _Document(FunctionElement[Any]):
    """A document as a member of another one, not as the text that SQLite keeps it as."""

    name = "document"
    inherit_cache = True
    type = JSON()


@compiles(_Each, "postgresql")
def _each_of_jsonb(element: _Each, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"jsonb_each({compiler.process(element.clauses, **kwargs)})"


@compiles(_Each, "sqlite")
def _each_of_text(element: _Each, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kwargs)})"


@compiles(_List, "postgresql")
def _json_agg(element: _List, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"coalesce(json_agg(json_build_array({compiler.process(element.clauses, **kwargs)})), '[]'::json)"


@compiles(_List, "sqlite")
def _json_group_array(element: _List, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **kwargs)}))"


@compiles(_Document, "postgresql")
def _jsonb(element: _Document, compiler: SQLCompiler, **kwargs: Any) -> str:
    return compiler.process(element.clauses, **kwargs)


@compiles(_Document, "sqlite")
def _json_of_text(element: _Document, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"json({compiler.process(element.clauses, **kwargs)})"


def members_of(document: ColumnElement[Any]) -> TableValuedAlias:
    """The members of a document of another table's row, as rows of `key` and `value` that join by themselves."""
    return _Each(document).table_valued("key", "value", joins_implicitly=True)


def provenance_of(kind: EntityKind, row: FromClause, *, until: datetime | None = None) -> ColumnElement[Any]:
    """Of a row of that kind, or of an alias of it: a list of (column, instant, actor, cause) in no order.

    until: by the changes until then, for the row as it was. Nothing is told of columns for which the row has `UNTOLD`.
    """
    newest = select(change.c.id, change.c.fields, change.c.at, change.c.actor, change.c.cause).where(
        change.c.kind == kind, change.c.entity_id == row.c.id
    )
    if until is not None:
        newest = newest.where(change.c.at <= until)
    looked_at = newest.order_by(change.c.id.desc()).limit(MOST_CHANGES).correlate(row).subquery("looked_at")
    members, by = members_of(looked_at.c.fields), looked_at.c
    place = func.row_number().over(partition_by=members.c.key, order_by=by.id.desc())
    ranked = (
        select(members.c.key, by.at, by.actor, by.cause, place.label("place")).select_from(looked_at).subquery("ranked")
    )
    last = ranked.c
    listed = select(_List(last.key, last.at, last.actor, last.cause)).where(last.place == 1).correlate(row)
    untold = _untold(row)
    if untold:
        listed = listed.where(last.key.not_in(untold))
    return type_coerce(listed.scalar_subquery(), JSON())


def stated_of(kind: EntityKind, row: FromClause) -> ColumnElement[Any]:
    """What sources state of it: a list of (source, external id, field, statement) in no order.

    A statement is as references keep it: values, microseconds, version. Fields of which nothing is told are left out.
    """
    ref, named = source_ref.alias("speaks_of"), source.alias("speaker")
    members = members_of(ref.c.stated)
    listed = (
        select(_List(named.c.name, ref.c.external_id, members.c.key, _Document(members.c.value)))
        .join_from(ref, named, named.c.id == ref.c.source_id)
        .where(ref.c.kind == kind, ref.c.entity_id == row.c.id, ref.c.deleted_at.is_(None))
    )
    untold = _untold_fields(kind, row)
    if untold:
        listed = listed.where(members.c.key.not_in(untold))
    return type_coerce(listed.correlate(row).scalar_subquery(), JSON())


def overridden_of(kind: EntityKind, row: FromClause, *, until: datetime | None = None) -> ColumnElement[Any]:
    """What people say of it: a list of (field, who, why, when). until: those that stood then."""
    c = field_override.alias("says_otherwise").c
    listed = select(_List(c.field, c.created_by, c.reason, c.created_at)).where(c.kind == kind, c.entity_id == row.c.id)
    if until is None:
        listed = listed.where(c.released_at.is_(None))
    else:
        listed = listed.where(c.created_at <= until, or_(c.released_at.is_(None), c.released_at > until))
    untold = _untold_fields(kind, row)
    if untold:
        listed = listed.where(c.field.not_in(untold))
    return type_coerce(listed.correlate(row).scalar_subquery(), JSON())


def precedence_now(_row: FromClause) -> ColumnElement[Any]:
    """Whose word goes first: a list of one (orders, lapsed), or of none before the first was set."""
    c = precedence_row.alias("goes_first").c
    return type_coerce(select(_List(_Document(c.orders), _Document(c.lapsed))).scalar_subquery(), JSON())


def records_of(kind: EntityKind, row: FromClause) -> ColumnElement[Any]:
    """What sources call it: a list of (name of the source, external id, its version, when it was deleted there)."""
    ref = source_ref.alias("known_as")
    named = source.alias("in_source")
    listed = (
        select(_List(named.c.name, ref.c.external_id, ref.c.version, ref.c.deleted_at))
        .select_from(ref)
        .join(named, named.c.id == ref.c.source_id)
        .where(ref.c.kind == kind, ref.c.entity_id == row.c.id)
    )
    return type_coerce(listed.correlate(row).scalar_subquery(), JSON())


def _untold(row: FromClause) -> list[str]:
    """Columns of which nothing is told."""
    return [column.name.removeprefix(UNTOLD) for column in row.c if column.name.startswith(UNTOLD)]


def _untold_fields(kind: EntityKind, row: FromClause) -> list[str]:
    found = {field_of(kind, column) for column in _untold(row)}
    return sorted(field.name for field in found if field is not None)
