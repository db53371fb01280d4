"""`connector golden`: where sources contradict each other, and what people say whatever sources say."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

import orjson
import typer

from connector.api.overrides import Overrides, Said
from connector.cli.approvals import whoever_types
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.hub import Hub
from connector.ingest.overriding import overridable
from connector.model.errors import InvalidInput
from connector.model.refs import EntityKind
from connector.rules.golden.fields import FIELDS
from connector.storage.database.engine import reading
from connector.storage.golden.listing import ListedConflict, ListedOverride, list_conflicts, list_overrides
from connector.storage.query import ENTITIES
from connector.storage.sources.foreseen import names_in

golden = typer.Typer(
    help="What holds of what several sources state: conflicts, override, overrides, release.", no_args_is_help=True
)


class Kind(StrEnum):
    """What several sources know."""

    ASSET = "asset"
    SITE = "site"
    HUB = "hub"
    PRODUCT = "product"


Names: TypeAlias = Mapping[tuple[str, int], str]
"""What people call the things whose ids stand in columns."""
OfKind = Annotated[Kind | None, typer.Option("--kind", help="Only of these.")]
OfField = Annotated[str | None, typer.Option("--field", help="Only of this field, as `asset_tag`.")]
After = Annotated[int, typer.Option(help="Go on after this number.")]
Limit = Annotated[int, typer.Option(min=1, max=500, help="So many a page.")]
Key = Annotated[str | None, typer.Option(help="Idempotency key; made up when left out.")]


@golden.command()
def conflicts(
    kind: OfKind = None,
    field: OfField = None,
    after: After = 0,
    limit: Limit = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List fields of which sources state different values, with whose holds and why; oldest first."""
    of = _kind(kind)

    async def read(hub: Hub) -> tuple[list[ListedConflict], Names]:
        _require_field(of, field)
        async with reading(hub.database) as tx:
            found = await list_conflicts(tx, kind=of, field=field, after=after, limit=limit)
            told = [(one, said.values) for one in found for said in one.statements]
            return found, await names_in(tx, {pair for one, values in told for pair in _pairs(one, values)})

    found, names = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([asdict(conflict) for conflict in found])
        return
    rows = [
        {
            "no": conflict.id,
            "of": f"{conflict.kind.value} {conflict.entity_id}\n{conflict.name or ''}".rstrip(),
            "field": conflict.field,
            "holds": conflict.source or "override",
            "why": conflict.reason.value.replace("_", " "),
            "stated": "\n".join(f"{one.source}: {_text(conflict, one.values, names)}" for one in conflict.statements),
        }
        for conflict in found
    ]
    print_table("Conflicts", rows, empty="No sources contradict each other.")
    if len(found) == limit:
        console.print(f"More: --after {found[-1].id}")


