"""Speaks Microsoft Graph: lists by nextLink, several requests in one, references, and errors with their request-id."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import httpx

from connector.sdk import (
    AuthError,
    ClientCredentials,
    Clock,
    Invalid,
    RateLimited,
    SourceClient,
    SourceRef,
    Transient,
    UnexpectedResponse,
)
from connector.sdk.answers import json_list, json_object, said
from connector_intune.config import IntuneConfig

Row: TypeAlias = dict[str, Any]
SYSTEM = "Microsoft Graph"
VERSION = "v1.0"
MOST_IN_BATCH = 20
"""Requests that one request may carry. Source: https://learn.microsoft.com/en-us/graph/json-batching"""
NEEDED = "Check that the app registration has the application permissions of the adapter's README, with admin consent."


@dataclass(frozen=True, slots=True)
class Part:
    """What became of one of several requests that went together. body: None where there is no such thing."""

    asked: str
    body: Row | None


class Graph:
    """Requests of one source, with a token that is renewed once when it is refused."""

    def __init__(self, config: IntuneConfig, http: SourceClient, clock: Clock) -> None:
        self._http = http
        self._root = config.root()
        self._tokens = ClientCredentials(
            http, clock, url=config.token_url(),
            form={
                "client_id": config.client_id, "client_secret": config.client_secret.get_secret_value(),
                "scope": f"{self._root}/.default",
            },
            hint="Check tenant, client_id and client_secret; a secret ends after two years at the latest.",
        )  # fmt: skip

    async def pages(
        self, path: str, params: Mapping[str, str], operation: str, *, link: str | None = None
    ) -> AsyncGenerator[tuple[list[Row], str | None], None]:
        """Pages of a list, each with where the list goes on; from a link that was kept, if there is one.

        A page may be short or empty and not be the last one: only a missing link ends a list. Raises Invalid or
        NotFound where a kept link is no longer taken.
        """
        passed = link
        while True:
            address, query = _parts(link) if link else (self._path(path), list(params.items()))
            body = await self._json("GET", address, operation, params=query)
            following = body.get("@odata.nextLink")
            if following is not None and (not isinstance(following, str) or following == passed):
                raise UnexpectedResponse(
                    f"{operation}: the list goes on at {following!r:.200}, where it was already", operation=operation
                )
            yield _rows(body, operation), following
            if following is None:
                return
            link = passed = following

    async def one(self, path: str, params: Mapping[str, str], operation: str, ref: SourceRef | None = None) -> Row:
        """One object. Raises NotFound."""
        return await self._json("GET", self._path(path), operation, params=list(params.items()), ref=ref)

    async def together(self, paths: Sequence[str], operation: str) -> AsyncGenerator[list[Part], None]:
        """What is at each path, 20 in a request. A path carries its query.

        One that is throttled, refused or out of order is raised as if it had been asked for by itself.
        """
        for start in range(0, len(paths), MOST_IN_BATCH):
            yield await self._together(paths[start : start + MOST_IN_BATCH], operation)

    async def change(
        self, method: str, path: str, operation: str, ref: SourceRef, body: Mapping[str, object] | None = None
    ) -> None:
        """Write. Raises Invalid with Graph's own words."""

        async def send(proof: dict[str, str]) -> httpx.Response:
            return await self._http.request(
                method, self._path(path), operation=operation, json=body, headers=proof, ref=ref
            )

        try:
            await self._tokens.sent(send)
        except Invalid as error:
            raise refused(error) from None

    def reference(self, path: str) -> dict[str, object]:
        """An object, as it is referred to in what is written."""
        return {"@odata.id": f"{self._root}/{self._path(path)}"}

    def _path(self, path: str) -> str:
        return f"{VERSION}/{path}"

    async def _json(
        self, method: str, path: str, operation: str, *, params: Sequence[tuple[str, str]] = (), json: object = None,
        ref: SourceRef | None = None,
    ) -> Row:  # fmt: skip
        async def send(proof: dict[str, str]) -> httpx.Response:
            headers = {"Accept": "application/json", **proof}
            return await self._http.request(
                method, path, operation=operation, params=list(params), json=json, headers=headers, ref=ref, reads=True
            )

        try:
            response = await self._tokens.sent(send)
        except Invalid as error:
            raise refused(error) from None
        except AuthError as error:
            raise denied(error) from None
        return json_object(self._http.json(response, operation=operation), operation, ref=ref)

    async def _together(self, paths: Sequence[str], operation: str) -> list[Part]:
        asked = [{"id": str(number), "method": "GET", "url": f"/{path}"} for number, path in enumerate(paths)]

        async def send(proof: dict[str, str]) -> list[Part]:
            response = await self._http.request(
                "POST", self._path("$batch"), operation=operation, json={"requests": asked}, headers=proof, reads=True
            )
            answers = json_list(self._http.json(response, operation=operation), "responses", operation)
            return _answered(paths, answers, operation)

        try:
            return await self._tokens.sent(send)
        except Invalid as error:
            raise refused(error) from None
        except AuthError as error:
            raise denied(error) from None


