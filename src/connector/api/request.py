"""A GraphQL request as HTTP carries it: what is taken, and what is said about the rest.

After "GraphQL over HTTP" of the GraphQL working group: queries by GET, everything but subscriptions by POST with a JSON
body. A request that gets as far as the schema is none of the errors here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import orjson
from starlette.datastructures import Headers, QueryParams

from connector.model.errors import InvalidInput

LONGEST_QUERY_STRING = 32 * 1024
"""Bytes of what follows the `?` of an address. Proxies on the way often allow 8 KiB."""

_SHAPE = 'Send {"query": "{ ... }", "variables": {...}, "operationName": "..."}; only "query" has to be there.'
_NAMED = 'Send {"documentId": "sha256:..."}, or the name of a published operation.'
_PERSISTED = 'Send {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "..."}}}.'
DEEPEST_VALUE = 100
"""Lists and objects within each other in variables and extensions; a filter as deep as may be needs half of it."""

_TEXTS = frozenset({"query", "documentId", "operationName"})
_SHA_256 = re.compile(r"[0-9a-fA-F]{64}")
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})
_KNOWN = 100
"""Values of headers that are remembered."""


class BadRequest(InvalidInput):
    """The request is no GraphQL request. headers: what the answer says beside its body."""

    code = "BAD_REQUEST"
    status: ClassVar[int] = 400
    headers: ClassVar[Mapping[str, str]] = {}


class MethodNotAllowed(BadRequest):
    """The endpoint does not take the method."""

    code = "METHOD_NOT_ALLOWED"
    status = 405
    headers: ClassVar[Mapping[str, str]] = {"Allow": "GET, HEAD, POST"}


class NotByGet(MethodNotAllowed):
    """What changes something does not go by GET."""

    headers: ClassVar[Mapping[str, str]] = {"Allow": "POST"}


class AddressTooLong(BadRequest):
    """A query in an address has a limit of its own."""

    code = "TOO_LARGE"
    status = 414


class UnsupportedMediaType(BadRequest):
    """The body is in no form that the endpoint reads."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415
    headers: ClassVar[Mapping[str, str]] = {"Accept-Post": "application/json"}


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What is to be run. query: "" while only its name is known.

    document: its name (`connector.api.documents`). is_automatic: named as Apollo's automatic persisted queries are.
    """

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None
    document: str | None = None
    is_automatic: bool = False


def asks(parameters: QueryParams) -> bool:
    """Whether an address holds a request at all."""
    return any(name in parameters for name in ("query", "documentId", "extensions"))


def read_address(parameters: QueryParams, length: int) -> GraphQLRequest:
    """The request that an address holds. length: bytes of its query string. Raises BadRequest."""
    if length > LONGEST_QUERY_STRING:
        raise AddressTooLong(
            f"the query string has {length:,} bytes, {LONGEST_QUERY_STRING:,} are allowed", hint="Send it by POST."
        )
    given: dict[str, object] = {}
    for name in ("query", "documentId", "operationName", "variables", "extensions"):
        values = parameters.getlist(name)
        if len(values) > 1:
            raise BadRequest(f"{name!r} is in the address {len(values)} times, once is allowed")
        if values and values[0]:
            given[name] = values[0] if name in _TEXTS else _json(values[0].encode(), name)
    return request_of(given)


def read_body(headers: Headers, body: bytes) -> GraphQLRequest:
    """The request that a body holds. Raises BadRequest."""
    check_form(headers.get("content-type", ""), headers.get("content-encoding", "identity"))
    return read_json(body)


def read_json(body: bytes) -> GraphQLRequest:
    """The request that is written as JSON. Raises BadRequest."""
    if not body:
        raise BadRequest("the body is empty", hint=_SHAPE)
    given = _json(body, "the body")
    if isinstance(given, list):
        raise BadRequest(
            "the body is a list of operations, one at a time is taken",
            hint="Ask for several fields in one operation, or send several requests over one connection.",
        )
    if not isinstance(given, dict):
        raise BadRequest(f"the body is {_kind(given)}, not an object", hint=_SHAPE)
    return request_of(given)


@lru_cache(_KNOWN)
def check_form(content_type: str, encoding: str) -> None:
    """Raises UnsupportedMediaType for the headers of a body that is not read."""
    essence, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if essence != "application/json":
        what = f"content type {essence!r} is not read" if essence else "the request does not say what its body is"
        raise UnsupportedMediaType(what, hint="Send JSON, with the header 'Content-Type: application/json'.")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in _UTF_8:
            raise UnsupportedMediaType(f"charset {value.strip()!r} is not read", hint="JSON is UTF-8.")
    if encoding.strip().lower() != "identity":
        raise UnsupportedMediaType(f"content encoding {encoding!r} is not read", hint="Send the body as it is.")


def _json(text: bytes, what: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{what} is no JSON: {error}", hint=_SHAPE) from error


def names_document(given: Mapping[str, object]) -> bool:
    """Whether a request says which document it means, instead of sending it or beside."""
    extensions = given.get("extensions")
    return "documentId" in given or (isinstance(extensions, dict) and "persistedQuery" in extensions)


def request_of(given: Mapping[str, object]) -> GraphQLRequest:
    """The request that an object holds. Raises BadRequest."""
    query = given.get("query")
    extensions = _object(given, "extensions")
    document, automatic = _document_id(given), _automatic(extensions)
    if document and (automatic or query is not None):
        raise BadRequest("'documentId' is not the only document of the request", hint="Send it without 'query'.")
    if query is None and (document or automatic):
        query = ""
    elif query is None:
        raise BadRequest(f"the request has no 'query'{_instead(given)}", hint=_SHAPE)
    if not isinstance(query, str):
        raise BadRequest(f"'query' is {_kind(query)}, not a string", hint=_SHAPE)
    if not query and not document and not automatic:
        raise BadRequest("'query' is empty", hint=_SHAPE)
    operation_name = given.get("operationName")
    if not isinstance(operation_name, str | None):
        raise BadRequest(f"'operationName' is {_kind(operation_name)}, not a string", hint=_SHAPE)
    return GraphQLRequest(
        query,
        _object(given, "variables"),
        operation_name or None,
        extensions,
        document or automatic,
        is_automatic=automatic is not None,
    )


def _document_id(given: Mapping[str, object]) -> str | None:
    document = given.get("documentId")
    if not isinstance(document, str | None):
        raise BadRequest(f"'documentId' is {_kind(document)}, not a string", hint=_NAMED)
    return document or None


def _automatic(extensions: Mapping[str, Any] | None) -> str | None:
    """The name of the document whose hash Apollo's clients send."""
    persisted = (extensions or {}).get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict) or persisted.get("version") != 1:
        raise BadRequest("'extensions.persistedQuery' has not version 1", hint=_PERSISTED)
    digits = persisted.get("sha256Hash")
    if not isinstance(digits, str) or not _SHA_256.fullmatch(digits):
        raise BadRequest("'extensions.persistedQuery.sha256Hash' is no SHA-256 in hexadecimal digits", hint=_PERSISTED)
    return f"sha256:{digits.lower()}"


def _object(given: Mapping[str, object], name: str) -> dict[str, Any] | None:
    value = given.get(name)
    if value is not None and not isinstance(value, dict):
        raise BadRequest(f"{name!r} is {_kind(value)}, not an object", hint=_SHAPE)
    check_depth(name, value)
    return value


def check_depth(name: str, value: object) -> None:
    """Raises BadRequest for a JSON value in which more is within each other than anything of the hub goes through."""
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, list | dict)]:
        depth += 1
        if depth > DEEPEST_VALUE:
            raise BadRequest(
                f"{name!r} is nested more than {DEEPEST_VALUE} levels deep",
                hint="No argument of the schema takes what is nested like that.",
            )
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]


def _instead(given: Mapping[str, object]) -> str:
    return f", it has {', '.join(repr(name) for name in list(given)[:5])}" if given else ""


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
