"""What belongs together in a document: looked at as it was written, so that one mistake hides no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from connector.sdk.facts.kinds import KINDS, STREAM_OF, Form, Target

Location: TypeAlias = tuple[str | int, ...]
Finding: TypeAlias = tuple[Location, str]


def record_of(name: str, rows: Mapping[str, Any]) -> object:
    """The record that rows become, by their own word or by the name of their part of the document."""
    return rows.get("record", STREAM_OF.get(name))


def row_findings(name: str, rows: Mapping[str, Any]) -> Iterator[Finding]:
    """What does not fit together in what is said of rows, with its place within it."""
    record = record_of(name, rows)
    kind = KINDS.get(record) if isinstance(record, str) else None
    if kind is None:
        said = f"record {record!r} is unknown" if "record" in rows else f"does not say of which record {name!r} is"
        yield (("record",) if "record" in rows else ()), f"{said}: write `record:` with one of {', '.join(KINDS)}"
        return
    fields = table_of(rows, "fields")
    for field, facts in fields.items():
        yield from ((("fields", field, *rest), text) for rest, text in _field(field, facts, kind.targets))
    for choice in kind.needs:
        if not any(field in fields for field in choice):
            yield ("fields",), f"a {record} needs {' or '.join(f'`{field}`' for field in choice)}"


def table_of(content: Mapping[str, Any], key: str) -> dict[Any, Any]:
    """What stands there, where it is a table."""
    found = content.get(key)
    return found if isinstance(found, dict) else {}


def _field(name: object, facts: object, targets: Mapping[str, Target]) -> Iterator[Finding]:
    target = targets.get(str(name))
    if target is None:
        close = get_close_matches(str(name), targets, n=1)
        meant = f"did you mean `{close[0]}`? " if close else ""
        yield (), f"there is no field {name!r}: {meant}there are {', '.join(targets)}"
        return
    if isinstance(facts, str):
        return
    table = facts if isinstance(facts, dict) else {}
    if ("path" in table) == ("value" in table):
        yield (), "needs either `path`, a place in the row, or `value`, the same for all rows"
    if "factor" in table and target.form not in (Form.WHOLE, Form.DECIMAL):
        yield ("factor",), f"is for numbers, and {name!r} is a {target.form}"
    if "otherwise" in table and "values" not in table:
        yield ("otherwise",), "is for what `values` does not list, and there is no `values`"
    if target.words:
        given: list[tuple[Location, Any]] = [(("value",), table.get("value")), (("otherwise",), table.get("otherwise"))]
        given += [(("values", theirs), ours) for theirs, ours in table_of(table, "values").items()]
        for where, word in given:
            if word is not None and str(word) not in target.words:
                yield where, f"{word!r} is none of {', '.join(target.words)}"
