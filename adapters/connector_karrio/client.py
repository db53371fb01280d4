"""Reads and writes Karrio's REST interface. Knows no records."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.sdk import Invalid, NotFound, SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.answers import json_list, json_object, path_segment
from connector_karrio.refusals import refused

WHERE = "Check that base_url is the address of Karrio's server, not of its dashboard."


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. has_more: another follows."""

    results: tuple[Any, ...]
    has_more: bool


class KarrioClient:
    """Calls of Karrio, each named by what it asks for. Refusals come with their fields."""

    def __init__(self, http: SourceClient) -> None:
        self._http = http

    async def version(self) -> str | None:
        """The server's version."""
        body = await self._call("GET", "", "check")
        return str(body["VERSION"]) if isinstance(body, dict) and "VERSION" in body else None

    async def connections(self) -> tuple[Any, ...]:
        """The carrier connections."""
        return (await self._list("v1/connections", "check", {"limit": 1000})).results

    async def rates(self, body: Mapping[str, object]) -> object:
        """Offers for a parcel; nothing is kept."""
        return await self._call("POST", "v1/proxy/rates", "quote", json=body, reads=True)

    async def create_shipment(self, body: Mapping[str, object]) -> object:
        """A draft with offers."""
        return await self._call("POST", "v1/shipments", "buy label", json=body)

    async def purchase(self, shipment: SourceRef, body: Mapping[str, object]) -> object:
        """Buy an offer of a draft. Raises Conflict when the shipment is no draft any more."""
        return await self._call("POST", f"{_shipment(shipment)}/purchase", "buy label", json=body, ref=shipment)

    async def label(self, shipment: SourceRef) -> bytes:
        """The label's file, whatever its format. Raises UnexpectedResponse where Karrio has none: it was bought."""
        path = f"{_shipment(shipment)}/documents/label"
        try:
            body = await self._call("POST", path, "download label", reads=True, ref=shipment)
        except NotFound as error:
            raise UnexpectedResponse(
                f"Karrio has no file of the label of {shipment.external_id}, which is bought",
                operation="download label", ref=shipment, detail=error.detail,
                hint="It is asked again. If that goes on, look at the shipment in Karrio.",
            ) from error  # fmt: skip
        try:
            return base64.b64decode(body["base64"], validate=True)  # type: ignore[index]
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise UnexpectedResponse(
                f"the label of {shipment.external_id} cannot be read", operation="download label", ref=shipment
            ) from error

    async def shipments_with(self, key: str, value: str) -> tuple[Any, ...]:
        """Shipments whose metadata have this value under this key; Karrio compares the two apart."""
        query: dict[str, str | int] = {"metadata_key": key, "metadata_value": value, "limit": 100}
        return (await self._list("v1/shipments", "find label", query)).results

    async def shipment(self, shipment: SourceRef, operation: str = "void label") -> object:
        """A shipment as it is now. Raises NotFound."""
        return await self._call("GET", _shipment(shipment), operation, ref=shipment)

    async def cancel(self, shipment: SourceRef) -> object:
        """Void a shipment; one that is void already stays so. Raises Conflict when its parcel is under way."""
        return await self._call("POST", f"{_shipment(shipment)}/cancel", "void label", ref=shipment)

    async def create_pickup(self, body: Mapping[str, object]) -> object:
        """Have a carrier come."""
        return await self._call("POST", "v1/pickups", "schedule pickup", json=body)

    async def pickups(self, since: datetime, offset: int) -> Page:
        """Pickups that were made since."""
        written = since.isoformat().replace("+00:00", "Z")
        query: dict[str, str | int] = {"created_after": written, "limit": 100, "offset": offset}
        return await self._list("v1/pickups", "find pickup", query)

    async def pickup(self, number: str) -> object:
        """A pickup as it is now. Raises NotFound."""
        return await self._call("GET", f"v1/pickups/{path_segment(number)}", "cancel pickup")

    async def cancel_pickup(self, number: str) -> object:
        """Call a pickup off. Raises Conflict when the carrier was there."""
        body = {"reason": "not needed"}
        return await self._call("POST", f"v1/pickups/{path_segment(number)}/cancel", "cancel pickup", json=body)

    async def track(self, carrier: str, tracking_number: str) -> object:
        """Have a carrier report on a parcel, also before it has it. Raises NotFound when no carrier can."""
        body = {"tracking_number": tracking_number, "carrier_name": carrier}
        return await self._call("POST", "v1/trackers", "track", json=body, params={"pending_pickup": "true"})

    async def trackers(self, query: Mapping[str, str | int], operation: str = "pull trackers") -> Page:
        """Trackers, newest first."""
        return await self._list("v1/trackers", operation, query)

    async def _list(self, path: str, operation: str, query: Mapping[str, str | int]) -> Page:
        answer = json_object(await self._call("GET", path, operation, params=query), operation, hint=WHERE)
        results = json_list(answer, "results", operation, hint=WHERE)
        return Page(tuple(results), answer.get("next") is not None)

    async def _call(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
        reads: bool | None = None,
        ref: SourceRef | None = None,
    ) -> object:
        try:
            response = await self._http.request(
                method, path, operation=operation, json=json, params=params, reads=reads, ref=ref
            )
        except Invalid as error:
            raise refused(error) from error
        return self._http.json(response, operation=operation)


def _shipment(ref: SourceRef) -> str:
    return f"v1/shipments/{path_segment(ref.external_id)}"
