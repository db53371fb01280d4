"""A whole hub is asked for whatever its schema allows, and for what it does not quite allow: it never fails.

For longer: CONNECTOR_FUZZ_CASES=50 CONNECTOR_FUZZ_SEED=7 pytest tests/clients/test_fuzzing.py
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.schema.nodes import TYPE_NAMES, global_id
from connector.hub import open_hub
from connector.serve import running
from connector.settings.loading import load_settings
from connector.storage.query import ENTITIES, Order, encode_cursor
from tests.api.conftest import served
from tests.api.seed import seed
from tests.clients.conftest import PATIENCE_S, python
from tests.clients.install import HERE, python_environment

SCRIPTS = HERE / "fuzzing"
CASES, SEED = os.environ.get("CONNECTOR_FUZZ_CASES"), os.environ.get("CONNECTOR_FUZZ_SEED", "1")
STEP = 12
"""Every how many root fields one is asked for in the usual run; in a longer one it is each of them."""
LONG_PATIENCE_S = 3_600

IDS = [*(global_id(name, 1) for name in TYPE_NAMES), global_id("Ticket", 2**62), "VGlja2V0OjA=", "1"]
CURSORS = [
    encode_cursor(ENTITIES["site"], (Order("id"),), [1]),
    encode_cursor(ENTITIES["ticket"], (Order("opened_at", descending=True), Order("id")), ["2026-11-25T09:00:00Z", 1]),
    encode_cursor(ENTITIES["site"], (Order("name"), Order("id")), [None, "1"]),
]
TEXTS = [*CURSORS, "INC-1", "EU", "BER", "0", "9" * 30, "%", "Mon-Fri 08:00-18:00", "name: x", "Europe/Berlin", "k1"]


@pytest.fixture(scope="session")
def fuzzer() -> Path:
    """A Python that has schemathesis."""
    return python_environment(SCRIPTS)


async def test_nothing_that_is_asked_makes_the_hub_fail(
    engine: AsyncEngine, database: str, fuzzer: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    url = engine.url.render_as_string(hide_password=False)
    (tmp_path / "connector.toml").write_text(f'database = "{url}"\n[auth]\nanonymous = true\n')
    await seed(engine)
    known = json.dumps({"ids": IDS, "texts": TEXTS})
    number = str(int(SEED) + (database == "sqlite"))
    arguments = [CASES, number, "1"] if CASES else ["2", number, str(STEP)]
    answering = asyncio.Event()

    async with (
        open_hub(load_settings(tmp_path / "connector.toml")) as hub,
        running(hub, answering) as app,
        app.router.lifespan_context(app),
        served(app) as address,
    ):
        answering.set()
        with caplog.at_level(logging.ERROR):
            program = str(SCRIPTS / "fuzz.py"), f"http://{address}/graphql", *arguments, known
            patience = LONG_PATIENCE_S if CASES else PATIENCE_S
            told = json.loads(await python(fuzzer, *program, cwd=tmp_path, patience=patience))

    assert told["faults"] == [], json.dumps(told["faults"], indent=1)
    assert "internal error" not in caplog.text
    assert told["fields"] >= 10
    assert told["codes"]["none"] > 10
    assert told["codes"]["GRAPHQL_VALIDATION_FAILED"] > 10
    assert told["codes"]["INVALID_INPUT"] > 0
