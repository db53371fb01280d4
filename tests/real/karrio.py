"""A real Karrio server on the loopback address, with a carrier that draws its labels offline, prices, and tracking.

    python -m tests.real.karrio up|down|wipe

Karrio comes from PyPI and keeps its data in SQLite. Its worker polls trackers once a minute and posts webhooks.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.real.install import python_environment
from tests.real.server import LOOPBACK, Server, SetUpFailed, command_line

VERSION = "2026.1.32"
# Not among them: karrio-server-documents, which fetches a style sheet from the internet when it is imported.
PARTS = ("server", "server-manager", "server-proxy", "server-events", "server-pricing", "server-graph",
         "server-orders", "server-data", "generic", "dhl-universal")  # fmt: skip
PROGRAM = Path(__file__).parent / "inside" / "karrio_program.py"
CARRIER = "testpost"
TRACKING_CARRIER = "dhl_universal"


@dataclass(frozen=True, slots=True)
class Service:
    """What the carrier offers anywhere in the world, with its price in US cents."""

    name: str
    code: str
    transit_days: int
    cents: int


SERVICES = (
    Service("Same Day", "testpost_same_day", 0, 24_000),
    Service("Express", "testpost_express", 1, 8_950),
    Service("Ground", "testpost_ground", 3, 2_490),
)


@dataclass(frozen=True, slots=True)
class Karrio:
    """Where it is served, its administrator's token, and the tracking feed that it asks."""

    url: str
    token: str
    feed_url: str
    durations: dict[str, float]

    def __str__(self) -> str:
        return f"KARRIO_URL={self.url}\nKARRIO_TOKEN={self.token}\nTRACKING_FEED_URL={self.feed_url}"

    def client(self) -> httpx.Client:
        """A client of its REST interface."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Token {self.token}"}, timeout=60)

    def post_webhooks_to(self, url: str) -> str:
        """Have all events posted to one address, and to no other; the secret that Karrio sends along."""
        with self.client() as client:
            for webhook in client.get("/v1/webhooks").raise_for_status().json()["results"]:
                client.delete(f"/v1/webhooks/{webhook['id']}").raise_for_status()
            made = client.post("/v1/webhooks", json={"url": url, "enabled_events": ["all"], "description": "hub"})
            return str(made.raise_for_status().json()["secret"])


def up() -> Karrio:
    """Install, fill and start it, as far as that is still to be done."""
    server = Server("karrio")
    bin_ = python_environment(server, *(f"karrio-{part}=={VERSION}" for part in PARTS))
    python = bin_ / "python"
    feed_port, port = server.port("feed"), server.port("web")
    feed_url, url = f"http://{LOOPBACK}:{feed_port}", f"http://{LOOPBACK}:{port}"
    environment = _environment(server, feed_url)

    def migrate() -> None:
        server.run("migrate", bin_ / "karrio", "migrate", env=environment)
        with closing(sqlite3.connect(environment["DATABASE_NAME"])) as database:
            # Web server and worker write side by side, and lock each other out without this.
            database.execute("PRAGMA journal_mode = WAL")

    server.once("migrate", migrate, for_=f"{VERSION} in WAL mode")
    made = server.run("token", python, PROGRAM, "token", env=environment)
    token = made.rpartition("TOKEN ")[2].strip()
    root = Path(__file__).parents[2]
    feed = (sys.executable, "-m", "tests.real.tracking_feed", str(feed_port))
    server.start("feed", *feed, env={"PYTHONPATH": str(root)}, ready=lambda: _answers(f"{feed_url}/track/shipments"))
    server.start("web", python, PROGRAM, "serve", str(port), env=environment, ready=lambda: _answers(url))
    server.start("worker", python, PROGRAM, "work", env=environment, ready=lambda: True)
    system = Karrio(url, token, feed_url, server.durations)
    server.once("carriers", lambda: _add_carriers(system), for_=VERSION)
    return system


def down() -> None:
    """Stop what was started."""
    server = Server("karrio")
    for name in ("worker", "web", "feed"):
        server.stop(name)


def wipe() -> None:
    """Stop it and remove everything that was made."""
    down()
    Server("karrio").wipe()


def _environment(server: Server, feed_url: str) -> dict[str, str]:
    work = server.directory / "work"
    work.mkdir(exist_ok=True)
    return {
        "SECRET_KEY": server.secret("secret-key", 32),
        "DEBUG_MODE": "True",
        "WORK_DIR": str(work),
        "LOG_DIR": str(work),
        "STATIC_ROOT_DIR": str(work / "static"),
        "DATABASE_ENGINE": "sqlite3",
        "DATABASE_NAME": str(work / "karrio.sqlite3"),
        "TRACKING_PULSE": "5",
        "ALLOW_SIGNUP": "False",
        "ADMIN_EMAIL": "admin@example.com",
        "ADMIN_PASSWORD": server.secret("password", 16),
        "TRACKING_FEED_URL": feed_url,
    }


def _add_carriers(system: Karrio) -> None:
    with system.client() as client:
        carrier = client.post("/v1/connections", json={
            "carrier_name": "generic", "carrier_id": CARRIER, "active": True,
            "credentials": {"display_name": CARRIER, "custom_carrier_name": CARRIER,
                            "account_country_code": "US", "account_number": "A1"},
        }).raise_for_status().json()  # fmt: skip
        client.post("/v1/connections", json={
            "carrier_name": TRACKING_CARRIER, "carrier_id": "tracking", "active": True,
            "credentials": {"consumer_key": "none", "consumer_secret": "none"},
        }).raise_for_status()  # fmt: skip
        services = [
            {"service_name": item.name, "service_code": item.code, "currency": "USD",
             "transit_days": item.transit_days, "active": True, "domicile": True, "international": True,
             "zone_ids": ["world"], "max_weight": 70.0, "weight_unit": "KG"}
            for item in SERVICES
        ]  # fmt: skip
        _graphql(
            client,
            "mutation Prices($input: CreateRateSheetMutationInput!) "
            "{ create_rate_sheet(input: $input) { rate_sheet { id } errors { field messages } } }",
            {
                "name": "testpost prices", "carrier_name": "generic", "carriers": [carrier["id"]],
                "services": services, "zones": [{"id": "world", "label": "World", "country_codes": []}],
                "service_rates": [
                    {"service_id": f"temp-{index}", "zone_id": "world", "rate": item.cents / 100}
                    for index, item in enumerate(SERVICES)
                ],
            },
        )  # fmt: skip


def _graphql(client: httpx.Client, query: str, given: dict[str, object]) -> dict[str, Any]:
    answer = client.post("/graphql", json={"query": query, "variables": {"input": given}}).raise_for_status().json()
    failed = answer.get("errors") or [item for part in answer["data"].values() for item in part.get("errors") or ()]
    if failed:
        raise SetUpFailed(f"karrio: GraphQL answered {failed}")
    data: dict[str, Any] = answer["data"]
    return data


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url, headers={"Accept": "application/json"}, timeout=30).status_code < 500
    return False


if __name__ == "__main__":
    command_line(up, down, wipe)
