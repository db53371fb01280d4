"""How the NetBox sandbox answers lists: filters, ordering, pages, with the quirks of the real one.

A filter that it does not know is passed over, and so is an ordering; a row without a time fits no bound of times; a tag
or location that does not exist is refused; `limit` is cut to MAX_PAGE_SIZE without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from connector_netbox.sandbox_shapes import CHANGE, DEVICE, GROUP, LOCATION, SHAPES, SITE, TAG, Fields, Tables, micros

DEFAULT_LIMIT = 50
BOUNDS: dict[str, Callable[[int, int], bool]] = {
    "exact": lambda value, wanted: value == wanted,
    "gte": lambda value, bound: value >= bound,
    "gt": lambda value, bound: value > bound,
    "lte": lambda value, bound: value <= bound,
    "lt": lambda value, bound: value < bound,
}
DISTINCTIVE = ("name", "slug", "asset_tag", "model", "status")
NO_CHOICE = "Select a valid choice. {} is not one of the available choices."


class BadRequest(Exception):  # noqa: N818 - says what is wrong
    """The request is answered 400 with this body."""

    def __init__(self, body: object) -> None:
        super().__init__(str(body))
        self.body = body


def page_of(
    tables: Tables, object_type: str, params: QueryParams, url: str, *, largest: int, has_start: bool
) -> tuple[Fields, list[Fields]]:
    """The frame of a page, without its results, and the rows in it. Raises BadRequest."""
    limit, offset = _limit(params, largest), _whole(params.get("offset"), 0)
    rows: Iterable[Fields] = tables[object_type].values()
    for name in dict.fromkeys(params.keys()):
        values = params.getlist(name)
        if name == "changed_object_type" and not has_start:
            values = values[-1:]  # takes several kinds since 4.6
        rows = _filtered(tables, object_type, rows, name, values)
    found = list(rows)
    if has_start and "start" in params:
        return _from_start(found, params, url, limit)
    _sort(object_type, found, params.get("ordering", ""))
    following = url_with(url, params, limit=limit, offset=offset + limit) if offset + limit < len(found) else None
    previous = url_with(url, params, limit=limit, offset=max(0, offset - limit)) if offset else None
    return {"count": len(found), "next": following, "previous": previous}, found[offset : offset + limit]


def _from_start(found: list[Fields], params: QueryParams, url: str, limit: int) -> tuple[Fields, list[Fields]]:
    if "offset" in params:
        raise BadRequest(["'start' and 'offset' are mutually exclusive."])
    if "ordering" in params:
        raise BadRequest(["Ordering cannot be specified in conjunction with cursor-based pagination."])
    text = params["start"]
    if not text.isdigit():
        raise BadRequest(["Invalid 'start' parameter: must be a non-negative integer."])
    rows = sorted((row for row in found if row["id"] >= int(text)), key=lambda row: int(row["id"]))[:limit]
    following = url_with(url, params, start=rows[-1]["id"] + 1, limit=limit) if len(rows) == limit else None
    return {"count": None, "next": following, "previous": None}, rows


def url_with(url: str, params: QueryParams, **changed: int) -> str:
    """The address with other limits."""
    pairs = [(name, value) for name, value in params.multi_items() if name not in changed]
    return f"{url}?{urlencode([*pairs, *((name, str(value)) for name, value in changed.items())])}"


def _filtered(
    tables: Tables, object_type: str, rows: Iterable[Fields], name: str, values: list[str]
) -> Iterable[Fields]:
    field, _, bound = name.partition("__")
    if object_type == CHANGE:
        return _changes(rows, name, values)
    if field == "id":
        compare = BOUNDS.get(bound, BOUNDS["exact"])
        numbers = [_number(name, value) for value in values]
        return [row for row in rows if any(compare(row["id"], number) for number in numbers)]
    if field in ("last_updated", "created"):
        compare = BOUNDS.get(bound, BOUNDS["exact"])
        times = [_moment(name, value) for value in values]
        return [row for row in rows if row[field] is not None and any(compare(row[field], at) for at in times)]
    if name == "tag" and "tags" in SHAPES[object_type].blank:
        wanted = [_known(tables, TAG, name, value)["slug"] for value in values]
        return [row for row in rows if set(wanted) <= set(row.get("tags", []))]
    if name == "group" and object_type == SITE:
        groups = _tree(tables, GROUP, [_known(tables, GROUP, name, value)["id"] for value in values])
        return [row for row in rows if row.get("group") in groups]
    if (name, object_type) in (("ancestor_id", LOCATION), ("location_id", DEVICE)):
        field = "parent" if object_type == LOCATION else "location"
        places = _tree(tables, LOCATION, [_known(tables, LOCATION, name, value)["id"] for value in values])
        return [row for row in rows if row.get(field) in places]
    if name == "serial" and object_type == DEVICE:
        return [row for row in rows if row.get("serial", "").lower() in [value.lower() for value in values]]
    if name in DISTINCTIVE and name in SHAPES[object_type].blank:
        return [row for row in rows if row.get(name, SHAPES[object_type].blank[name]) in values]
    return rows


def _changes(rows: Iterable[Fields], name: str, values: list[str]) -> Iterable[Fields]:
    if name in ("time_after", "time_before"):
        compare = BOUNDS["gte" if name == "time_after" else "lte"]
        return [row for row in rows if compare(row["time"], _moment(name, values[-1]))]
    if name in ("action", "changed_object_type", "changed_object_id"):
        return [row for row in rows if str(row[name]) in values]
    return rows


def _known(tables: Tables, object_type: str, name: str, value: str) -> Fields:
    key = "id" if name.endswith("_id") else "slug"
    for row in tables[object_type].values():
        if str(row[key]) == value:
            return row
    raise BadRequest({name: [NO_CHOICE.format(value)]})


def _tree(tables: Tables, object_type: str, roots: list[int]) -> set[int]:
    found, level = set(roots), set(roots)
    while level:
        level = {row["id"] for row in tables[object_type].values() if row.get("parent") in level} - found
        found |= level
    return found


def _sort(object_type: str, found: list[Fields], ordering: str) -> None:
    """By fields that exist; by default by name, in which ties have no order of their own, or the newest change."""
    known = {"id", "time", "created", "last_updated", *SHAPES[object_type].blank}
    keys = [key for key in ordering.split(",") if key.lstrip("-") in known]
    for key in reversed(keys or (["-time"] if object_type == CHANGE else [SHAPES[object_type].label])):
        found.sort(key=partial(_sort_key, key.lstrip("-")), reverse=key.startswith("-"))


def _sort_key(name: str, row: Fields) -> tuple[bool, int | str]:
    """Nothing is the largest, as in PostgreSQL: last in rising order, first in falling order."""
    value = row.get(name)
    return value is None, value if isinstance(value, int | str) else str(value)


def _limit(params: QueryParams, largest: int) -> int:
    text = params.get("limit", "")
    asked = int(text) if text.isdigit() else DEFAULT_LIMIT
    return min(asked or largest, largest)


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdigit() else default


def _number(name: str, text: str) -> int:
    if not text.lstrip("-").isdigit():
        raise BadRequest({name: ["Enter a whole number."]})
    return int(text)


def _moment(name: str, text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest({name: ["Enter a valid date/time."]}) from None
    return micros(at if at.tzinfo else at.astimezone())
