"""Root fields that are answered by the one statement of a compiled query: what each reads, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import orjson
from graphql import GraphQLObjectType

from connector.api.document import object_type
from connector.api.forms import NotWritten
from connector.api.plan import Plan
from connector.api.ready import NotCompiled
from connector.api.representations import (
    ID,
    MOST_REPRESENTATIONS,
    REPRESENTATIONS,
    Representation,
    grouped,
    representation_of,
)
from connector.api.schema.me import Me
from connector.api.schema.nodes import key_of, parse_global_id
from connector.api.shape import Shape, Shaper, Surroundings
from connector.api.variables import Leaf
from connector.model.errors import InvalidInput
from connector.storage.database.changes import LAST_POSITION
from connector.storage.query import (
    Compare,
    Page,
    PageRead,
    Parameter,
    Read,
    RowsRead,
    ValueRead,
    WrittenPage,
    WrittenRow,
    layout_of,
)

ROOT: Final = "root"
"""Key of a root field's metadata under which it says how it is compiled."""

MOST_NODES = 500


@dataclass(frozen=True, slots=True)
class Root:
    """A root field. shape: makes its value out of the answers of its reads: what JSON can hold, or is written as.

    is_personal: it depends on who asks.
    """

    reads: Sequence[Read]
    shape: Callable[[Sequence[Any], Surroundings], Any]
    is_personal: bool = False


RootPlanner: TypeAlias = Callable[[Plan, Shaper], Root]


def page_root(plan: Plan, shaper: Shaper) -> Root:
    """A connection of an entity."""
    selection, page = plan.page()
    layout = layout_of(selection, page)
    with suppress(NotWritten):
        return Root([WrittenPage(shaper.forms.page(plan.type, plan.nodes, layout, page))], written)
    shape = shaper.page(plan.type, plan.nodes, layout, page)

    def answer(answers: Sequence[Any], around: Surroundings) -> Any:
        ((rows, total),) = answers
        return shape(rows, total, around)

    return Root([PageRead(selection, page)], answer)


def row_root(entity: str, plan: Plan, shaper: Shaper) -> Root:
    """One thing by its id."""
    return _by_key(plan, shaper, plan.document.variables.bound(plan.free("id")["id"], partial(key_of, entity=entity)))


def asset_root(plan: Plan, shaper: Shaper) -> Root:
    """One asset by its id, as it is."""
    if plan.arguments().get("at") is not None:
        raise NotCompiled("what was is worked out from the change log")
    return row_root("asset", plan, shaper)


def named_root(entity: str, column: str, plan: Plan, shaper: Shaper) -> Root:
    """One thing by its id, or by what a column says of it."""
    given = plan.free("id", column)
    id_, text = given.get("id"), given.get(column)
    if (id_ is None) == (text is None):
        raise NotCompiled(f"{entity} needs one of id and {column}")
    if id_ is not None:
        return _by_key(plan, shaper, plan.document.variables.bound(id_, partial(key_of, entity=entity)))
    wanted = plan.document.variables.bound(text, _itself)
    return _only(plan, shaper, Page(size=1, where=Compare(column, "eq", wanted), include_retired=True))


def policy_root(plan: Plan, shaper: Shaper) -> Root:
    """One policy, by its id or version, or the active one."""
    given = plan.arguments()
    if given.get("id") is None and given.get("version") is None:
        return _only(plan, shaper, Page(size=1, where=Compare("is_active", "eq", value=True)))
    return named_root("policy", "version", plan, shaper)


def node_root(plan: Plan, shaper: Shaper) -> Root:
    """Anything by its id."""
    id_ = plan.free("id")["id"]
    if isinstance(id_, Leaf):
        plan.document.variables.note(id_.path, type_named_by)
    name = parse_global_id(id_.value if isinstance(id_, Leaf) else id_)[0]
    key = plan.document.variables.bound(id_, _key_in)
    return _by_key(plan, shaper, key, object_type(plan.document.schema.get_type(name)))


def nodes_root(plan: Plan, shaper: Shaper) -> Root:
    """Many things by their ids."""
    ids = [parse_global_id(text) for text in plan.arguments()["ids"]]
    if len(ids) > MOST_NODES:
        raise NotCompiled("too many ids")
    names = list(dict.fromkeys(name for name, _ in ids))
    reads: list[Read] = []
    shapes: list[Shape] = []
    for name in names:
        type_ = object_type(plan.document.schema.get_type(name))
        selection = plan.selection_of(type_)
        reads.append(RowsRead(selection, tuple(sorted({key for other, key in ids if other == name}))))
        shapes.append(shaper.row(type_, plan.nodes, layout_of(selection)))

    def answer(answers: Sequence[Any], around: Surroundings) -> Any:
        found = {
            (name, shaper.key_of(row)): shape(row, around)
            for name, rows, shape in zip(names, answers, shapes, strict=True)
            for row in rows
        }
        return [found.get(named) for named in ids]

    return Root(reads, answer)


