"""Finds the label that an earlier attempt bought: by the reference number that stands for its key.

Label Recovery answers by reference and account. Where it knows nothing, tracking is asked for the same reference: both
may lag behind a purchase, and hardly at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.sdk import (
    AdapterError,
    Conflict,
    IdempotencyKey,
    Invalid,
    LabelFormat,
    NotFound,
    OutcomeUnknown,
    UnexpectedResponse,
)
from connector.sdk.answers import COMPARE, read_answer
from connector.sdk.courier import key_mark
from connector_ups.client import UpsClient
from connector_ups.config import UpsConfig
from connector_ups.refusals import ALREADY_VOID, LABEL_VOID, NO_LABEL, SEVERAL_LABELS, codes
from connector_ups.requests import recovery_request
from connector_ups.shapes import Recovery, Void, parcel_ref
from connector_ups.tracking import is_void, packages_of

OPERATION = "find label"


@dataclass(frozen=True, slots=True)
class Found:
    """What UPS has for a key. document: None for a label that is void by now."""

    number: str
    document: bytes | None


class Search:
    """Looks for labels of one account."""

    def __init__(self, client: UpsClient, config: UpsConfig) -> None:
        self._client = client
        self._config = config

    async def find(self, key: IdempotencyKey, label_format: LabelFormat) -> Found | None:
        """The label of a key. Of several, which a lag of UPS's may bring about, all but one are voided.

        Raises OutcomeUnknown while UPS knows of a label and does not give it out yet, Conflict when one of several
        cannot be voided.
        """
        mark = key_mark(key)
        try:
            body = await self._client.recover(recovery_request(self._config, label_format, mark=mark), OPERATION)
        except Invalid as error:
            told = set(codes(error))
            if LABEL_VOID in told:
                return Found("", None)
            if not told & ({NO_LABEL} | SEVERAL_LABELS):
                raise
            return await self._by_tracking(mark, label_format)
        response = read_answer(Recovery, body, OPERATION).response
        if response.candidates and not response.results:
            return await self._settled([each.number for each in response.candidates], label_format)
        return self._label(body, label_format)

    async def label(self, number: str, label_format: LabelFormat, operation: str) -> bytes:
        """The file of a label that was bought. Raises OutcomeUnknown while UPS does not give it out."""
        try:
            body = await self._client.recover(recovery_request(self._config, label_format, number=number), operation)
        except Invalid as error:
            if NO_LABEL in codes(error):
                raise self.not_yet(number, error) from error
            raise
        document = self._label(body, label_format).document
        return document or b""

    def not_yet(self, number: str, error: AdapterError) -> OutcomeUnknown:
        """UPS has a label that it does not give out yet."""
        return OutcomeUnknown(
            f"UPS has made label {number} and does not give it out yet",
            known_after=self._config.settles_after, operation=error.operation, ref=parcel_ref(number),
            hint="It is asked again.", detail=error.detail,
        )  # fmt: skip

    async def _by_tracking(self, mark: str, label_format: LabelFormat) -> Found | None:
        asked = {"shipperNum": self._config.account_number, "refNumType": "SmallPackage"}
        try:
            body = await self._client.track_reference(mark, OPERATION, **asked)
        except NotFound:
            return None
        packages = packages_of(body, OPERATION)
        numbers = [each.number for each in packages if not is_void(each)]
        if numbers:
            return await self._settled(numbers, label_format)
        return Found(packages[0].number, None) if packages else None

    async def _settled(self, numbers: list[str], label_format: LabelFormat) -> Found:
        """The first by its number, which every process finds, when the others are void."""
        kept, *surplus = sorted(set(numbers))
        for number in surplus:
            try:
                body = await self._client.void(parcel_ref(number))
            except Invalid as error:
                if ALREADY_VOID not in codes(error):
                    raise
                continue
            if not read_answer(Void, body, OPERATION).is_done:
                raise Conflict(
                    f"UPS has labels {', '.join([kept, *surplus])} for one parcel and does not void {number}",
                    operation=OPERATION, ref=parcel_ref(number), hint="Void all but one of them at UPS.",
                )  # fmt: skip
        return Found(kept, await self.label(kept, label_format, OPERATION))

    def _label(self, body: object, label_format: LabelFormat) -> Found:
        response = read_answer(Recovery, body, OPERATION).response
        first = response.results[0] if response.results else None
        number = (first and first.number) or response.id or ""
        if first is None or first.image is None or not number:
            raise UnexpectedResponse(
                "the answer of Label Recovery holds no label and number", operation=OPERATION, hint=COMPARE
            )
        return Found(number, first.image.label(label_format, parcel_ref(number)))
