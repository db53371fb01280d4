"""Intune's adapter and its sandbox against Microsoft's own description of Graph: Prism stands between the two."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from connector.sdk import RecordSwap, SourceClient
from connector_intune import Intune, IntuneConfig
from connector_intune.mapping import columns
from connector_intune.sandbox import IntuneSandbox
from connector_intune.sandbox.system import ROOT, TENANT
from connector_intune.sites import COLUMNS
from tests.api.conftest import served
from tests.clients.described import Sorting, cut, read, usable, watched
from tests.conftest import MovableClock

PUBLIC = "of github.com/microsoftgraph/msgraph-sdk-powershell: openApiDocs/v1.0 at commit f43aa05"
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
API = "/v1.0"
DEVICES, CATEGORIES, EVENTS = (
    f"/deviceManagement/{name}" for name in ("managedDevices", "deviceCategories", "auditEvents")
)
DEVICE, RETIRE = f"{DEVICES}/{{managedDevice-id}}", f"{DEVICES}/{{managedDevice-id}}/retire"
USED = {
    "DeviceManagement.yml": {DEVICES: DEVICES, DEVICE: DEVICE, CATEGORIES: CATEGORIES},
    "DeviceManagement.Administration.yml": {EVENTS: EVENTS},
    "DeviceManagement.Actions.yml": {f"{DEVICE}/microsoft.graph.retire": RETIRE},
    "Users.yml": {"/users": "/users"},
}
"""Microsoft's files, the paths of each that are used, and how they are asked: the reference calls actions by their name
alone."""


class Unpacking(Sorting):
    """Also sends by itself each of the requests that go together in one, into which Prism does not look."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer to the request as it is."""
        if request.url.path.endswith("/$batch"):
            proof = {"authorization": request.headers["authorization"]}
            for part in json.loads(request.content)["requests"]:
                alone = httpx.Request(part["method"], f"{ROOT}{API}{part['url']}", headers=proof)
                await (await super().handle_async_request(alone)).aclose()
        return await super().handle_async_request(request)


def described(folder: Path) -> Path:
    """The paths that are used, in one description."""
    whole: dict[str, Any] = {}
    for name, paths in USED.items():
        part = cut(_unconnected(read(f"graph-v1.0/{name}", f"one {PUBLIC}")), paths)
        whole = {
            **part, "paths": part["paths"] | whole.get("paths", {}),
            "components": {
                kind: whole.get("components", {}).get(kind, {}) | part["components"].get(kind, {})
                for kind in whole.get("components", {}).keys() | part["components"].keys()
            },
        }  # fmt: skip
    return usable("graph-v1.0", folder, said=whole)


def _unconnected(node: Any) -> Any:
    """Things without those that they lead to, for which nobody asks: each leads to nearly all of Graph."""
    if isinstance(node, list):
        return [_unconnected(each) for each in node]
    if isinstance(node, dict):
        return {name: _unconnected(each) for name, each in node.items() if not _is_connection(each)}
    return node


def _is_connection(node: Any) -> bool:
    return isinstance(node, dict) and node.get("x-ms-navigationProperty") is True


async def test_graph_is_asked_as_its_description_says(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox = IntuneSandbox(clock)
    swap = sandbox.operation(RecordSwap, "swap-1")
    assert isinstance(swap, RecordSwap)
    assert swap.failed is not None
    assert swap.replacement is not None
    for _ in range(11):  # more than a page, so that links are followed
        person = sandbox.tenant.add_user()
        device = sandbox.tenant.add_device(NOON - MINUTE, userId=person["id"])
    path = described(tmp_path)

    async with served(sandbox.app()) as upstream, watched(prism, path, f"http://{upstream}{API}") as address:
        homes = [(f"/{TENANT}", "", f"http://{upstream}"), (API, API, address)]
        wire = Unpacking(homes, GUID)
        config = IntuneConfig.model_validate({**sandbox.settings(), "retire_failed": True})
        async with SourceClient(ROOT, transport=wire) as http:
            adapter = Intune(config, http, clock)
            await adapter.check()
            for stream in adapter.streams():
                pulled = [batch async for batch in adapter.pull(stream, None)]
                if pulled[-1].resume is not None:
                    clock.advance(MINUTE)
                    sandbox.tenant.note(device["id"], "Update", clock.now())
                    assert [batch async for batch in adapter.pull(stream, pulled[-1].resume)]
            for ref in (swap.failed, sandbox.site_of(person)):
                assert (await adapter.fetch(ref)).ref == ref
            await adapter.record_swap(swap)
            assert await adapter.find_swap(swap) is not None
            known = dict(wire.objections)
            await http.request(
                "GET",
                "v1.0/users",
                operation="try",
                params={"$top": -1},
                headers={"authorization": f"Bearer {sandbox.server.tokens[-1]}"},
            )
            mistaken, wire.objections = wire.objections.keys() - known.keys(), known

    assert {(method, path.removeprefix(API)) for method, path in wire.asked} == {
        ("POST", f"/{TENANT}/oauth2/v2.0/token"), ("GET", DEVICES), ("GET", f"{DEVICES}/ID"), ("GET", EVENTS),
        ("GET", CATEGORIES), ("GET", "/users"), ("POST", f"{DEVICES}/ID/retire"), *NOT_DESCRIBED,
    }  # fmt: skip
    assert wire.objections.keys() == {(*each, "request") for each in NOT_DESCRIBED} | ADDED
    assert "request/query/$top" in {spot for *_, spot in mistaken}


async def test_what_is_asked_of_devices_and_people_is_described(tmp_path: Path):
    schemas = json.loads(described(tmp_path).read_text(encoding="utf-8"))["components"]["schemas"]
    config = IntuneConfig.model_validate(IntuneSandbox(MovableClock(NOON)).settings())

    assert set(columns(config).split(",")) - _properties("managedDevice", schemas) == {"managementState"}
    assert set(COLUMNS.split(",")) <= _properties("user", schemas)


def _properties(name: str, schemas: dict[str, Any]) -> set[str]:
    """Of a thing and of whatever it is one of."""
    parent, own = schemas[f"microsoft.graph.{name}"]["allOf"]
    of_parent = schemas[parent["$ref"].rpartition("/")[2]]
    more = of_parent["allOf"][1] if "allOf" in of_parent else of_parent
    return {*own["properties"], *more["properties"], "id"}


NOT_DESCRIBED = {
    # https://learn.microsoft.com/en-us/graph/json-batching
    ("POST", "/$batch"),
    # in use all the same: github.com/microsoftgraph/msgraph-beta-sdk-dotnet/issues/764
    ("PUT", f"{DEVICES}/ID/deviceCategory/$ref"),
}
"""What the description leaves out."""
ADDED = {
    *(("GET", path, "response/body/@odata.count") for path in ("/users", DEVICES, CATEGORIES, EVENTS)),
    *(
        ("GET", f"{DEVICES}{each}", f"response/body{part}/managementState")
        for each, part in (("", "/value/*"), ("/ID", ""))
    ),
}
"""What is younger than the description, of January 2025 (Graph's schema of August 2026 has `managementState`), and the
count that Intune adds to lists."""
