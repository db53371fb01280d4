"""Overrides: a person says what a field is, whatever sources say, until that is released or its time is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError

from connector.ingest.golden import put
from connector.ingest.work import Work
from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.naming import serial_key, tag_key
from connector.model.records import AssetRecord, HubRecord, ProductKey, ProductRecord, SiteRecord
from connector.model.refs import EntityKind, SourceRef
from connector.rules.golden.fields import FIELDS, UNIQUE, Field
from connector.storage.database.drafts import TABLES, Draft, find_rows, load_drafts
from connector.storage.database.engine import Transaction
from connector.storage.golden.overrides import (
    Override,
    end_override,
    ended_overrides,
    insert_override,
    override_of_id,
    standing_override,
)
from connector.storage.golden.values import column_value, statement_value
from connector.storage.sources.refs import lock_ingest
from connector.storage.stock.book import claimed_assets, recount_shelves

ITS_END: Final = "its end"
"""Who released an override whose time was over."""
NOTE: Final = "overridden"
"""What a change row says beside the columns: names of the fields that are overridden, before and after."""

_REFERENCES: Final = {"product": EntityKind.PRODUCT, "service_class": EntityKind.SERVICE_CLASS}
"""Fields that hold the id of something."""
_ANY: Final = SourceRef(kind=EntityKind.ASSET, external_id="-")
_RECORDS: Final[Mapping[EntityKind, tuple[type[Any], Mapping[str, Any]]]] = {
    EntityKind.SITE: (SiteRecord, {"name": "-"}),
    EntityKind.HUB: (HubRecord, {"name": "-"}),
    EntityKind.PRODUCT: (ProductRecord, {"key": ProductKey(manufacturer="-", model="-")}),
    EntityKind.ASSET: (AssetRecord, {}),
}
"""Kind -> the record by which a value is checked, and what it needs beside that."""


async def override_field(
    tx: Transaction,
    kind: EntityKind,
    entity_id: int,
    name: str,
    value: Any,
    *,
    reason: str,
    by: str,
    at: datetime,
    until: datetime | None = None,
) -> int:
    """Let a field have this value from now on, in place of an override that stands; returns the override's id.

    value: as records have it; of fields with several columns an object of these; None for a field that is empty; the id
    of a product or service class. Raises NotKnown, InvalidInput for a field that is not overridden or a value that does
    not fit, and IllegalTransition for the product of a unit that is promised to a ticket.
    """
    field = overridable(kind, name)
    if not reason.strip():
        raise InvalidInput("reason is empty", hint="Say why; it is kept with the override and shown to others.")
    if until is not None and until <= at:
        raise InvalidInput(f"until {until.isoformat()} is past", hint="Name a later instant, or leave it out.")
    values = _checked(kind, field, value)
    await lock_ingest(tx)
    draft = (await load_drafts(tx, kind, {entity_id})).get(entity_id)
    if draft is None:
        raise NotKnown(f"there is no {kind.value} with id {entity_id}")
    if draft.after.get("merged_into_id") is not None:
        raise IllegalTransition(
            f"asset {entity_id} was merged into asset {draft.after['merged_into_id']}", hint="Override that one."
        )
    await _require_free(tx, draft, field, values)
    work = Work(tx=tx, source_id=0, actor=by, cause=f"override: {reason.strip()}", at=at)
    await work.golden.load(kind, {entity_id})
    replaced = [statement_value(draft.after.get(column)) for column in field.columns]
    stands = await standing_override(tx, kind, entity_id, name)
    if stands is not None:
        replaced = stands.replaced
        await end_override(tx, stands.id, by=by, at=at)
    override_id = await insert_override(
        tx, kind, entity_id, name,
        value=values, replaced=replaced, reason=reason.strip(), by=by, at=at, until=until,
    )  # fmt: skip
    await _settle(work, draft, {name: values})
    return override_id


async def release_override(tx: Transaction, override_id: int, *, by: str, at: datetime, reason: str | None) -> bool:
    """Let the field have what sources state again; False when it was released before.

    What no source states is again what it was before the override. Raises NotKnown, and IllegalTransition for the
    product of a unit that is promised to a ticket.
    """
    await lock_ingest(tx)
    stands = await override_of_id(tx, override_id)
    if stands is None:
        return False
    await _release(tx, stands, by=by, at=at, reason=reason)
    return True


async def release_ended(tx: Transaction, *, at: datetime, limit: int) -> int:
    """Release overrides whose time is over; how many those were. One that cannot be released yet waits."""
    await lock_ingest(tx)
    done = 0
    for stands in await ended_overrides(tx, at, limit=limit):
        try:
            await _release(tx, stands, by=ITS_END, at=at, reason=None)
        except IllegalTransition:
            continue
        done += 1
    return done


def overridable(kind: EntityKind, name: str) -> Field:
    """The field of that name. Raises InvalidInput where there is none, or one that nobody overrides."""
    fields = FIELDS[kind]
    can = [each for each, field in fields.items() if not field.is_event]
    if name not in fields:
        near = get_close_matches(name, can, n=1, cutoff=0.5)
        told = f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(can)}."
        raise InvalidInput(f"{kind.value} has no field {name!r}", hint=told)
    if fields[name].is_event:
        raise InvalidInput(
            f"{name!r} is not overridden: what is said of it counts when it is said, and the hub changes it itself",
            hint=f"Overridden are: {', '.join(can)}.",
        )
    return fields[name]


async def _release(tx: Transaction, stands: Override, *, by: str, at: datetime, reason: str | None) -> None:
    draft = (await load_drafts(tx, stands.kind, {stands.entity_id}))[stands.entity_id]
    cause = f"release of override {stands.id}" + (f": {reason}" if reason else "")
    work = Work(tx=tx, source_id=0, actor=by, cause=cause, at=at)
    field = FIELDS[stands.kind][stands.field]
    holds = await work.golden.holding(draft, stands.field)
    values = tuple(stands.replaced) if holds is None else holds
    if stands.field == "product" and values != tuple(stands.value):
        await _require_unclaimed(tx, draft)
    elif (stands.kind, stands.field) in UNIQUE and await _is_taken(tx, draft, field, values):
        values = tuple(stands.value)
    await end_override(tx, stands.id, by=by, at=at)
    await _settle(work, draft, {stands.field: values}, released=True)


async def _settle(work: Work, draft: Draft, values: Mapping[str, tuple[Any, ...]], *, released: bool = False) -> None:
    """Write the values, and what the change row and the conflicts say of them; what is said was read before."""
    for name, each in values.items():
        put(work, draft, FIELDS[draft.kind][name], each)
        before, after = work.golden.mark_overridden(draft, name, None if released else each)
        draft.notes[NOTE] = (before, after)
    await work.write(draft.kind, [draft])
    await recount_shelves(work.tx, work.shelves, actor=work.actor, cause=work.cause, at=work.at)
    await work.golden.note()


def _checked(kind: EntityKind, field: Field, value: Any) -> tuple[Any, ...]:
    """The values of the field's columns. Raises InvalidInput."""
    columns = TABLES[kind].c
    if value is None:
        missing = [column for column in field.columns if not columns[column].nullable]
        if missing:
            raise InvalidInput(f"{field.name!r} of this {kind.value} cannot be empty", hint="Give a value.")
        return (None,) * len(field.columns)
    if field.name in _REFERENCES:
        if type(value) is not int:
            raise InvalidInput(f"{field.name!r} needs an id, not {value!r}")
        return (value,)
    record, more = _RECORDS[kind]
    given = _as_record(field, value)
    try:
        checked = record.model_validate({"ref": _ANY, **more, **given})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}"
        raise InvalidInput(f"{field.name!r} of this {kind.value} cannot be {value!r}: {why}") from None
    found = _of_record(field, checked)
    if all(each is None for each in found):
        raise InvalidInput(f"{value!r} says nothing of {field.name!r}", hint="Send null for a field that is empty.")
    return found


