"""Where the values of a thing come from."""

from collections.abc import Iterator
from datetime import UTC, datetime

import strawberry
from strawberry.utils.str_converters import to_camel_case

from connector.storage.query import Row

_SPOKEN_FOR = ("source:", "webhook:")
"""What the name of whoever changed something begins with where that was a source."""


@strawberry.type(description="What gave a field its present value.")
class FieldProvenance:
    """The newest change of one field."""

    field: str = strawberry.field(description="Name of the field, as it is here.")
    source: str | None = strawberry.field(
        description="Name of the source that said so; null where the hub or a person did it."
    )
    actor: str = strawberry.field(description="Who or what did it, as the change log has it.")
    cause: str | None = strawberry.field(description="The record, rule or reason behind it.")
    at: datetime = strawberry.field(
        description="When the value was changed here. What is said again, and is the same, changes nothing."
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


def provenance(root: Row, shown: tuple[str, ...], keys: tuple[str, ...]) -> list[FieldProvenance]:
    """Of the fields that are shown, in their order. keys: those that lead to a thing, told of where one is in sight."""
    told = {column: (at, actor, cause) for column, at, actor, cause in root.values["provenance"]}

    def found() -> Iterator[FieldProvenance]:
        for column in shown:
            if column in told and (column not in keys or root.values[column] is not None):
                at, actor, cause = told[column]
                yield FieldProvenance(
                    field=to_camel_case(column.removesuffix("_id")),
                    source=_source(actor),
                    actor=actor,
                    cause=cause,
                    at=_instant(at),
                )

    return list(found())


def source_records(root: Row) -> list[SourceRecord]:
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


def _source(actor: str) -> str | None:
    kind = next((kind for kind in _SPOKEN_FOR if actor.startswith(kind)), None)
    return None if kind is None else actor.removeprefix(kind)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
