"""Reads and writes EasyPost's REST interface. Knows no records."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from connector.sdk import Invalid, SourceClient, SourceRef
from connector.sdk.answers import json_list, json_object, path_segment
from connector_easypost.refusals import refused

VERSION_HEADER = "x-version-label"
WHERE = "Check that base_url is the address of EasyPost's API."


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. has_more: another follows."""

    results: tuple[Any, ...]
    has_more: bool


class EasyPostClient:
    """Calls of EasyPost, each named by what it asks for. Refusals come as the class that their code calls for."""

    def __init__(self, http: SourceClient) -> None:
        self._http = http

    async def version(self) -> str | None:
        """The release that answers; asked with the cheapest call that every key may make."""
        response = await self._send("GET", "v2/trackers", "check", params={"page_size": 1})
        _page(self._http.json(response, operation="check"), "trackers", "check")
        release: str | None = response.headers.get(VERSION_HEADER)
        return release

    async def create_shipment(self, body: Mapping[str, object], operation: str, *, reads: bool = False) -> object:
        """A draft with offers. reads: it has no reference, so that nobody minds another one."""
        return await self._call("POST", "v2/shipments", operation, json=body, reads=reads)

    async def shipment(self, id_or_reference: str, operation: str) -> object:
        """A shipment as it is now. Raises NotFound."""
        return await self._call("GET", f"v2/shipments/{path_segment(id_or_reference)}", operation)

    async def rerate(self, shipment: SourceRef) -> object:
        """New offers for a draft, in place of those that may have expired."""
        return await self._call("POST", f"{_shipment(shipment)}/rerate", "buy label", json={}, reads=True, ref=shipment)

    async def buy(self, shipment: SourceRef, rate_id: str) -> object:
        """Buy an offer of a draft. Raises Conflict when it is bought already."""
        body = {"rate": {"id": rate_id}}
        return await self._call("POST", f"{_shipment(shipment)}/buy", "buy label", json=body, ref=shipment)

    async def convert_label(self, shipment: SourceRef, file_format: str) -> object:
        """Have the label drawn in another format; the shipment, which then tells where it lies."""
        path = f"{_shipment(shipment)}/label"
        return await self._call("GET", path, "convert label", params={"file_format": file_format}, ref=shipment)

    async def label(self, url: str, hosts: Collection[str], shipment: SourceRef) -> bytes:
        """A label's file, which lies in an object store."""
        return await self._http.download(url, operation="download label", hosts=hosts, ref=shipment)

    async def refund(self, shipment: SourceRef) -> object:
        """Hand a label back; the shipment, whose `refund_status` tells how far that is."""
        return await self._call("POST", f"{_shipment(shipment)}/refund", "void label", json={}, ref=shipment)

    async def track(self, carrier: str, tracking_code: str) -> object:
        """Have a carrier report on a parcel; asked again, the tracker that there is."""
        body = {"tracker": {"tracking_code": tracking_code, "carrier": carrier}}
        return await self._call("POST", "v2/trackers", "track", json=body)

    async def trackers(self, query: Mapping[str, str | int], operation: str = "pull trackers") -> Page:
        """Trackers, newest first."""
        body = await self._call("GET", "v2/trackers", operation, params=query)
        return _page(body, "trackers", operation)

    async def create_pickup(self, body: Mapping[str, object]) -> object:
        """A pickup that was not ordered yet, with offers."""
        return await self._call("POST", "v2/pickups", "schedule pickup", json=body)

    async def pickup(self, id_or_reference: str, operation: str) -> object:
        """A pickup as it is now. Raises NotFound."""
        return await self._call("GET", f"v2/pickups/{path_segment(id_or_reference)}", operation)

    async def buy_pickup(self, pickup_id: str, carrier: str, service: str) -> object:
        """Order a pickup, by carrier and service rather than by the offer's id."""
        body = {"carrier": carrier, "service": service}
        return await self._call("POST", f"v2/pickups/{path_segment(pickup_id)}/buy", "schedule pickup", json=body)

    async def cancel_pickup(self, pickup_id: str) -> object:
        """Call a pickup off. Raises Conflict when it is too late."""
        return await self._call("POST", f"v2/pickups/{path_segment(pickup_id)}/cancel", "cancel pickup", json={})

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
        response = await self._send(method, path, operation, json=json, params=params, reads=reads, ref=ref)
        return self._http.json(response, operation=operation)

    async def _send(
        self, method: str, path: str, operation: str, *, ref: SourceRef | None = None, **asked: Any
    ) -> httpx.Response:
        try:
            return await self._http.request(method, path, operation=operation, ref=ref, **asked)
        except Invalid as error:
            raise refused(error) from error


def _shipment(ref: SourceRef) -> str:
    return f"v2/shipments/{path_segment(ref.external_id)}"


def _page(body: object, key: str, operation: str) -> Page:
    answer = json_object(body, operation, hint=WHERE)
    results = json_list(answer, key, operation, hint=WHERE)
    return Page(tuple(results), answer.get("has_more") is True)
