"""Calls of FedEx's REST interfaces. Knows no records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import httpx

from connector.sdk import ClientCredentials, Invalid, SourceClient, SourceRef
from connector.sdk.answers import json_object
from connector_fedex.refusals import refused

VERSION = "v1"
MOST_NUMBERS = 30
"""That tracking takes in one request."""


class FedExClient:
    """Each call named by what it asks for. tracking: tokens of the project that may ask about parcels."""

    def __init__(self, http: SourceClient, shipping: ClientCredentials, tracking: ClientCredentials) -> None:
        self._http = http
        self._shipping = shipping
        self._tracking = tracking

    async def rates(self, body: Mapping[str, object], operation: str) -> dict[str, Any]:
        """Offers."""
        return await self._call("POST", f"rate/{VERSION}/rates/quotes", operation, body, reads=True)

    async def ship(self, body: Mapping[str, object], transaction: str) -> dict[str, Any]:
        """Buy a label. transaction: what FedEx's support finds the request by."""
        return await self._call("POST", f"ship/{VERSION}/shipments", "buy label", body, transaction=transaction)

    async def cancel(self, account: str, ref: SourceRef) -> dict[str, Any]:
        """Take a shipment back."""
        body = {
            "accountNumber": {"value": account}, "trackingNumber": ref.external_id,
            "deletionControl": "DELETE_ALL_PACKAGES",
        }  # fmt: skip
        return await self._call("PUT", f"ship/{VERSION}/shipments/cancel", "void label", body, ref=ref)

    async def track(self, numbers: Sequence[str], operation: str, *, ref: SourceRef | None = None) -> dict[str, Any]:
        """What is known of parcels, 30 at most."""
        asked = [{"trackingNumberInfo": {"trackingNumber": number}} for number in numbers]
        return await self._track("trackingnumbers", operation, {"trackingInfo": asked}, ref)

    async def track_reference(self, reference: Mapping[str, str], operation: str) -> dict[str, Any]:
        """What is known of parcels with a reference number. Raises NotFound, or answers with an error for each."""
        return await self._track("referencenumbers", operation, {"referencesInformation": reference}, None)

    async def create_pickup(self, body: Mapping[str, object], transaction: str) -> dict[str, Any]:
        """Have a driver come."""
        return await self._call("POST", f"pickup/{VERSION}/pickups", "schedule pickup", body, transaction=transaction)

    async def cancel_pickup(self, body: Mapping[str, object]) -> dict[str, Any]:
        """Have no driver come."""
        return await self._call("PUT", f"pickup/{VERSION}/pickups/cancel", "cancel pickup", body)

    async def _track(
        self, what: str, operation: str, body: Mapping[str, object], ref: SourceRef | None
    ) -> dict[str, Any]:
        asked = {"includeDetailedScans": True, **body}
        return await self._call("POST", f"track/{VERSION}/{what}", operation, asked, reads=True, ref=ref, tracks=True)

    async def _call(
        self, method: str, path: str, operation: str, body: Mapping[str, object], *, reads: bool = False,
        ref: SourceRef | None = None, transaction: str | None = None, tracks: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        async def send(proof: dict[str, str]) -> httpx.Response:
            told = {"x-customer-transaction-id": transaction or uuid4().hex, **proof}
            return await self._http.request(
                method, path, operation=operation, headers=told, ref=ref, json=body, reads=reads
            )

        try:
            response = await (self._tracking if tracks else self._shipping).sent(send)
        except Invalid as error:
            raise refused(error) from error
        return json_object(self._http.json(response, operation=operation), operation)
