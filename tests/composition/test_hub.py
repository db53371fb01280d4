"""The hub as a whole: what it refuses to start with, and what it starts without."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.factories import make_hub, make_product, make_site, make_source, make_spares, make_ticket

from connector.hub import open_hub
from connector.model.errors import NotKnown
from connector.model.kinds import SourceState
from connector.rules.policy.reading import InvalidPolicy, default_policy, default_policy_text
from connector.sdk.errors import ConfigError
from connector.serve import running
from connector.settings.loading import load_settings
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.sources.overview import source_overviews
from connector.storage.tables import service_class
from connector.storage.tickets.decide import explain_ticket

CONNECTOR = Path(sys.executable).with_name("connector")


def serve(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `connector serve`, which must end by itself."""
    return subprocess.run(
        [CONNECTOR, "serve"],
        cwd=directory,
        env={**os.environ, **environment, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_port_is_told_with_what_to_do(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = serve(tmp_path, CONNECTOR_SERVER__PORT=str(port))

    assert done.returncode == 5
    assert f"the hub cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert "set server.port or CONNECTOR_SERVER__PORT" in done.stderr


def test_an_address_beyond_this_machine_is_refused_without_authentication(tmp_path: Path):
    done = serve(tmp_path, CONNECTOR_SERVER__HOST="0.0.0.0")

    assert done.returncode == 2
    assert "needs auth.token first" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def broken_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package whose adapter fails to load."""
    site = tmp_path / "site"
    info = site / "acme_desk-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_desk.py").write_text('raise RuntimeError("the licence file is missing")\n')
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-desk\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[connector.adapters]\nacme_desk = acme_desk:AcmeDesk\n")
    monkeypatch.syspath_prepend(site)
    return "acme_desk"


async def test_a_broken_plugin_disables_only_its_own_source(tmp_path: Path, broken_plugin: str):
    (tmp_path / "sheets").mkdir()
    (tmp_path / "sheets/products.csv").write_text("manufacturer,model\nAcme,Switch 48\n")
    file = tmp_path / "connector.toml"
    file.write_text(
        'database = "sqlite:///hub.db"\n'
        f'[sources.desk]\nadapter = "{broken_plugin}"\nurl = "https://desk.example.com"\n'
        '[sources.sheets]\nadapter = "file"\ndirectory = "sheets"\n'
    )

    async with open_hub(load_settings(file)) as hub:
        report = await hub.pull("sheets")
        async with reading(hub.database) as tx:
            desk, sheets = await source_overviews(tx)
        with pytest.raises(ConfigError, match="source 'desk' cannot be used"):
            hub.connection("desk")
        with pytest.raises(NotKnown, match="there is no source 'nosuch'"):
            hub.connection("nosuch")

    assert report.error is None
    assert sum(stream.created for stream in report.streams) == 1
    assert (sheets.state, desk.state) == (SourceState.OK, SourceState.DISABLED)
    assert desk.last_error == (
        "adapter 'acme_desk' of package 'acme-desk' cannot be used: "
        "it fails to load with RuntimeError: the licence file is missing"
    )


MAPS = """
from connector.sdk.config import AdapterConfig
from connector.sdk.travel import RoadTime

class Config(AdapterConfig):
    minutes: int

class Maps:
    most_origins = 10

    def __init__(self, config, http):
        self.config = config

    @classmethod
    def config_type(cls):
        return Config

    async def measure(self, origins, target):
        return [RoadTime(self.config.minutes, 12.5) for _ in origins]
"""


async def test_a_provider_of_travel_times_that_a_package_brings_measures_the_roads_that_decisions_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    info = tmp_path / "site/acme_maps-1.0.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "site/acme_maps.py").write_text(MAPS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-maps\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[connector.travel_times]\nacme_maps = acme_maps:Maps\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    file = tmp_path / "connector.toml"
    settings = 'provider = "acme_maps"\nschedule = "* * * * * *"\nminutes = 17\n'
    file.write_text(f'database = "sqlite:///{tmp_path}/hub.db"\nauth.anonymous = true\n[travel_time]\n{settings}')

    async with open_hub(load_settings(file), takes_policy=True) as hub:
        async with transaction(hub.database) as tx:
            product, site = await make_product(tx), await make_site(tx)
            await make_spares(tx, hub_id=await make_hub(tx, latitude=52.4), product_id=product, count=1)
            ticket = await make_ticket(tx, source_id=await make_source(tx), product_id=product, site_id=site)
        answering = asyncio.Event()
        answering.set()

        async with running(hub, answering):
            await eventually(lambda: _all(hub.database, tables.travel_time))

        async with reading(hub.database) as tx:
            chosen = (await explain_ticket(tx, ticket, hub.policy, hub.clock.now())).chosen
    assert chosen is not None
    [drive] = [step for step in chosen.steps if step.name == "drive"]
    assert drive.minutes == 17
    assert drive.text.startswith("12 km of road, measured by acme_maps on ")


async def _all(database: AsyncEngine, table: Table) -> Sequence[Any]:
    async with reading(database) as tx:
        return (await tx.execute(select(table))).all()


async def test_the_policy_s_service_classes_are_there_before_any_site_names_one(tmp_path: Path):
    file = tmp_path / "connector.toml"
    file.write_text('database = "sqlite:///hub.db"\n')

    async with open_hub(load_settings(file)):
        pass
    async with open_hub(load_settings(file)) as hub, reading(hub.database) as tx:
        rows = (await tx.execute(select(service_class.c.name, service_class.c.maximum_outage_minutes))).all()

    classes = default_policy().service_classes
    assert dict(rows) == {name: wanted.maximum_outage_minutes for name, wanted in classes.items()}
    assert len(rows) >= 2


async def test_a_configured_policy_with_mistakes_stops_only_a_hub_that_would_have_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file, policy = tmp_path / "connector.toml", tmp_path / "policy.yaml"
    file.write_text('database = "sqlite:///hub.db"\npolicy = "policy.yaml"\n')
    policy.write_text("name: [")
    with pytest.raises(InvalidPolicy, match=r"policy\.yaml"):
        async with open_hub(load_settings(file), takes_policy=True):
            pass

    policy.write_text(default_policy_text())
    async with open_hub(load_settings(file), takes_policy=True):
        pass
    policy.write_text("name: [")
    async with open_hub(load_settings(file), takes_policy=True) as hub, reading(hub.database) as tx:
        assert (await hub.policy.now(tx)).version == default_policy().version

    assert "the active policy stays, for the configured one cannot be used" in caplog.text


async def test_an_active_policy_that_this_hub_cannot_use_is_told_once_it_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file = tmp_path / "connector.toml"
    file.write_text('database = "sqlite:///hub.db"\n')
    answering = asyncio.Event()

    async with open_hub(load_settings(file)) as hub:
        async with transaction(hub.database) as tx:
            await tx.execute(update(tables.policy).values(text="name: of-another-version"))
        async with running(hub, answering):
            answering.set()

            async def is_told() -> bool:
                return "nothing is sourced until another policy is activated" in caplog.text

            await eventually(is_told)


@pytest.mark.parametrize(("federation", "asked"), [("true", "_service"), ("false", None)])
async def test_a_hub_is_a_subgraph_where_it_is_configured_to_be(tmp_path: Path, federation: str, asked: str | None):
    file = tmp_path / "connector.toml"
    file.write_text(f'database = "sqlite:///hub.db"\n[auth]\nanonymous = true\n[graphql]\nfederation = {federation}\n')

    async with open_hub(load_settings(file)) as hub, running(hub, asyncio.Event()) as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = (await client.post("/graphql", json={"query": "{ _service { sdl } }"})).json()

    assert next(iter(answer.get("data") or ()), None) == asked


async def test_where_nothing_is_configured_nobody_comes_in_unasked(tmp_path: Path):
    file = tmp_path / "connector.toml"
    file.write_text('database = "sqlite:///hub.db"\n')

    async with open_hub(load_settings(file)) as hub, running(hub, asyncio.Event()) as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.post("/graphql", json={"query": "{ me { name } }"})

    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")


async def test_a_supplier_whose_source_is_gone_is_told_once_the_hub_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file = tmp_path / "connector.toml"
    file.write_text('database = "sqlite:///hub.db"\n')
    through_a_source = default_policy_text().replace("    warranty:\n", "    warranty:\n      via: buyers\n")
    answering = asyncio.Event()

    async with open_hub(load_settings(file)) as hub:
        async with transaction(hub.database) as tx:
            await tx.execute(update(tables.policy).values(text=through_a_source))
        async with running(hub, answering):
            answering.set()

            async def is_told() -> bool:
                return "nothing is ordered from these suppliers of the active policy" in caplog.text

            await eventually(is_told)

    assert "sourcing.suppliers.warranty.via: there is no source 'buyers'" in caplog.text