def _as_record(field: Field, value: Any) -> dict[str, Any]:
    match field.name:
        case "position":
            return {"point": value}
        case "part_number":
            return {"key": {"manufacturer": "-", "model": "-", "part_number": value}}
        case "address":
            return {"address": value}
        case _ if len(field.columns) > 1:
            if not isinstance(value, dict) or not value.keys() <= set(field.columns):
                raise InvalidInput(
                    f"{field.name!r} needs an object, not {value!r}", hint=f"Its keys are {', '.join(field.columns)}."
                )
            return dict(value)
        case _:
            return {field.columns[0]: value}


def _of_record(field: Field, record: Any) -> tuple[Any, ...]:
    match field.name:
        case "position":
            return record.point.latitude, record.point.longitude
        case "address":
            return record.address.model_dump(mode="json", exclude_none=True), record.address.country
        case "part_number":
            return (record.key.part_number,)
        case "serial":
            return (serial_key(record.serial),)
        case "asset_tag":
            return (tag_key(record.asset_tag),)
        case _:
            return tuple(statement_value(getattr(record, column)) for column in field.columns)


async def _require_free(tx: Transaction, draft: Draft, field: Field, values: tuple[Any, ...]) -> None:
    """Raises where the thing cannot have these values because of other things."""
    if field.name in _REFERENCES and values != (None,):
        kind = _REFERENCES[field.name]
        if not await find_rows(tx, kind, "id", values, columns=()):
            raise NotKnown(f"there is no {kind.value} with id {values[0]}")
    if field.name == "product" and column_value(draft.kind, "product_id", values[0]) != draft.after["product_id"]:
        await _require_unclaimed(tx, draft)
    if (draft.kind, field.name) in UNIQUE and await _is_taken(tx, draft, field, values):
        raise InvalidInput(
            f"another {draft.kind.value} has the {field.name} {values[0]!r} already",
            hint="Correct it there first, or give another.",
        )


async def _require_unclaimed(tx: Transaction, draft: Draft) -> None:
    if await claimed_assets(tx, {draft.id}):
        raise IllegalTransition(
            f"asset {draft.id} is promised to a ticket and stays the product that it was promised as",
            hint="Release the reservation or see it through first.",
        )


async def _is_taken(tx: Transaction, draft: Draft, field: Field, values: tuple[Any, ...]) -> bool:
    owners = await find_rows(tx, draft.kind, field.columns[0], [values[0]] if values[0] else [], columns=())
    return any(row["id"] != draft.id for row in owners)
