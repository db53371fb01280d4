"""iTop's REST/JSON services: one address, one form field, and an answer with a code of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from connector.sdk import OutcomeUnknown, SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.answers import COMPARE, json_object
from connector.sdk.rest import ListedRow
from connector_itop.config import ItopConfig
from connector_itop.refusals import OK, NoSuchAttribute, refusal
from connector_itop.words import SYSTEM

PATH: Final = "webservices/rest.php"
FOUND: Final = re.compile(r"Found: (\d+)")
LONGEST_COMMENT: Final = 255


@dataclass(frozen=True, slots=True)
class Found:
    """Objects that fit a query, in no order that means anything. total: how many fit, shown or not."""

    rows: list[ListedRow]
    total: int


class Rest:
    """Questions and changes, for the length of one call. It remembers which attributes the data model lacks."""

    def __init__(self, http: SourceClient, config: ItopConfig) -> None:
        self._http = http
        self._config = config
        self._lacking: set[tuple[str, str]] = set()

    async def find(
        self,
        kind: str,
        where: str,
        fields: Sequence[str],
        operation: str,
        *,
        limit: int,
        optional: Sequence[str] = (),
        ref: SourceRef | None = None,
    ) -> Found:
        """Objects of a class, each with its `id` as a number. where: a condition of OQL; "" takes all.

        optional: attributes that not every data model has. Raises AdapterError.
        """
        query = f"SELECT {kind} WHERE {where}" if where else f"SELECT {kind}"
        while True:
            asked = ["id", *fields, *(name for name in optional if (kind, name) not in self._lacking)]
            told = {
                "operation": "core/get", "class": kind, "key": query, "output_fields": ",".join(asked),
                "limit": limit, "page": 1,
            }  # fmt: skip
            try:
                answer = await self._ask(told, operation, ref)
            except NoSuchAttribute as error:
                if error.name not in optional or (kind, error.name) in self._lacking:
                    raise
                self._lacking.add((kind, error.name))
                continue
            rows = objects_of(answer, operation)
            counted = FOUND.search(str(answer.get("message")))
            return Found(rows, int(counted[1]) if counted else len(rows))

    async def update(
        self, kind: str, key: str, values: Mapping[str, object], comment: str, operation: str, ref: SourceRef
    ) -> ListedRow:
        """Change the one object that a query finds; what it is then. Raises AdapterError."""
        told = {"operation": "core/update", "class": kind, "key": key, "fields": values}
        return await self._change(told, values, comment, operation, ref)

    async def apply(
        self,
        kind: str,
        key: str,
        stimulus: str,
        values: Mapping[str, object],
        comment: str,
        operation: str,
        ref: SourceRef,
    ) -> ListedRow:
        """Apply a stimulus to the one object that a query finds, and fill in values; what it is then.

        Raises AdapterError, Invalid naming `status` where the stimulus is taken and nothing comes of it.
        """
        told = {"operation": "core/apply_stimulus", "class": kind, "key": key, "stimulus": stimulus, "fields": values}
        return await self._change(told, {"status": stimulus, **values}, comment, operation, ref)

    async def _change(
        self, told: dict[str, Any], written: Mapping[str, object], comment: str, operation: str, ref: SourceRef
    ) -> ListedRow:
        shown = [name for name in written if name not in ("private_log", "public_log")]
        told |= {"comment": comment[:LONGEST_COMMENT], "output_fields": ",".join(["id", *shown])}
        answer = await self._ask(told, operation, ref, written)
        rows = objects_of(answer, operation)
        if not rows:
            raise refusal(100, f"nothing came of it: {answer.get('message')!r}", operation, ref=ref, written=written)
        return rows[0]

    async def _ask(
        self,
        told: Mapping[str, object],
        operation: str,
        ref: SourceRef | None,
        written: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        form = {**self._config.login_form(), "json_data": json.dumps(told, ensure_ascii=False)}
        response = await self._http.request(
            "POST", PATH, operation=operation, params={"version": self._config.version}, ref=ref,
            content=urlencode(form).encode(), headers={"Content-Type": "application/x-www-form-urlencoded"},
            reads=written is None,
        )  # fmt: skip
        try:
            answer = json_object(self._http.json(response, operation=operation), operation, ref=ref)
        except UnexpectedResponse as error:
            if written is None:
                raise
            raise OutcomeUnknown(
                f"{operation}: {SYSTEM} answered something else than JSON to a change", operation=operation, ref=ref,
                detail=error.detail, hint="PHP may have failed after the change: look at the server's error log.",
            ) from None  # fmt: skip
        code = answer.get("code")
        if code != OK or isinstance(code, bool):
            number = code if isinstance(code, int) else -1
            raise refusal(number, self._http.redact(str(answer.get("message"))), operation, ref=ref, written=written)
        return answer


def objects_of(answer: Mapping[str, Any], operation: str) -> list[ListedRow]:
    """The objects of an answer: the attributes of each, with its id. Raises UnexpectedResponse."""
    objects = answer.get("objects")
    if not objects:  # null, or [] where PHP's array is empty
        return []
    rows: list[ListedRow] = []
    for told in objects.values() if isinstance(objects, dict) else [None]:
        fields = told.get("fields") if isinstance(told, dict) else None
        number = str(fields.get("id")) if isinstance(fields, dict) else ""
        if not isinstance(fields, dict) or not (number.isascii() and number.isdecimal()):
            raise UnexpectedResponse(
                f"{operation}: an object without id and fields: {str(told)[:80]}", operation=operation, hint=COMPARE
            )
        rows.append({**fields, "id": int(number)})
    return rows
