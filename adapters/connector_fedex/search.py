"""Finds labels that an earlier attempt bought, by the reference number that stands for its key, and hands them back.

FedEx gives a label's file out once, with the answer to its purchase. A label whose answer was lost can be seen in
tracking and never be printed: it is voided, which costs nothing, and another is bought.
"""

from __future__ import annotations

from connector.sdk import (
    Clock,
    Conflict,
    IdempotencyKey,
    Invalid,
    InvalidRecord,
    NotFound,
    ShipmentStatus,
    UnexpectedResponse,
)
from connector.sdk.answers import COMPARE, read_answer
from connector.sdk.courier import UNDER_WAY
from connector_fedex.client import FedExClient
from connector_fedex.config import FedExConfig
from connector_fedex.refusals import is_not_found, reasons
from connector_fedex.requests import reference_request
from connector_fedex.shapes import Cancelled, parcel_ref
from connector_fedex.tracking import Tracked, parcels_of

OPERATION = "find label"


class Search:
    """Looks for labels of one account."""

    def __init__(self, client: FedExClient, config: FedExConfig, clock: Clock) -> None:
        self._client = client
        self._config = config
        self._clock = clock

    async def hand_back(self, key: IdempotencyKey) -> None:
        """Void every label of a key. Raises Conflict when one was used, or FedEx does not take it back."""
        parcels = [(number, _status(tracked)) for number, tracked in await self._parcels(key)]
        for number, status in parcels:
            if status in UNDER_WAY:
                raise Conflict(
                    f"parcel {number} of this key is {status.value.replace('_', ' ')}: its label was used, "
                    "and FedEx gives it out only once",
                    operation=OPERATION, ref=parcel_ref(number), hint="Enter the number of this parcel by hand.",
                )  # fmt: skip
        for number, status in parcels:
            if status is not ShipmentStatus.CANCELLED:
                await self.void(number)

    async def void(self, number: str) -> None:
        """Take one label back. Raises Conflict when FedEx does not."""
        ref = parcel_ref(number)
        try:
            output = read_answer(
                Cancelled, await self._client.cancel(self._config.account_number, ref), OPERATION
            ).output
        except Invalid as error:
            if await self.status_of(number) is ShipmentStatus.CANCELLED:
                return
            raise Conflict(error.message, operation="void label", ref=ref, detail=error.detail) from error
        if not output.is_done and await self.status_of(number) is not ShipmentStatus.CANCELLED:
            raise Conflict(
                f"FedEx does not take label {number} back: {output.message or 'it says no more'}",
                operation="void label", ref=ref, hint="FedEx may have the parcel, or its day may be over.",
            )  # fmt: skip

    async def status_of(self, number: str) -> ShipmentStatus | None:
        """What tracking says of a parcel now; None while that is nothing."""
        body = await self._client.track([number], OPERATION, ref=parcel_ref(number))
        found = [_status(tracked) for known, tracked in self._read(body) if known == number]
        return found[0] if found else None

    async def _parcels(self, key: IdempotencyKey) -> list[tuple[str, Tracked]]:
        request = reference_request(key, self._config, self._clock.now())
        try:
            body = await self._client.track_reference(request, OPERATION)
        except NotFound:
            return []
        except Invalid as error:
            if not is_not_found(reasons(error)):
                raise
            return []
        return self._read(body)

    @staticmethod
    def _read(body: object) -> list[tuple[str, Tracked]]:
        try:
            return list(parcels_of(body))
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=OPERATION, hint=error.hint or COMPARE) from None


def _status(tracked: Tracked) -> ShipmentStatus:
    """The latest; of a parcel that tracking has no word for yet, that there is a label."""
    latest = tracked.latest.status if tracked.latest else None
    return latest or ShipmentStatus.LABEL_CREATED
