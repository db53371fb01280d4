"""Fields of devices of which other records speak than before: those that came to one, or left it, all at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connector.ingest.golden import put, set_field
from connector.ingest.work import Work
from connector.model.kinds import Lane
from connector.model.lifecycle import AssetState
from connector.model.refs import EntityKind
from connector.rules.golden.choosing import Precedence, Statement, Teller, choose
from connector.rules.golden.fields import FIELDS, Field
from connector.storage.database.drafts import Draft
from connector.storage.golden.evidence import Told
from connector.storage.golden.values import statement_value

_KIND: Final = EntityKind.ASSET
_FIELDS: Final = FIELDS[_KIND]
PLACEMENT: Final = ("state", "site_id", "hub_id", "lane", "retired_at")
"""Columns that say where a device is in its life and in the world: they go together."""
WAITS_FOR_WIPE: Final = frozenset({AssetState.QUARANTINED, AssetState.WIPING})


def follow(work: Work, draft: Draft, was: Told, now: Told, precedence: Precedence, *, keeps_product: bool) -> None:
    """Let a device's fields follow from what was said of it to what is said, where that makes another value hold.

    What nobody says any more is gone, unless the hub or a person has changed it since it was said. keeps_product: it
    is promised to somebody as what it is.
    """
    for name, field in _FIELDS.items():
        if not field.is_event and not (name == "product" and keeps_product):
            follow_field(work, draft, field, was, now, precedence)


def follow_field(work: Work, draft: Draft, field: Field, was: Told, now: Told, precedence: Precedence) -> None:
    """The same for one field."""
    name = field.name
    if name in now.overrides:
        if name not in was.overrides:
            put(work, draft, field, now.overrides[name])
        return
    before, after = chosen(was, name, precedence), chosen(now, name, precedence)
    if after is None:
        if before is not None and not field.is_kept and holds(draft, field, before):
            put(work, draft, field, (None,) * len(field.columns))
    elif before != after:
        put(work, draft, field, after)


def follow_events(work: Work, draft: Draft, was: Told, now: Told, precedence: Precedence) -> None:
    """The same for state, place and lane, which follow only where the device is still as it was said to be.

    A unit that waits for a wipe goes on doing so.
    """
    for name, field in _FIELDS.items():
        if not field.is_event or (name == "state" and draft.after["state"] in WAITS_FOR_WIPE):
            continue
        before, after = chosen(was, name, precedence), chosen(now, name, precedence)
        if after is not None and before != after and (before is None or holds(draft, field, before)):
            put(work, draft, field, after)


def place_new(draft: Draft, told: Told, precedence: Precedence, *, beside: Mapping[str, Any]) -> None:
    """Put a device that is new where its records say it is. beside: the device of which they were before.

    What is kept from the shelves until its data are removed is not put on one by being another device.
    """
    for name in ("place", "lane", "state"):
        said = chosen(told, name, precedence)
        if said is not None:
            set_field(draft, _FIELDS[name], said)
    draft.after.setdefault("lane", Lane.NORMAL)
    if draft.after.get("state") is None:
        held = draft.after.get("hub_id") is not None
        draft.after["state"] = AssetState.IN_STOCK if held else AssetState.DEPLOYED
    if beside["state"] in WAITS_FOR_WIPE and draft.after["state"] in (AssetState.IN_STOCK, AssetState.RESERVED):
        draft.after["state"] = beside["state"]
    if draft.after["state"] is AssetState.RESERVED:
        draft.after["state"] = AssetState.IN_STOCK


def fill_lacking(work: Work, draft: Draft, other: Mapping[str, Any], told: Told) -> None:
    """What a device lacks and nobody states, as another one has it."""
    for name, field in _FIELDS.items():
        if field.is_event or name in told.overrides or told.of(name):
            continue
        if all(draft.after.get(column) is None for column in field.columns):
            put(work, draft, field, tuple(statement_value(other[column]) for column in field.columns))


def chosen(told: Told, name: str, precedence: Precedence) -> tuple[Any, ...] | None:
    """The values that hold of what is said of a field; None where nothing is."""
    choice = choose(_KIND, name, told.of(name), precedence)
    return None if choice is None else choice.statement.values


def only(told: Told, tellers: set[Teller], *, overrides: Mapping[str, tuple[Any, ...]] | None = None) -> Told:
    """What these references say; overrides: None for those that there are."""
    by_ref = {teller: said for teller, said in told.by_ref.items() if teller in tellers}
    return Told(by_ref, dict(told.overrides if overrides is None else overrides), dict(told.noted))


def said_of_field(told: Told, name: str) -> dict[Teller, tuple[Any, ...]]:
    """Reference -> the values that it states of a field."""
    return {teller: one.values for teller, one in told.of(name).items()}


def as_told(told: Told) -> list[list[Any]]:
    """What references say and what people override, as JSON."""
    return [
        [list(teller), {name: [list(one.values), one.said, one.version] for name, one in sorted(said.items())}]
        for teller, said in sorted(told.by_ref.items())
    ]


def told_again(document: list[list[Any]]) -> Told:
    """What references said, from JSON."""
    return Told(
        {
            (teller[0], teller[1]): {
                name: Statement(tuple(values), said, version) for name, (values, said, version) in each.items()
            }
            for teller, each in document
        }
    )


def holds(draft: Draft, field: Field, values: tuple[Any, ...]) -> bool:
    """Whether a device has these values, as statements have them."""
    return tuple(statement_value(draft.after.get(column)) for column in field.columns) == tuple(values)
