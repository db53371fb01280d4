"""`connector events` as people use it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.composition.test_cli import here, run, run_json, undisturbed_logging

from connector.model.errors import InvalidConfiguration
from connector.settings.loading import load_settings

__all__ = ["here", "undisturbed_logging"]

SECRET = "whsec_" + "QUJD" * 12
PORTAL = """
[events.portal]
url = "{url}"
secret = {{ env = "PORTAL_SECRET" }}
roles = ["viewer"]
"""


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that answers every post so."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/events"
        server.shutdown()
        thread.join()


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_SECRET", SECRET)


def configure(here: Path, url: str) -> None:
    file = here / "connector.toml"
    file.write_text((file.read_text() if file.exists() else "") + PORTAL.format(url=url))


@pytest.mark.usefixtures("secret")
def test_an_endpoint_is_tried_listed_replayed_and_its_dead_letters_discarded(here: Path):
    with answering(204) as url:
        configure(here, url)
        before = run("events", "list")
        tried = run("events", "test", "portal")
        listed = run_json("events", "list")
    replayed = run("events", "replay", "portal", "--after", "0")
    again = run("events", "replay", "portal", "--since", "2020-01-01T00:00:00Z")
    dead = run("events", "replay", "portal", "--dead")

    assert (before.exit_code, before.stdout) == (0, "No endpoint has been told of anything yet.\n")
    assert (tried.exit_code, tried.stdout) == (0, "portal took it.\n")
    assert [(item["name"], item["waiting"], item["dead"]) for item in listed] == [("portal", 0, 0)]
    assert replayed.stdout == again.stdout == "portal is told again of everything after position 0.\n"
    assert dead.stdout == "0 dead letters are tried again.\n"
    assert run("events", "discard", "portal").stdout == "0 dead letters are forgotten.\n"
    assert run("events", "show", "portal").stdout == "portal has no dead letters.\n"


@pytest.mark.usefixtures("secret")
def test_what_cannot_be_done_is_refused_without_address_or_secret(here: Path):
    with answering(500) as url:
        configure(here, url)
        failed = run("events", "test", "portal")
    both = run("events", "replay", "portal")
    unknown = run("events", "show", "elsewhere")
    ahead = run("events", "replay", "portal", "--after", "99999")
    no_time = run("events", "replay", "portal", "--since", "yesterday")

    assert (failed.exit_code, failed.stderr) == (1, "portal did not take it: answered 500\n")
    assert (both.exit_code, "one of --after, --since and --dead is needed" in both.stderr) == (2, True)
    assert (unknown.exit_code, "there is no endpoint 'elsewhere'" in unknown.stderr) == (3, True)
    assert (ahead.exit_code, "position 99999 lies ahead of the log" in ahead.stderr) == (2, True)
    assert (no_time.exit_code, "'yesterday' is no time" in no_time.stderr) == (2, True)
    told = "".join(each.output for each in (failed, both, unknown, ahead, no_time))
    assert (SECRET in told, "/events" in told) == (False, False)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('url = "http://portal.example.com/events"', "must begin with https://"),
        ('url = "https://user:word@portal.example.com/"', "holds a user, a query or a fragment"),
        ('url = "https://portal.example.com/?key=1"', "holds a user, a query or a fragment"),
        ('secret = "short"', "is no secret of Standard Webhooks"),
        ('kinds = ["asset"]', "'asset' cannot be told of, only approval, incident_group"),
        ("roles = []", "at least 1 item"),
    ],
)
def test_what_cannot_be_used_is_refused_at_the_start(tmp_path: Path, line: str, problem: str):
    values = {
        "url": 'url = "https://portal.example.com/events"',
        "secret": f'secret = "{SECRET}"',
        "roles": 'roles = ["viewer"]',
    }
    values[line.split(" ")[0]] = line
    file = tmp_path / "connector.toml"
    file.write_text("[events.portal]\n" + "\n".join(values.values()))

    with pytest.raises(InvalidConfiguration) as refused:
        load_settings(file)

    assert f"events.portal.{line.split(' ')[0]}: " in refused.value.message
    assert problem in refused.value.message
    assert "word" not in refused.value.message
