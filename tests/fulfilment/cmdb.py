"""The customer's Nautobot, as the CMDB of the fulfilment tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
from tests.factories import NOW, make_source
from tests.fulfilment.scene import Scene

from connector.ingest.apply import apply
from connector.ingest.pull import pull_source
from connector.model.refs import EntityKind
from connector.sdk import Batch, Clock, Connection, SourceClient
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.sources.refs import RefState, write_refs
from connector_nautobot import Nautobot
from connector_nautobot.config import NautobotConfig
from connector_nautobot.sandbox import NautobotSandbox

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f001234567"
OLD = NOW - timedelta(days=30)


class Cmdb:
    """Their Nautobot, and the way to it.

    down: whether it is; lose_answer: the next change is made and the answer to it lost. meanwhile: happens after the
    next change, before its answer is seen. changes: that were asked for.
    """

    def __init__(self, clock: Clock, **settings: Any) -> None:
        self.nautobot = NautobotSandbox(clock, token=TOKEN)
        self.clock = clock
        self.down = False
        self.lose_answer = False
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.changes = 0
        given = {"base_url": "http://nautobot.test", "token": TOKEN, "write_back": True, **settings}
        config = NautobotConfig.model_validate(given)
        http = SourceClient(
            "http://nautobot.test", headers=config.headers(), attempts=1, transport=_Wire(self), now=clock.now
        )
        self.connection = Connection("cmdb", "nautobot", Nautobot(config, http, clock), http)

    async def knows(self, scene: Scene, *, spares: bool = False, others: Sequence[int] = ()) -> None:
        """It lists the scene's places, its product, its broken switch and others; with `spares` the spares as well."""
        add = self.nautobot
        site_type, hub_type = add.add_location_type("Site", at=OLD), add.add_location_type("Hub", at=OLD)
        self.site = add.add_location("Hamburg Port", site_type, facility="HAM", at=OLD)
        self.hub = add.add_location("Berlin Depot", hub_type, facility="BER", at=OLD)
        model = add.add_device_type(add.add_manufacturer("Acme", at=OLD), "SW-48", part_number="P-48", at=OLD)
        refs = {
            (EntityKind.SITE, self.site): scene.site_id,
            (EntityKind.HUB, self.hub): scene.hub_id,
            (EntityKind.PRODUCT, model): scene.product_id,
        }
        self.devices: dict[int, str] = {}
        for asset_id in [scene.failed_id, *others, *(scene.spare_ids if spares else [])]:
            row = await scene.row(tables.asset, id=asset_id)
            is_spare = asset_id in scene.spare_ids
            self.devices[asset_id] = add.add_device(
                row["name"], device_type=model, location=self.hub if is_spare else self.site, serial=row["serial"],
                asset_tag=row["asset_tag"], status="Inventory" if is_spare else "Active", at=OLD,
            )  # fmt: skip
            refs[EntityKind.ASSET, self.devices[asset_id]] = asset_id
        async with transaction(scene.database) as tx:
            self.source_id = await make_source(tx, "cmdb", "nautobot")
            states = [RefState(None, kind, name, number, None, b"") for (kind, name), number in refs.items()]
            await write_refs(tx, self.source_id, states)
        await self.pulled(scene)

    def device(self, asset_id: int) -> dict[str, Any]:
        """The record that stood for a device of the scene in the beginning."""
        return self.nautobot.store.tables["dcim.device"].rows[self.devices[asset_id]]

    def status(self, asset_id: int) -> str:
        """The name of its status."""
        names = {row["id"]: row["name"] for row in self.nautobot.rows("extras.status")}
        return str(names[self.device(asset_id)["status"]])

    async def pulled(self, scene: Scene) -> int:
        """The hub reads its devices; returns how many changes of devices that made."""
        before = len(await scene.rows(tables.change, kind=EntityKind.ASSET))
        await pull_source(scene.database, self.connection, clock=self.clock, streams=("devices",))
        return len(await scene.rows(tables.change, kind=EntityKind.ASSET)) - before

    async def page(self) -> list[Batch]:
        """What a pull of all devices says now, not yet applied."""
        adapter = self.connection.adapter
        assert isinstance(adapter, Nautobot)
        [stream] = [stream for stream in adapter.streams() if stream.name == "devices"]
        return [batch.made() async for batch in adapter.pull(stream, None)]

    async def applied(self, scene: Scene, page: list[Batch]) -> None:
        """The hub applies what was read."""
        for batch in page:
            async with transaction(scene.database) as tx:
                say = replace(batch, complete=False)
                await apply(tx, self.source_id, "devices", say, actor="cmdb", at=self.clock.now())

    async def stands_for(self, scene: Scene, asset_id: int) -> int:
        """The device that a record stands for now."""
        row = await scene.row(tables.source_ref, source_id=self.source_id, external_id=self.devices[asset_id])
        return int(row["entity_id"])


class _Wire(httpx.ASGITransport):
    def __init__(self, cmdb: Cmdb) -> None:
        super().__init__(app=cmdb.nautobot.app)
        self._cmdb = cmdb

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._cmdb.down:
            raise httpx.ConnectError("nobody answers", request=request)
        response = await super().handle_async_request(request)
        if request.method == "GET":
            return response
        self._cmdb.changes += 1
        if self._cmdb.meanwhile is not None:
            meanwhile, self._cmdb.meanwhile = self._cmdb.meanwhile, None
            await meanwhile()
        if self._cmdb.lose_answer:
            self._cmdb.lose_answer = False
            raise httpx.ReadError("connection lost", request=request)
        return response
