"""A real Request Tracker 5 on the loopback address, with a queue, a catalog of assets, their custom fields
and the tickets of past months.

    python -m tests.real.request_tracker up|down|wipe

It comes as Debian packages, which root installs; its database and settings are its own, nothing below /etc is used.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from connector.demo.fleet import demo_fleet
from tests.real.install import debian_packages
from tests.real.server import LOOPBACK, Server, SetUpFailed, command_line

PACKAGES = ("request-tracker5", "rt5-db-sqlite", "rt5-standalone", "starman")
ANSWERS = (
    "request-tracker5 request-tracker5/rtname string itsm.test",
    "request-tracker5 request-tracker5/organization string itsm.test",
    "request-tracker5 request-tracker5/install-cronjobs boolean false",
    "request-tracker5 request-tracker5/dbconfig-install boolean false",
)
SHARE = Path("/usr/share/request-tracker5")
INSIDE = Path(__file__).parent / "inside"
README = Path(__file__).parents[2] / "adapters" / "connector_request_tracker" / "README.md"
EXAMPLE_URL = "https://connector.example.com/webhooks/itsm"
EXAMPLE_SECRET = "the webhook_secret"
QUEUE = "Hardware"
ORDER_QUEUE = "Purchasing"
CATALOG = "Network devices"
PLACES = {"Hamburg": (53.55, 10.0), "Vienna": (48.21, 16.37), "Depot Berlin": (52.52, 13.4)}
"""Those that the assets' field `Site` may name."""
LIFECYCLE = """
Set(%Lifecycles, devices => {
    type => 'asset', initial => ['new'], active => ['allocated', 'in-use', 'defective'],
    inactive => ['recycled', 'stolen', 'deleted'], defaults => { on_create => 'new' },
    transitions => {
        '' => ['new', 'allocated', 'in-use'], new => ['allocated', 'in-use', 'stolen', 'deleted'],
        allocated => ['in-use', 'defective', 'recycled', 'stolen', 'deleted'],
        'in-use' => ['allocated', 'defective', 'recycled', 'stolen', 'deleted'],
        defective => ['allocated', 'recycled', 'deleted'], recycled => ['allocated'], stolen => ['allocated'],
        deleted => ['allocated'],
    },
    rights => { '* -> *' => 'ModifyAsset' },
});
"""
"""That of assets as it is delivered, with a status for what failed, as the adapter's README asks for."""
USER = "hub"
WORKERS = 2
PAST_TICKETS = 240
SEED = 20261125
COMPLAINTS = (
    "does not power on", "fan is loud and stops", "ports 1 to 12 lose their link", "restarts by itself",
    "PSU failed", "no longer answers", "memory errors in the log", "overheats",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RequestTracker:
    """Where it is served, the token of the hub's user, and the password of root."""

    url: str
    token: str
    queue: str
    password: str
    durations: dict[str, float]

    def __str__(self) -> str:
        return f"RT_URL={self.url}\nRT_TOKEN={self.token}\nRT_QUEUE={self.queue}"

    def client(self) -> httpx.Client:
        """A client of its REST interface, for what people do, as root: the hub's user may do less."""
        return httpx.Client(base_url=f"{self.url}/REST/2.0/", auth=("root", self.password), timeout=60)

    def reject_open_incidents(self) -> None:
        """Put an end to the P1 tickets that an earlier run left open: a new hub would send spares for them."""
        query = f"Queue = '{self.queue}' AND Status = '__Active__' AND CF.{{Hub Priority}} = 'P1'"
        with self.client() as client:
            found = client.get("tickets", params={"query": query, "per_page": 100}).raise_for_status().json()
            for ticket in found["items"]:
                client.put(f"ticket/{ticket['id']}", json={"Status": "rejected"}).raise_for_status()

    def post_webhooks_to(self, url: str, secret: str) -> None:
        """Install the scrip of the adapter's README, for the given address and secret."""
        _perl(
            Server("request_tracker"), "hook", "request_tracker_hook.pl", {"HOOK_CODE": documented_scrip(url, secret)}
        )


def up() -> RequestTracker:
    """Install, fill and start it, as far as that is still to be done."""
    server = Server("request_tracker")
    debian_packages(server, *PACKAGES, answers=ANSWERS)
    port = server.port("web")
    url = f"http://{LOOPBACK}:{port}"
    _write_settings(server, url, port)
    scripts = [(INSIDE / name).read_bytes() for name in ("request_tracker_seed.pl", "RealPaths.pm")]
    made_by = sha256(b"".join(scripts) + LIFECYCLE.encode()).hexdigest()
    server.once("database", lambda: _make_database(server), for_=made_by)
    token_file, password = server.directory / "token", server.secret("password", 16)

    def seed() -> None:
        given = {
            "RT_QUEUE": QUEUE, "RT_ORDER_QUEUE": ORDER_QUEUE, "RT_CATALOG": CATALOG, "RT_PLACES": ";".join(PLACES),
            "RT_USER": USER, "ROOT_PASSWORD": password,
        }  # fmt: skip
        token_file.write_text(_perl(server, "seed", "request_tracker_seed.pl", given).split()[-1])
        token_file.chmod(0o600)

    server.once("seed", seed, for_=made_by)
    system = RequestTracker(url, token_file.read_text(), QUEUE, password, server.durations)
    starman = ("starman", "-MRealPaths", "--listen", f"{LOOPBACK}:{port}", "--workers", str(WORKERS))
    server.start(
        "web", *starman, SHARE / "libexec" / "rt-server", env=_environment(server), ready=lambda: _answers(system)
    )
    server.once("tickets", lambda: _add_past_tickets(system), for_=made_by)
    return system


def down() -> None:
    """Stop what was started."""
    Server("request_tracker").stop("web")


def wipe() -> None:
    """Stop it and remove everything that was made; the Debian packages stay."""
    down()
    Server("request_tracker").wipe()


def documented_scrip(url: str, secret: str) -> str:
    """The commit code that the adapter's README tells the administrator to use. Raises SetUpFailed."""
    code = README.read_text(encoding="utf-8").partition("```perl\n")[2].partition("```")[0]
    for example, value in {EXAMPLE_URL: url, EXAMPLE_SECRET: secret}.items():
        if code.count(f"'{example}'") != 1:
            raise SetUpFailed(f"request_tracker: the scrip in {README} does not have {example!r} in one place")
        code = code.replace(f"'{example}'", f"'{value}'")
    return code


def past_tickets() -> list[dict[str, Any]]:
    """Tickets as they are created: most of them done, on devices of the fleet."""
    chance = random.Random(SEED)  # noqa: S311 - a reproducible choice, not a secret
    devices = [device for device in demo_fleet().devices if not device.is_spare]
    tickets = []
    for number in range(PAST_TICKETS):
        device = chance.choice(devices)
        is_open = number % 20 == 0
        tickets.append(
            {
                "Queue": QUEUE,
                "Subject": f"{device.name}: {chance.choice(COMPLAINTS)}",
                "Content": f"{device.model.manufacturer} {device.model.model} at {device.place.name}",
                "Status": "open" if is_open else "resolved",
                "CustomFields": {
                    "Asset Tag": device.asset_tag,
                    "Serial Number": device.serial,
                    "Hostname": device.name,
                    "Site": device.place.name,
                    "Category": "Software update" if is_open else "Hardware",
                    "Hub Priority": chance.choice(("P2", "P3", "P4")),
                },
            }
        )
    return tickets


def _add_past_tickets(system: RequestTracker) -> None:
    with system.client() as client:
        tickets = past_tickets()
        for start in range(0, len(tickets), 60):
            answer = client.post("tickets/bulk", json=tickets[start : start + 60], timeout=300).raise_for_status()
            refused = [item for item in answer.json() if "id" not in item]
            if refused:
                raise SetUpFailed(f"request_tracker: {len(refused)} tickets were refused, the first: {refused[0]}")


def _write_settings(server: Server, url: str, port: int) -> None:
    state = server.directory
    for part in ("conf.d", "mason", "sessions"):
        (state / part).mkdir(exist_ok=True)
    settings = {
        "rtname": "itsm.test",
        "Organization": "itsm.test",
        "Timezone": "UTC",
        "WebDomain": LOOPBACK,
        "WebPort": port,
        "WebBaseURL": url,
        "WebURL": f"{url}/",
        "WebPath": "",
        "DatabaseType": "SQLite",
        "DatabaseName": str(state / "rt.db"),
        "DatabaseUser": "rt",
        "DatabasePassword": "none",
        "WebSessionClass": "Apache::Session::File",
        "BcryptCost": 4,  # the token is hashed at every request: 12, the default, makes that 0.4 s
        "MailCommand": "testfile",
        "LogToSTDERR": "warning",
        "RestrictReferrer": 0,
        "DevelMode": 0,
        "EnablePriorityAsString": 0,
    }
    lines = [f"Set(${name}, {value if isinstance(value, int) else repr(value)});" for name, value in settings.items()]
    (state / "RT_SiteConfig.pm").write_text("\n".join([*lines, "Set($LogToSyslog, undef);", LIFECYCLE, "1;", ""]))


def _make_database(server: Server) -> None:
    server.stop("web")
    (server.directory / "rt.db").unlink(missing_ok=True)
    program = ("rt-setup-database-5", "--action", "init", "--dba", "rt", "--dba-password", "none")
    server.run("database", *program, env=_environment(server))


def _perl(server: Server, step: str, script: str, given: dict[str, str]) -> str:
    return server.run(step, "perl", f"-I{SHARE / 'lib'}", INSIDE / script, env=_environment(server) | given)


def _environment(server: Server) -> dict[str, str]:
    return {
        "RT_SITE_CONFIG": str(server.directory / "RT_SiteConfig.pm"),
        "RT_SITE_CONFIG_DIR": str(server.directory / "conf.d"),
        "RT_STATE": str(server.directory),
        "PERL5LIB": f"{SHARE / 'lib'}:{INSIDE}",
    }


def _answers(system: RequestTracker) -> bool:
    with suppress(httpx.TransportError), system.client() as client:
        return client.get("rt").status_code == httpx.codes.OK
    return False


if __name__ == "__main__":
    command_line(up, down, wipe)
