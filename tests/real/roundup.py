"""A real Roundup tracker on the loopback address, with issues that are about devices.

    python -m tests.real.roundup up|down|wipe

Roundup comes from PyPI and keeps its data in SQLite. Its template `classic` has two more properties of an issue.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.real.install import python_environment
from tests.real.server import LOOPBACK, Server, SetUpFailed, command_line

VERSION = "2.6.0"
PROGRAM = Path(__file__).parent / "inside" / "roundup_program.py"
USERS = {"hub": "UTC", "hub-in-berlin": "Europe/Berlin"}
"""The hub's users, and the time zones of their settings: Roundup reads the times in queries in these."""
PEOPLE = "anna"
LINK = '                assignedto=Link("user"),\n'
PROPERTIES = "                serial=String(),\n                site=String(),\n"


@dataclass(frozen=True, slots=True)
class Roundup:
    """Where it is served, and the password of its users."""

    url: str
    password: str
    durations: dict[str, float]

    def __str__(self) -> str:
        return f"ROUNDUP_URL={self.url}\nROUNDUP_USER=hub\nROUNDUP_PASSWORD={self.password}"

    def client(self) -> httpx.Client:
        """A client of its REST interface, for what people do."""
        headers = {"X-Requested-With": "tests", "Origin": self.url}
        return httpx.Client(
            base_url=f"{self.url}/rest/data/", auth=(PEOPLE, self.password), headers=headers, timeout=60
        )

    def add_issue(self, **properties: str) -> str:
        """A new issue; its id."""
        with self.client() as client:
            answer = client.post("issue", json={"status": "unread", "priority": "urgent", **properties})
            return str(answer.raise_for_status().json()["data"]["id"])

    def issue(self, number: str) -> dict[str, object]:
        """The properties of an issue, with the names of what is linked."""
        with self.client() as client:
            answer = client.get(f"issue/{number}", params={"@verbose": 2, "@protected": "true"}).raise_for_status()
            found: dict[str, object] = answer.json()["data"]["attributes"]
            return found

    def change(self, number: str, **properties: str) -> None:
        """Change an issue as it is now."""
        with self.client() as client:
            tag = client.get(f"issue/{number}").raise_for_status().headers["etag"]
            client.patch(f"issue/{number}", json=properties, headers={"If-Match": tag}).raise_for_status()


def up() -> Roundup:
    """Install, fill and start it, as far as that is still to be done."""
    server = Server("roundup")
    bin_ = python_environment(server, f"roundup=={VERSION}", "pytz")
    port = server.port("web")
    url, password = f"http://{LOOPBACK}:{port}", server.secret("password", 16)
    tracker = server.directory / "tracker"
    server.once("tracker", lambda: _make_tracker(server, bin_, tracker, url, password), for_=f"{VERSION} at {url}")
    system = Roundup(url, password, server.durations)
    server.start("web", bin_ / "python", PROGRAM, tracker, str(port), ready=lambda: _answers(url))
    return system


def down() -> None:
    """Stop what was started."""
    Server("roundup").stop("web")


def wipe() -> None:
    """Stop it and remove everything that was made."""
    down()
    Server("roundup").wipe()


def _make_tracker(server: Server, bin_: Path, tracker: Path, url: str, password: str) -> None:
    server.stop("web")
    shutil.rmtree(tracker, ignore_errors=True)
    settings = {
        "tracker_web": f"{url}/", "mail_domain": "example.com", "mail_host": "localhost",
        "mail_debug": str(server.directory / "mail.txt"), "web_secret_key": server.secret("key", 32),
    }  # fmt: skip
    admin = (bin_ / "roundup-admin", "-i", tracker)
    given = ",".join(f"{name}={value}" for name, value in settings.items())
    server.run("install", *admin, "install", "classic", "sqlite", given)
    schema = tracker / "schema.py"
    text = schema.read_text(encoding="utf-8")
    if text.count(LINK) != 1:
        raise SetUpFailed(f"roundup: {schema} is not the template that it was")
    schema.write_text(text.replace(LINK, LINK + PROPERTIES), encoding="utf-8")
    server.run("initialise", *admin, "initialise", password)
    for name, zone in [*USERS.items(), (PEOPLE, "UTC")]:
        given_user = (f"username={name}", f"password={password}", f"address={name}@example.com", f"timezone={zone}")
        server.run(f"user-{name}", *admin, "create", "user", *given_user, "roles=User")


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/rest/", timeout=30).status_code < 500
    return False


if __name__ == "__main__":
    command_line(up, down, wipe)
