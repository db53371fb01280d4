"""Where the values of a thing come from."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from connector.api.schema.fields import derived
from connector.api.weights import HISTORY
from connector.model.kinds import ProvenanceBasis
from connector.model.refs import EntityKind
from connector.rules.golden.choosing import NO_PRECEDENCE, Precedence, Statement, Teller
from connector.rules.golden.fields import FIELDS, field_of
from connector.rules.golden.origin import Change, Origin, origin_of
from connector.storage.golden.values import statement_value
from connector.storage.query import ENTITIES, Row

_SAID = ("provenance", "stated", "overridden", "precedence")


@strawberry.type(description="What gave a field its present value.")
class FieldProvenance:
    """Why a field has its value, and since when."""

    field: str = strawberry.field(description="Name of the field, as it is here.")
    basis: ProvenanceBasis = strawberry.field(description="Why it has its value.")
    source: str | None = strawberry.field(
        description="Name of the source whose word it is: that states it now or, where nobody does any more, that said "
        "it last; null where the hub or a person gave it."
    )
    external_id: str | None = strawberry.field(
        description="What that source calls the thing of which it states it now; null where none does."
    )
    actor: str = strawberry.field(
        description="Who or what gave the field this value here, as the change log has it; the source for a value "
        "that it only confirmed."
    )
    cause: str | None = strawberry.field(
        description="The record, rule or reason behind that; of an override, the reason that was given."
    )
    at: datetime = strawberry.field(
        description="Since when: since the value was changed here, or its source first stated it if that was later; "
        "of an override, when it was made. What is said again, and is the same, changes nothing."
    )


@strawberry.type(description="What a source calls a thing.")
class SourceRecord:
    """One reference."""

    source: str = strawberry.field(description="Name of the source.")
    external_id: str = strawberry.field(description="What the source calls it.")
    updated_at: datetime | None = strawberry.field(
        description="When the source changed it last, by its own clock; null where it does not tell."
    )
    deleted_at: datetime | None = strawberry.field(description="When it was gone there; null while it exists.")


def origins(kind: EntityKind, what: str, places: tuple[str, ...] = ()) -> Any:
    """The field that tells, for each field of a thing, what gave it its value.

    what: the thing, for the description. places: columns that lead to where it is, told of while it is there.
    """
    columns = _shown(kind)
    return derived(
        _resolver(kind, columns, frozenset(places)),
        f"For each field, what gave it its value and since when: of what sources state and people overrode, and of the "
        f"newest 1,000 changes of the {what}." + (" `site` and `hub` only while it is there." if places else ""),
        columns=("provenance", *places),
        beside=(*(name for name in _SAID if name != "provenance"), *(name for name in columns if name not in places)),
        weight=HISTORY,
    )


def known_as() -> Any:
    """The field that tells what sources call a thing."""
    return derived(_source_records, "What each source calls it.", columns=("source_records",), weight=HISTORY)


def _resolver(
    kind: EntityKind, columns: tuple[str, ...], places: frozenset[str]
) -> Callable[[Row], list[FieldProvenance]]:
    known = ENTITIES[kind.value].columns

    def resolve(root: Row) -> list[FieldProvenance]:
        told = _Told(root)

        def found() -> Iterator[FieldProvenance]:
            for name in columns:
                if name in places and root.values[name] is None:
                    continue
                origin = told.origin(kind, known[name].name)
                if origin is not None:
                    yield FieldProvenance(
                        field=to_camel_case(name.removesuffix("_id")),
                        basis=origin.basis,
                        source=origin.source,
                        external_id=origin.external_id,
                        actor=origin.actor,
                        cause=origin.cause,
                        at=origin.at,
                    )

        return list(found())

    return resolve


class _Told:
    """What is told of a thing."""

    def __init__(self, root: Row) -> None:
        entity = ENTITIES[root.entity]
        self._values = {column.name: root.values.get(name) for name, column in entity.columns.items()}
        self._changes = {
            column: Change(_instant(at), actor, cause) for column, at, actor, cause in root.values["provenance"]
        }
        self._overridden = {
            field: Change(_instant(at), by, reason) for field, by, reason, at in root.values["overridden"]
        }
        self._told = defaultdict[str, dict[Teller, Statement]](dict)
        for source, external_id, field, (values, said, version) in root.values["stated"]:
            self._told[field][source, external_id] = Statement(tuple(values), said, version)
        rules = root.values["precedence"]
        self._precedence = Precedence(rules[0][0], frozenset(rules[0][1])) if rules else NO_PRECEDENCE

    def origin(self, kind: EntityKind, column: str) -> Origin | None:
        """Why a column has its value; None when nothing is told of it."""
        field = field_of(kind, column)
        return origin_of(
            kind,
            field,
            () if field is None else tuple(statement_value(self._values.get(each)) for each in field.columns),
            told={} if field is None else self._told.get(field.name, {}),
            overridden=None if field is None else self._overridden.get(field.name),
            change=self._changes.get(column),
            precedence=self._precedence,
        )


def _shown(kind: EntityKind) -> tuple[str, ...]:
    """The columns whose provenance is told, by the names that they have here, in the order of the table's."""
    stated = {column for field in FIELDS[kind].values() for column in field.columns} | {"retired_at"}
    return tuple(name for name, column in ENTITIES[kind.value].columns.items() if column.name in stated)


def _source_records(root: Row) -> list[SourceRecord]:
    """In the order of the sources' names."""
    return [
        SourceRecord(
            source=name,
            external_id=external_id,
            updated_at=None if version is None else _instant(version),
            deleted_at=None if deleted is None else _instant(deleted),
        )
        for name, external_id, version, deleted in sorted(root.values["source_records"], key=lambda each: each[:2])
    ]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