def words(body: object) -> tuple[str, str, str]:
    """Code, message and request-id of an error body; empty where there is none."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", "", ""
    inner = error.get("innerError") or error.get("innererror")
    number = inner.get("request-id") if isinstance(inner, dict) else None
    return str(error.get("code") or "")[:100], str(error.get("message") or "")[:400], str(number or "")[:50]


def refused(error: Invalid) -> Invalid:
    """The same refusal in Graph's words, with the number by which Microsoft's support finds it."""
    code, message, number = words(said(error))
    if not code and not message:
        return error
    return Invalid(
        f"{SYSTEM} refuses to {error.operation}: {_told(code, message, number)}", fields={code or "error": message},
        operation=error.operation, ref=error.ref, hint=error.hint, detail=error.detail,
    )  # fmt: skip


def denied(error: AuthError) -> AuthError:
    """The same in Graph's words: what is missing is most often a permission."""
    code, message, number = words(said(error))
    if not code and not message:
        return error
    return AuthError(
        f"{SYSTEM} does not let the app {error.operation}: {_told(code, message, number)}",
        operation=error.operation, ref=error.ref, hint=NEEDED, detail=error.detail,
    )  # fmt: skip


def _told(code: str, message: str, number: str) -> str:
    return f"{code}: {message}" + (f" (request-id {number})" if number else "")


def _parts(link: str) -> tuple[str, list[tuple[str, str]]]:
    """The address of a link, and its query."""
    query = urlsplit(link).query
    return link.removesuffix(f"?{query}"), parse_qsl(query, keep_blank_values=True)


def _rows(body: Row, operation: str) -> list[Row]:
    rows = json_list(body, "value", operation)
    if not all(isinstance(row, dict) for row in rows):
        raise UnexpectedResponse(f"the answer to {operation} is no list of objects", operation=operation)
    return rows


def _answered(paths: Sequence[str], answers: Sequence[object], operation: str) -> list[Part]:
    """Each path with its answer, which come in any order. Raises what the worst of them calls for."""
    found: dict[str, Mapping[str, Any]] = {
        str(answer.get("id")): answer for answer in answers if isinstance(answer, dict)
    }
    parts: list[Part] = []
    limited: list[timedelta | None] = []
    failures: list[int] = []
    for number, path in enumerate(paths):
        answer = found.get(str(number), {})
        status, body = answer.get("status"), answer.get("body")
        told = f"{operation}: {SYSTEM} answers {status} within a batch: {_told(*words(body))}"
        if status == 200 and isinstance(body, dict):
            parts.append(Part(path, body))
        elif status in (404, 410):
            parts.append(Part(path, None))
        elif status in (401, 403):
            raise AuthError(told, operation=operation, hint=NEEDED)
        elif status == 429 or (status == 503 and _wait(answer.get("headers")) is not None):
            limited.append(_wait(answer.get("headers")))
        elif isinstance(status, int) and status >= 500:
            failures.append(status)
        elif status == 400:
            raise Invalid(told, operation=operation)
        else:
            raise UnexpectedResponse(told, operation=operation)
    if limited:
        waits = [wait for wait in limited if wait is not None]
        raise RateLimited(
            f"{operation}: {SYSTEM} throttles {len(limited)} of {len(paths)} requests of a batch",
            retry_after=max(waits, default=None), operation=operation,
        )  # fmt: skip
    if failures:
        raise Transient(f"{operation}: {SYSTEM} answers {failures[0]} within a batch", operation=operation)
    return parts


def _wait(headers: object) -> timedelta | None:
    """Seconds that an answer within a batch asks to wait."""
    told = {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, dict) else {}
    try:
        return timedelta(seconds=max(0, int(str(told.get("retry-after")))))
    except (ValueError, OverflowError):
        return None
