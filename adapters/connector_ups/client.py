"""Calls of UPS's REST interfaces. Knows no records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from connector.sdk import ClientCredentials, Invalid, SourceClient, SourceRef
from connector.sdk.answers import json_object, path_segment
from connector_ups.refusals import refused

VERSION = "v2409"
"""Of Rating, Shipping and Pickup."""
RECOVERY_VERSION = "v1"
TRACKING_VERSION = "v1"
ALERT_VERSION = "v2"


class UpsClient:
    """Each call named by what it asks for."""

    def __init__(self, http: SourceClient, tokens: ClientCredentials) -> None:
        self._http = http
        self._tokens = tokens

    async def rates(self, option: str, body: Mapping[str, object], operation: str) -> dict[str, Any]:
        """Offers. option: Shop, or Shoptimeintransit."""
        return await self._call("POST", f"rating/{VERSION}/{option}", operation, json=body, reads=True)

    async def ship(self, body: Mapping[str, object]) -> dict[str, Any]:
        """Buy a label."""
        return await self._call("POST", f"shipments/{VERSION}/ship", "buy label", json=body)

    async def recover(self, body: Mapping[str, object], operation: str) -> dict[str, Any]:
        """The label of a shipment that was made."""
        return await self._call("POST", f"labels/{RECOVERY_VERSION}/recovery", operation, json=body, reads=True)

    async def void(self, ref: SourceRef) -> dict[str, Any]:
        """Take a shipment back."""
        path = f"shipments/{VERSION}/void/cancel/{path_segment(ref.external_id)}"
        return await self._call("DELETE", path, "void label", ref=ref)

    async def track(self, number: str, operation: str, *, ref: SourceRef | None = None) -> dict[str, Any]:
        """What is known of a parcel. Raises NotFound."""
        path = f"track/{TRACKING_VERSION}/details/{path_segment(number)}"
        return await self._call("GET", path, operation, params={"locale": "en_US"}, ref=ref)

    async def track_reference(self, reference: str, operation: str, **asked: str) -> dict[str, Any]:
        """What is known of parcels with a reference number. Raises NotFound."""
        path = f"track/{TRACKING_VERSION}/reference/details/{path_segment(reference)}"
        return await self._call("GET", path, operation, params={"locale": "en_US", **asked})

    async def subscribe(self, number: str) -> dict[str, Any]:
        """Have alerts sent about a parcel for 14 days; told twice, there are no more of them."""
        body = {"locale": "en_US", "trackingNumberList": [number]}
        path = f"track/{ALERT_VERSION}/subscription/standard/package"
        return await self._call("POST", path, "track", json=body)

    async def create_pickup(self, body: Mapping[str, object]) -> dict[str, Any]:
        """Have a driver come."""
        return await self._call("POST", f"pickupcreation/{VERSION}/pickup", "schedule pickup", json=body)

    async def pending_pickups(self, account: str, operation: str) -> dict[str, Any]:
        """Pickups of today and tomorrow that are not over."""
        path = f"shipments/{VERSION}/pickup/oncall"
        return await self._call("GET", path, operation, headers={"AccountNumber": account})

    async def cancel_pickup(self, number: str) -> dict[str, Any]:
        """Have no driver come. number: of the request."""
        return await self._call("DELETE", f"shipments/{VERSION}/pickup/02", "cancel pickup", headers={"Prn": number})

    async def _call(
        self, method: str, path: str, operation: str, *, headers: Mapping[str, str] | None = None,
        ref: SourceRef | None = None, **asked: Any,
    ) -> dict[str, Any]:  # fmt: skip
        async def send(proof: dict[str, str]) -> httpx.Response:
            told = {"transId": uuid4().hex, **(headers or {}), **proof}
            return await self._http.request(method, path, operation=operation, headers=told, ref=ref, **asked)

        try:
            response = await self._tokens.sent(send)
        except Invalid as error:
            raise refused(error) from error
        return json_object(self._http.json(response, operation=operation), operation)