@golden.command()
def overrides(
    kind: OfKind = None,
    field: OfField = None,
    every: Annotated[bool, typer.Option("--all", help="Those too that were released.")] = False,
    after: After = 0,
    limit: Limit = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List what people said that fields are, oldest first."""
    of = _kind(kind)

    async def read(hub: Hub) -> tuple[list[ListedOverride], Names]:
        _require_field(of, field)
        async with reading(hub.database) as tx:
            found = await list_overrides(
                tx, kind=of, field=field, standing_only=not every, after=after, limit=limit
            )  # fmt: skip
            told = [(one, values) for one in found for values in (one.value, one.replaced)]
            return found, await names_in(tx, {pair for one, values in told for pair in _pairs(one, values)})

    found, names = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        {
            "no": one.id,
            "of": f"{one.kind.value} {one.entity_id}\n{one.name or ''}".rstrip(),
            "field": one.field,
            "value": f"{_text(one, one.value, names)}\nwas {_text(one, one.replaced, names)}",
            "why": f"{one.reason} ({one.created_by})",
            "until": one.until,
            "released": one.released_at,
        }
        for one in found
    ]
    print_table("Overrides", rows, empty="No field is overridden.")
    if len(found) == limit:
        console.print(f"More: --after {found[-1].id}")


@golden.command()
def override(
    kind: Annotated[Kind, typer.Argument(help="What kind of thing.")],
    number: Annotated[int, typer.Argument(help="Its number, as lists show it.")],
    field: Annotated[str, typer.Argument(help="Which field, as `asset_tag`.")],
    value: Annotated[
        str | None,
        typer.Argument(help="What it is; JSON where it is no text. An id for a product or service class."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    empty: Annotated[bool, typer.Option("--empty", help="It is empty, in place of a value.")] = False,
    until: Annotated[str | None, typer.Option(help="When it ends by itself, with its zone: 2026-12-01T18:00Z.")] = None,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say what a field is, whatever sources say, until that is released or its time is over."""

    async def do(hub: Hub) -> int:
        of = EntityKind(kind.value)
        if empty == (value is not None):
            raise InvalidInput("either a value or --empty is needed, and only one of them")
        said = Said(of, number, field, _read(of, field, value), reason, _instant(until))
        desk = Overrides(hub.database, hub.clock)
        return await desk.say(said, key=key or str(uuid.uuid4()), actor=whoever_types().name)

    override_id = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"override": override_id})
        return
    shown = "empty" if empty else value
    console.print(
        f"Override {override_id}: {field} of {kind.value} {number} is {shown}.", markup=False, highlight=False
    )


@golden.command()
def release(
    number: Annotated[int, typer.Argument(help="Number of the override, as `overrides` shows it.")],
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let a field have what sources state again; what none states is again what it was before."""

    async def do(hub: Hub) -> bool:
        desk = Overrides(hub.database, hub.clock)
        return await desk.release(number, reason=reason, key=key or str(uuid.uuid4()), actor=whoever_types().name)

    is_new = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"override": number, "is_new": is_new})
        return
    console.print(f"Override {number} {'is released' if is_new else 'was released before'}.", highlight=False)


def _kind(kind: Kind | None) -> EntityKind | None:
    return None if kind is None else EntityKind(kind.value)


def _require_field(kind: EntityKind | None, field: str | None) -> None:
    kinds = FIELDS if kind is None else (kind,)
    if field is not None and all(field not in FIELDS[each] for each in kinds):
        known = sorted({name for each in kinds for name in FIELDS[each]})
        raise InvalidInput(f"there is no field {field!r}", hint=f"There are: {', '.join(known)}.")


def _read(kind: EntityKind, field: str, value: str | None) -> Any:
    """A value as records have it: the text, or what it says as JSON where the field is no text."""
    columns = overridable(kind, field).columns
    if value is None or (len(columns) == 1 and _is_text(kind, columns[0])):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"{value!r} is no JSON", hint=f"{field!r} is no text: write a number, true, a list or an object."
        ) from error


def _is_text(kind: EntityKind, column: str) -> bool:
    entity = ENTITIES[kind.value]
    name = next(name for name, one in entity.columns.items() if one.name == column)
    return issubclass(entity.value_type(name), str | date)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time", hint="Write it as 2026-11-25T09:00Z.") from error
    if at.tzinfo is None:
        raise InvalidInput(f"{text!r} has no time zone", hint="Write it as 2026-11-25T09:00Z.")
    return at


def _pairs(one: ListedConflict | ListedOverride, values: list[Any]) -> list[tuple[str, Any]]:
    """Values with the columns that they are of."""
    return list(zip(FIELDS[one.kind][one.field].columns, map(_hashable, values), strict=True))


def _hashable(value: Any) -> Any:
    """Texts and whole numbers as they are, all else as JSON."""
    is_plain = value is None or (isinstance(value, int | str) and not isinstance(value, bool))
    return value if is_plain else orjson.dumps(value).decode()


def _text(one: ListedConflict | ListedOverride, values: list[Any], names: Names) -> str:
    """Values of a field's columns for people; of other things their names and ids."""
    said = [(pair[1] if pair[1] is not None else "-", names.get(pair)) for pair in _pairs(one, values)]
    return ", ".join(f"{name} ({value})" if name else str(value) for value, name in said)