def entities_root(plan: Plan, shaper: Shaper) -> Root:
    """What a gateway of Apollo Federation names by keys: one read for each type and key."""
    given = plan.arguments()[REPRESENTATIONS]
    if len(given) > MOST_REPRESENTATIONS:
        raise too_many_representations(len(given))
    wanted = [representation_of(one) for one in given]
    groups = grouped(wanted)
    reads: list[Read] = []
    shapes: list[tuple[Shape, Callable[[Any], Any]]] = []
    for (name, column), values in groups.items():
        type_ = object_type(plan.document.schema.get_type(name))
        selection, page = plan.selection_of(type_).with_column(column), None
        if column == ID:
            reads.append(RowsRead(selection, tuple(sorted(values))))
        else:
            page = Page(size=len(values), where=Compare(column, "in", values), include_retired=True)
            reads.append(PageRead(selection, page))
        layout = layout_of(selection, page)
        shapes.append((shaper.row(type_, plan.nodes, layout), shaper.column_of(layout, column)))

    def answer(answers: Sequence[Any], around: Surroundings) -> Any:
        found: dict[Representation, Any] = {}
        for (name, column), answered, (shape, key) in zip(groups, answers, shapes, strict=True):
            for row in answered if column == ID else answered[0]:
                found[Representation(name, column, key(row))] = shape(row, around)
        return [found.get(one) for one in wanted]

    return Root(reads, answer)


def too_many_representations(number: int) -> InvalidInput:
    """For more than a gateway may name at once."""
    return InvalidInput(
        f"{number:,} representations are given, {MOST_REPRESENTATIONS:,} are allowed",
        hint="Ask the other subgraph for a smaller page.",
    )


def me_root(plan: Plan, shaper: Shaper) -> Root:
    """Who asks; nothing is read."""
    shape = shaper.value(plan.field.type, plan.nodes)
    return Root([], lambda _answers, around: shape(_me(around), around), is_personal=True)


def _me(around: Surroundings) -> Me:
    context = around.context
    return Me.of(context.principal, context.fields.hidden_fields(context.principal))


def feed_cursor_root(_plan: Plan, _shaper: Shaper) -> Root:
    """Where the feed stands at the moment of the statement."""
    return Root([ValueRead(LAST_POSITION)], lambda answers, _around: str(answers[0]))


def written(answers: Sequence[Any], _around: Surroundings) -> Any:
    """What the database wrote, as it is."""
    (text,) = answers
    return None if text is None else orjson.Fragment(text)


def type_named_by(id_: object) -> str | None:
    """The name of the type that an id, as it was sent, is of; None where it is none."""
    try:
        return parse_global_id(str(id_))[0]
    except InvalidInput:
        return None


def _key_in(id_: str) -> int:
    return parse_global_id(id_)[1]


def _itself(value: Any) -> Any:
    return value


def _by_key(plan: Plan, shaper: Shaper, key: int | Parameter, type_: GraphQLObjectType | None = None) -> Root:
    type_ = type_ or plan.type
    selection = plan.selection_of(type_)
    layout = layout_of(selection)
    with suppress(NotWritten):
        return Root([WrittenRow(selection, key, shaper.forms.row(type_, plan.nodes, layout))], written)
    shape = shaper.row(type_, plan.nodes, layout)

    def answer(answers: Sequence[Any], around: Surroundings) -> Any:
        (rows,) = answers
        return shape(rows[0], around) if rows else None

    return Root([RowsRead(selection, key if isinstance(key, Parameter) else (key,))], answer)


def _only(plan: Plan, shaper: Shaper, page: Page) -> Root:
    selection = plan.selection()
    shape = shaper.row(plan.type, plan.nodes, layout_of(selection, page))

    def answer(answers: Sequence[Any], around: Surroundings) -> Any:
        ((rows, _),) = answers
        if len(rows) > page.size:
            raise NotCompiled("more than one thing has this name")
        return shape(rows[0], around) if rows else None

    return Root([PageRead(selection, page)], answer)
