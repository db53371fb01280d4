"""The golden record: where sources contradict each other, and what people say whatever sources say."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry.utils.str_converters import to_snake_case

from connector.api.context import Info
from connector.api.golden_values import read_value, shown_value
from connector.api.overrides import Overrides, Said
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, derived, related
from connector.api.schema.inputs import KEY
from connector.api.schema.lazy import AnyAsset, AnyHub, AnyProduct, AnySite
from connector.api.schema.nodes import TYPE_NAMES, Node, parse_global_id
from connector.api.schema.payloads import Payload, target
from connector.api.schema.scalars import JSON, as_json
from connector.ingest.overriding import overridable
from connector.model.errors import Forbidden, InvalidInput
from connector.model.kinds import GoldenReason
from connector.model.refs import EntityKind
from connector.rules.golden.choosing import Statement
from connector.rules.golden.fields import FIELDS
from connector.storage.query import ENTITIES, Row, Selection

_FIELD = "Which field, as connector.toml and docs/golden-record.md call it: `asset_tag`."
_VALUE = "as the schema writes it; an object where it has several parts; things by their ids"


@strawberry.type(description="What a source states of a field.")
class FieldStatement:
    """A statement of a reference."""

    source: str = strawberry.field(description="Name of the source.")
    external_id: str = strawberry.field(description="What the source calls the thing.")
    value: JSON | None = strawberry.field(description=f"What it states: {_VALUE}.")
    heard_at: datetime = strawberry.field(
        description="When the hub first heard it; what was merely said again keeps its time."
    )
    updated_at: datetime | None = strawberry.field(
        description="When the source changed the record that brought it, by its own clock; null where it does not tell."
    )
    is_holding: bool = strawberry.field(description="Whether the field has its value because of this one.")


def _statements(root: Row) -> list[FieldStatement] | None:
    told = root.values["statements"]
    if told is None:
        return None
    said = [(source, name, Statement(tuple(values), at, version)) for source, name, values, at, version in told]
    own = [(one.said, name) for source, name, one in said if source == root.values["source"]]
    return [
        FieldStatement(
            source=source,
            external_id=name,
            value=_json(root, one.values),
            heard_at=one.heard,
            updated_at=one.updated,
            is_holding=source == root.values["source"] and (one.said, name) == max(own),
        )
        for source, name, one in said
    ]


def _json(root: Row, values: Any) -> JSON | None:
    value = shown_value(EntityKind(root.values["kind"]), root.values["field"], values)
    return None if value is None else as_json(value)


def _value(root: Row) -> JSON | None:
    return None if root.values["value"] is None else _json(root, root.values["value"])


def _replaced(root: Row) -> JSON | None:
    return None if root.values["replaced"] is None else _json(root, root.values["replaced"])


@strawberry.type(description="A field of which sources that have the thing state different values.")
class FieldConflict(Node):
    """A conflict; it is gone when it is over."""

    kind: EntityKind = column("What kind of thing.")
    field: str = column("Which field, as connector.toml calls it: `asset_tag`.")
    asset: AnyAsset | None = related("asset", "The device that it is about.")
    site: AnySite | None = related("site", "The site that it is about.")
    hub: AnyHub | None = related("hub", "The hub that it is about.")
    product: AnyProduct | None = related("product", "The product that it is about.")
    source: str | None = column("The source whose statement holds; null where a person overrode the field.")
    reason: GoldenReason = column("Why that one holds.")
    statements: list[FieldStatement] | None = derived(
        _statements,
        "All that is stated of it; null where that is kept from whoever reads, and for the `place` of a device where "
        "one is limited to regions.",
        columns=("statements",),
        beside=("kind", "field", "source"),
    )
    created_at: datetime = column("Since when sources contradict each other.")
    updated_at: datetime = column("When it last became another.")


@strawberry.type(description="What somebody said that a field of a thing is, whatever sources say.")
class FieldOverride(Node):
    """An override."""

    kind: EntityKind = column("What kind of thing.")
    field: str = column("Which field, as connector.toml calls it: `asset_tag`.")
    asset: AnyAsset | None = related("asset", "The device that it is about.")
    site: AnySite | None = related("site", "The site that it is about.")
    hub: AnyHub | None = related("hub", "The hub that it is about.")
    product: AnyProduct | None = related("product", "The product that it is about.")
    value: JSON | None = derived(
        _value, f"What it is: {_VALUE}. Null where it is empty.", columns=("value",), beside=("kind", "field")
    )
    replaced: JSON | None = derived(
        _replaced, "What it was before, in the same way.", columns=("replaced",), beside=("kind", "field")
    )
    reason: str = column("Why.")
    created_by: str = column("Who said so.")
    created_at: datetime = column("When.")
    ends_at: datetime | None = column("When it ends by itself; null for never.")
    released_at: datetime | None = column("When it ended; null while it stands.")
    released_by: str | None = column("Who released it or put another in its place; `its end` for its time.")


@strawberry.input(description="Say what a field is, whatever sources say.")
class OverrideFieldInput:
    """Input of `overrideField`."""

    id: strawberry.ID = strawberry.field(description="Of which device, site, hub or product.")
    field: str = strawberry.field(description=f"{_FIELD} `assetTag` is the same.")
    value: JSON | None = strawberry.field(
        default=strawberry.UNSET, description=f"What it is: {_VALUE}. Null says that it is empty."
    )
    reason: str = strawberry.field(description="Why; kept with it.")
    until: datetime | None = strawberry.field(
        default=None, description="When it ends by itself; when somebody releases it, where left out."
    )
    idempotency_key: str = KEY


@strawberry.input(description="Let a field have what sources state again.")
class ReleaseOverrideInput:
    """Input of `releaseOverride`."""

    field_override_id: strawberry.ID = strawberry.field(description="Which override.")
    reason: str | None = strawberry.field(default=None, description="Why; kept in the log.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `overrideField`.")
class OverrideFieldPayload(Payload):
    """Payload of `overrideField`."""

    override: FieldOverride | None = target("override")


@strawberry.type(description="Answer of `releaseOverride`.")
class ReleaseOverridePayload(Payload):
    """Payload of `releaseOverride`."""

    override: FieldOverride | None = target("override")
    is_new: bool = strawberry.field(
        default=False, description="False when it had been released before, or when it was refused."
    )


async def override(info: Info, input: OverrideFieldInput) -> OverrideFieldPayload:
    """Resolver of `overrideField`."""
    async with refusing(info) as refusals:
        by = request_of(info, input.idempotency_key)
        kind, number = _thing(input.id)
        field = overridable(kind, to_snake_case(input.field))
        if input.value is strawberry.UNSET:
            raise InvalidInput("no value is given", hint="Send null for a field that is empty.")
        _require_rights(info, kind, field.name)
        said = Said(kind, number, field.name, read_value(kind, field, input.value), input.reason, input.until)
        return OverrideFieldPayload(key=await _overrides(info).say(said, key=by.key, actor=by.actor))
    return OverrideFieldPayload(errors=refusals)


async def release(info: Info, input: ReleaseOverrideInput) -> ReleaseOverridePayload:
    """Resolver of `releaseOverride`."""
    async with refusing(info) as refusals:
        by = request_of(info, input.idempotency_key)
        name, number = parse_global_id(input.field_override_id)
        if name != "FieldOverride":
            raise InvalidInput(f"id {input.field_override_id!r} is the id of a {name}, not of a FieldOverride")
        row = await info.context.reader.row(Selection("field_override", frozenset({"kind", "field"})), number)
        if row is not None:
            _require_rights(info, EntityKind(row.values["kind"]), row.values["field"])
        is_new = await _overrides(info).release(number, reason=input.reason, key=by.key, actor=by.actor)
        return ReleaseOverridePayload(key=number, is_new=is_new)
    return ReleaseOverridePayload(errors=refusals)


def _thing(text: str) -> tuple[EntityKind, int]:
    """What kind of thing an id is of, and its key. Raises InvalidInput for what no source states fields of."""
    name, number = parse_global_id(text)
    kinds = {kind.value: kind for kind in FIELDS}
    if TYPE_NAMES[name] not in kinds:
        raise InvalidInput(f"fields of a {name} are not overridden", hint="Those of Asset, Site, Hub and Product are.")
    return kinds[TYPE_NAMES[name]], number


def _require_rights(info: Info, kind: EntityKind, field: str) -> None:
    """Refuse who does not see all that it is about. Raises Forbidden."""
    who, sight = info.context.principal, info.context.reader.sight
    if kind is EntityKind.PRODUCT:  # it is the same in all regions
        who.require_everywhere(f"{info.field_name} of a product")
    known = ENTITIES[kind.value].columns
    columns = {name for name, one in known.items() if one.name in FIELDS[kind][field].columns}
    if any((kind.value, column) in sight.hidden for column in columns):
        raise Forbidden(
            f"{who.name!r} may not {info.field_name}: its roles do not read {field!r} of this {kind.value}",
            hint="`me { hiddenFields }` lists them; [auth.fields] of connector.toml says who reads them.",
        )


def _overrides(info: Info) -> Overrides:
    return Overrides(info.context.engine, info.context.clock)
