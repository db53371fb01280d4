"""Calls of MyDHL API and of Shipment Tracking - Unified. Knows no records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from connector.sdk import ConfigError, Invalid, SourceClient, SourceRef
from connector.sdk.answers import json_object, path_segment
from connector_dhl.config import DhlConfig
from connector_dhl.refusals import refused

VERSION = "3.1.1"


class DhlClient:
    """Each call named by what it asks for."""

    def __init__(self, http: SourceClient, config: DhlConfig) -> None:
        self._http = http
        self._config = config

    async def rates(self, body: Mapping[str, object], operation: str) -> dict[str, Any]:
        """Products with prices. Raises NotFound where none is offered."""
        return await self._object("POST", "rates", operation, body=body, reads=True)

    async def ship(self, body: Mapping[str, object], message: str) -> dict[str, Any]:
        """Make a shipment, whose label comes with the answer. message: what DHL's support finds the request by."""
        return await self._object("POST", "shipments", "buy label", body=body, message=message)

    async def track(self, number: str, operation: str, ref: SourceRef | None = None) -> dict[str, Any]:
        """All checkpoints of a shipment of Express, each with its offset to GMT. Raises NotFound."""
        params = {
            "trackingView": "all-checkpoints", "levelOfDetail": "shipment", "requestGMTOffsetPerEvent": "true",
        }  # fmt: skip
        path = f"shipments/{path_segment(number)}/tracking"
        return await self._object("GET", path, operation, params=params, ref=ref)

    async def track_reference(self, query: Mapping[str, str], operation: str) -> dict[str, Any]:
        """Shipments with a reference. Raises NotFound where there is none."""
        params = {**query, "trackingView": "all-checkpoints", "levelOfDetail": "shipment"}
        return await self._object("GET", "tracking", operation, params=params)

    async def create_pickup(self, body: Mapping[str, object], message: str) -> dict[str, Any]:
        """Have a driver come."""
        return await self._object("POST", "pickups", "schedule pickup", body=body, message=message)

    async def cancel_pickup(self, number: str, query: Mapping[str, str]) -> None:
        """Have no driver come. Raises NotFound, or Invalid when it is too late."""
        await self._call("DELETE", f"pickups/{path_segment(number)}", "cancel pickup", params=query)

    async def track_anywhere(self, number: str, operation: str, ref: SourceRef) -> dict[str, Any]:
        """What Shipment Tracking - Unified knows of a number, whichever part of DHL gave it out. Raises NotFound."""
        if self._config.tracking_key is None:
            raise ConfigError(
                "there is no key of Shipment Tracking - Unified", operation=operation, hint="Set tracking_key."
            )
        url = f"{str(self._config.tracking_url).rstrip('/')}/track/shipments"
        headers = {"DHL-API-Key": self._config.tracking_key.get_secret_value(), "Accept": "application/json"}
        response = await self._http.request_elsewhere(
            "GET", url, operation=operation, headers=headers, params={"trackingNumber": number}, ref=ref
        )
        return json_object(self._http.json(response, operation=operation), operation, ref=ref)

    async def _object(
        self, method: str, path: str, operation: str, *, params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None, reads: bool | None = None, ref: SourceRef | None = None,
        message: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        response = await self._call(
            method, path, operation, params=params, body=body, reads=reads, ref=ref, message=message
        )
        return json_object(self._http.json(response, operation=operation), operation, ref=ref)

    async def _call(
        self, method: str, path: str, operation: str, *, params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None, reads: bool | None = None, ref: SourceRef | None = None,
        message: str = "",
    ) -> httpx.Response:  # fmt: skip
        try:
            return await self._http.request(
                method, path, operation=operation, params=params, json=body, reads=reads, ref=ref,
                headers={"Message-Reference": message or uuid4().hex},
            )  # fmt: skip
        except Invalid as error:
            raise refused(error) from error
