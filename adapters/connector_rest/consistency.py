"""What belongs together in a document: looked at as it was written, so that one mistake hides no other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connector.sdk.facts import Finding, Location, row_findings, table_of
from connector_rest.templates import body_gaps, gaps

GAPS = {
    "add_note": ("ticket", "key", "body", "is_public"),
    "set_state": ("ticket", "key", "state"),
    "set_fields": ("ticket", "key", "fields"),
}
"""What an operation fills."""
CONTENT = {"add_note": "body", "set_state": "state", "set_fields": "fields"}
SECRETS = re.compile(
    r"(^|[_\-.])(authorization|cookie|token|secret|password|passphrase|api[_-]?key|apikey|credential)s?($|[_\-])", re.I
)


def findings(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that does not fit together, with its place."""
    yield from _auth(table_of(content, "auth"))
    for where, name in (("headers",), "header"), (("auth", "params"), "parameter"):
        yield from _open_secrets(where, _deep(content, where), name)
    streams, writes = table_of(content, "streams"), table_of(content, "writes")
    if not streams:
        yield ("streams",), "there is none: describe at least one list, such as `tickets`"
    for name, stream in streams.items():
        if isinstance(stream, dict):
            at: Location = ("streams", name)
            yield from ((at + rest, text) for rest, text in _stream(str(name), stream))
    for name, write in writes.items():
        if isinstance(write, dict) and name in GAPS:
            at = ("writes", name)
            yield from ((at + rest, text) for rest, text in _write(str(name), write))


def _auth(auth: Mapping[str, Any]) -> Iterator[Finding]:
    kind = auth.get("kind")
    needed = {"header": "name", "query": "name", "oauth2": "token_url"}
    if (key := needed.get(str(kind))) and not auth.get(key):
        yield ("auth",), f"kind {kind} needs `{key}`"
    allowed = {
        "header": {"name", "prefix"}, "query": {"name"}, "oauth2": {"token_url", "scope", "params", "client"},
    }.get(str(kind), set())  # fmt: skip
    for key in auth.keys() & {"name", "prefix", "token_url", "scope", "params", "client"}:
        if key not in allowed:
            yield ("auth", key), f"means nothing with kind {kind}"


def _open_secrets(where: Location, table: object, what: str) -> Iterator[Finding]:
    for key in table if isinstance(table, dict) else ():
        if isinstance(key, str) and SECRETS.search(key):
            yield (
                (*where, key),
                f"{what} {key!r} is named like a secret: say it by `auth`, and put it into the settings",
            )


def _stream(name: str, stream: Mapping[str, Any]) -> Iterator[Finding]:
    yield from row_findings(name, stream)
    yield from _pages(table_of(stream, "pages"), ("pages",))
    yield from _open_secrets(("params",), stream.get("params"), "parameter")
    changes = stream.get("changes")
    if changes is not None and stream.get("complete"):
        yield ("complete",), "a list of changes never shows everything: remove `complete` or `changes`"
    if changes is not None and not stream.get("updated_at"):
        yield ("changes",), "needs `updated_at`: where a row has the time by which the list is asked"
    if isinstance(changes, dict):
        yield from _time_value(changes)
        if changes.get("param") in table_of(stream, "params"):
            yield ("changes", "param"), f"{changes['param']!r} is under `params` as well: it can have one value"


def _time_value(changes: Mapping[str, Any]) -> Iterator[Finding]:
    value = changes.get("value", "{time}")
    if isinstance(value, str):
        named = _gaps_of(gaps, value)
        if named is not None and named != {"time"}:
            yield ("changes", "value"), "must have the gap {time} and no other"


def _pages(pages: Mapping[str, Any], at: Location) -> Iterator[Finding]:
    kind = pages.get("kind")
    takes = {
        "none": set(), "offset": {"param", "total", "more"}, "page": {"param", "first", "total", "more", "steady"},
        "cursor": {"param", "cursor", "more", "steady"}, "link": {"steady"},
    }.get(str(kind))  # fmt: skip
    if takes is None:
        return
    needs = {"offset": ("param",), "page": ("param",), "cursor": ("param", "cursor")}.get(str(kind), ())
    for key in needs:
        if key not in pages:
            yield at, f"kind {kind} needs `{key}`"
    for key in pages.keys() - {"kind", "size", "limit"} - takes:
        if key in ("param", "first", "cursor", "total", "more", "steady"):
            yield (*at, key), f"means nothing with kind {kind}"


def _write(name: str, write: Mapping[str, Any]) -> Iterator[Finding]:
    allowed = set(GAPS[name])
    find = write.get("find")
    asked = {"find": find, "if_match": write.get("if_match")}
    places: list[tuple[Location, Any, Any]] = [
        (("path",), gaps, write.get("path")),
        (("body",), body_gaps, write.get("body")),
    ]
    places += [(("params", key), gaps, value) for key, value in table_of(write, "params").items()]
    for what, table in asked.items():
        if isinstance(table, dict):
            places += [((what, "path"), gaps, table.get("path"))]
            places += [((what, "params", key), gaps, value) for key, value in table_of(table, "params").items()]
    used: set[str] = set()
    for where, read, template in places:
        named = _gaps_of(read, template) if template is not None else set()
        if where[0] in ("path", "body", "params"):
            used |= named or set()
        for gap in sorted((named or set()) - allowed):
            yield where, f"there is no {{{gap}}}: {name} fills {', '.join(f'{{{each}}}' for each in GAPS[name])}"
    if "ticket" not in used:
        yield (), "names no ticket: put {ticket} into `path`, `params` or `body`"
    if CONTENT[name] not in used:
        yield (), f"sends nothing of what is to be written: put {{{CONTENT[name]}}} into `body`"
    for gap in table_of(write, "values"):
        if gap not in allowed - {"ticket", "key", "body", "fields"}:
            yield ("values", gap), "is for {state} of set_state and {is_public} of add_note"
    if find is None and not write.get("idempotency_header"):
        yield (), "may happen twice: name `idempotency_header`, or `find`, how an earlier attempt is looked up"
    if isinstance(find, dict):
        yield from ((("find", *rest), text) for rest, text in _find(name, find, used))


def _find(name: str, find: Mapping[str, Any], used: set[str]) -> Iterator[Finding]:
    wanted: Iterable[str] = ("rows", "key") if name == "add_note" else ("value",)
    for key in wanted:
        if key not in find:
            yield (), f"of {name} needs `{key}`"
    strangers = {"value"} if name == "add_note" else {"rows", "key", "id", "pages"}
    for key in find.keys() & strangers:
        yield (key,), f"means nothing for {name}"
    if name == "add_note" and "key" not in used:
        yield (), "cannot find a note that does not carry its key: put {key} into the body"
    yield from _pages(table_of(find, "pages"), ("pages",))


def _gaps_of(read: Any, template: Any) -> set[str] | None:
    """The gaps of a template; None where it is none, which its own check says."""
    try:
        return set(read(template))
    except (ValueError, TypeError):
        return None


def _deep(content: Mapping[str, Any], where: Iterable[str]) -> object:
    found: object = content
    for key in where:
        found = found.get(key) if isinstance(found, dict) else None
    return found
