"""How the Nautobot sandbox answers lists: filters, sorting, pages, with the quirks of the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from connector_nautobot.sandbox_shapes import CHANGE, LOCATION, SHAPES, micros
from connector_nautobot.sandbox_store import Fields, Store, Table

DEFAULT_LIMIT, LARGEST_LIMIT = 50, 1000
GENERAL = frozenset({"limit", "offset", "sort", "depth", "exclude_m2m", "include"})
BOUNDS: dict[str, Callable[[int, int], bool]] = {
    "gte": lambda value, bound: value >= bound,
    "gt": lambda value, bound: value > bound,
    "lte": lambda value, bound: value <= bound,
    "lt": lambda value, bound: value < bound,
}
PLAIN = ("id", "name", "serial", "asset_tag", "model", "content_types", "action", "changed_object_type", "user_name")


class BadFilter(Exception):  # noqa: N818 - says what is wrong
    """The request is answered 400. errors: field to texts."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.errors = {field: [text]}


def limits(params: QueryParams) -> tuple[int, int]:
    """(limit, offset). Unreadable or negative ones are the default, 0 or too large ones the largest, without a word."""
    limit, offset = _whole(params.get("limit"), DEFAULT_LIMIT), _whole(params.get("offset"), 0)
    return (LARGEST_LIMIT if limit == 0 or limit > LARGEST_LIMIT else limit), offset


def select(store: Store, content_type: str, params: QueryParams) -> tuple[int, list[Fields]]:
    """Number of objects that fit, and those of the page asked for. Raises BadFilter."""
    table = store.tables[content_type]
    limit, offset = limits(params)
    names = [name for name in dict.fromkeys(params.keys()) if name not in GENERAL]
    sort = params.get("sort", "")
    if not SHAPES[content_type].has_time_filters:
        _refuse_times(names)
    if names in ([], [f"{table.order}__gte"]) and sort.startswith(table.order):
        start = table.since(_moment(names[0], params[names[0]])) if names else 0
        page = table.index[start + offset : start + offset + limit]
        return len(table.index) - start, [table.rows[external_id] for _, external_id in page]
    rows: Iterable[Fields] = _candidates(table, params)
    for name in names:
        rows = _filtered(store, content_type, table, rows, name, params.getlist(name))
    found = list(rows)
    keys = [key.strip() for key in sort.split(",") if key.strip()] or [SHAPES[content_type].label]
    for key in reversed(keys):
        found.sort(key=partial(_sort_key, key.lstrip("-")), reverse=key.startswith("-"))
    return len(found), found[offset : offset + limit]


def neighbours(url: str, params: QueryParams, count: int) -> tuple[str | None, str | None]:
    """The links `next` and `previous`; their host is the one that the client named."""
    limit, offset = limits(params)
    others = [(name, value) for name, value in params.multi_items() if name not in ("limit", "offset")]

    def link(start: int) -> str:
        place = [("offset", start)] if start else []
        return f"{url}?{urlencode(sorted([*others, ('limit', limit), *place], key=lambda pair: str(pair[0])))}"

    following = link(offset + limit) if offset + limit < count else None
    return following, (link(max(0, offset - limit)) if offset > 0 else None)


def _candidates(table: Table, params: QueryParams) -> Iterable[Fields]:
    ids = params.getlist("id")
    if ids:
        return [table.rows[external_id] for external_id in dict.fromkeys(ids) if external_id in table.rows]
    return table.rows.values()


def _filtered(
    store: Store, content_type: str, table: Table, rows: Iterable[Fields], name: str, values: list[str]
) -> Iterable[Fields]:
    field, _, bound = name.partition("__")
    shape = SHAPES[content_type]
    if name == "last_updated__isnull" and content_type != CHANGE:
        return (row for row in rows if values[-1].lower() != "true")
    if field == table.order or (field == "created" and content_type != CHANGE):
        at = _moment(name, values[-1])
        compare = BOUNDS.get(bound) if bound else (lambda value, wanted: value == wanted)
        if compare is not None:
            return (row for row in rows if compare(row[field], at))
    if field in shape.refs and not bound:
        wanted = {_choice(store, name, shape.refs[field], value) for value in values}
        if content_type != LOCATION and shape.refs[field] == LOCATION:
            wanted = _with_descendants(store, wanted)
        return (row for row in rows if row.get(field) in wanted)
    if field in PLAIN and not bound and (field in shape.blank or field == "id" or content_type == CHANGE):
        if content_type == CHANGE and field in ("action", "changed_object_type"):
            values = values[-1:]
        return (row for row in rows if _has(row.get(field, shape.blank.get(field)), values))
    raise BadFilter(name, "Unknown filter field")


def _refuse_times(names: Iterable[str]) -> None:
    for name in names:
        if name.partition("__")[0] in ("created", "last_updated"):
            raise BadFilter(name, "Unknown filter field")


def _has(value: object, wanted: list[str]) -> bool:
    if isinstance(value, list):
        return all(text in value for text in wanted)
    return (value["value"] if isinstance(value, dict) else value) in wanted


def _choice(store: Store, name: str, content_type: str, value: str) -> str:
    rows = store.tables[content_type].rows
    if value in rows:
        return value
    for external_id, row in rows.items():
        if row.get(SHAPES[content_type].label) == value:
            return external_id
    raise BadFilter(name, f"Select a valid choice. {value} is not one of the available choices.")


def _with_descendants(store: Store, roots: set[str]) -> set[str]:
    found, level = set(roots), set(roots)
    while level:
        level = {row["id"] for row in store.tables[LOCATION].rows.values() if row.get("parent") in level} - found
        found |= level
    return found


def _moment(name: str, text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadFilter(name, "Enter a valid date/time.") from None
    return micros(at if at.tzinfo else at.astimezone())


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdigit() else default


def _sort_key(name: str, row: Fields) -> tuple[bool, str | int]:
    """Nothing comes last, as in PostgreSQL; what cannot be compared is sorted as text."""
    value = row.get(name)
    return value is None, value if isinstance(value, int | str) else str(value)
