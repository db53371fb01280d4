"""Reads and writes Shippo's REST interface. Knows no records."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from connector.sdk import Invalid, SourceClient, SourceRef, UnexpectedResponse
from connector.sdk.answers import json_list, json_object, path_segment
from connector_shippo.refusals import refused

WHERE = "Check that base_url is the address of Shippo's API."


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. has_more: another follows."""

    results: tuple[Any, ...]
    has_more: bool


class ShippoClient:
    """Calls of Shippo, each named by what it asks for."""

    def __init__(self, http: SourceClient) -> None:
        self._http = http

    async def carrier_accounts(self) -> Page:
        """The first of the accounts: the cheapest call that every token may make."""
        return _page(await self._call("GET", "carrier_accounts", "check", params={"results": 1}), "check")

    async def create_shipment(self, body: Mapping[str, object], operation: str) -> object:
        """A shipment with its offers. It costs nothing, so that nobody minds another one."""
        return await self._call("POST", "shipments", operation, json=body, reads=True)

    async def rate(self, rate_id: str, operation: str) -> object:
        """An offer. Raises NotFound."""
        return await self._call("GET", f"rates/{path_segment(rate_id)}", operation)

    async def buy(self, body: Mapping[str, object]) -> object:
        """Buy an offer; the transaction, which may say that nothing was bought."""
        return await self._call("POST", "transactions", "buy label", json=body)

    async def transaction(self, ref: SourceRef, operation: str) -> object:
        """A transaction as it is now. Raises NotFound."""
        return await self._call("GET", f"transactions/{path_segment(ref.external_id)}", operation, ref=ref)

    async def transactions(self, page: int, size: int, operation: str) -> Page:
        """Transactions, newest first. Shippo has no filter by time or metadata."""
        body = await self._call("GET", "transactions", operation, params={"page": page, "results": size})
        return _page(body, operation)

    async def label(self, url: str, hosts: Collection[str], ref: SourceRef) -> bytes:
        """A label's file."""
        return await self._http.download(url, operation="download label", hosts=hosts, ref=ref)

    async def refund(self, ref: SourceRef) -> object:
        """Hand a label back; the refund, whose status tells how far that is."""
        body = {"transaction": ref.external_id, "async": False}
        return await self._call("POST", "refunds", "void label", json=body, ref=ref)

    async def track(self, carrier: str, number: str) -> object:
        """Have webhooks sent about a parcel; told twice, there are no more of them."""
        body = {"carrier": carrier, "tracking_number": number}
        return await self._call("POST", "tracks", "track", json=body)

    async def tracked(self, carrier: str, number: str, operation: str) -> object:
        """What the carrier says of a parcel. Raises NotFound, Invalid for a carrier that Shippo does not know."""
        path = f"tracks/{path_segment(carrier)}/{path_segment(number)}"
        return await self._call("GET", path, operation)

    async def create_pickup(self, body: Mapping[str, object]) -> object:
        """Have a carrier come."""
        return await self._call("POST", "pickups", "schedule pickup", json=body)

    async def _call(
        self, method: str, path: str, operation: str, *, ref: SourceRef | None = None, **asked: Any
    ) -> object:
        try:
            response = await self._http.request(method, path, operation=operation, ref=ref, **asked)
        except Invalid as error:
            raise refused(error) from error
        return self._http.json(response, operation=operation)


def _page(body: object, operation: str) -> Page:
    results = json_list(body, "results", operation, hint=WHERE)
    has_more = bool(json_object(body, operation).get("next"))
    if has_more and not results:
        raise UnexpectedResponse(f"{operation}: an empty page says that more follow", operation=operation, hint=WHERE)
    return Page(tuple(results), has_more)
