"""`connector adapters try`: a source, or a document, is looked at before anything is kept."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import Result
from typer.testing import CliRunner

import connector.cli.output  # noqa: F401 - its console keeps the width of the terminal in which it is made
from connector.cli import app

SECRET = "canary-secret-92c1"
ROWS = [
    {"id": 1, "name": f"Depot [bold]One[/] \x1b]0;owned\x07 {SECRET}", "level": "local"},
    {"id": 2, "name": "Depot Two", "level": "galactic"},
]
DOCUMENT = """\
system: Acme
base_url: {address}
auth: {{kind: bearer}}
streams:
  hubs:
    path: /hubs
    rows: data
    pages: {{kind: none}}
    id: id
    fields: {{name: name, tier: level}}
  sites:
    path: /sites
    pages: {{kind: none}}
    id: id
    fields: {{name: name}}
"""


@pytest.fixture(autouse=True)
def undisturbed_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def asked() -> list[tuple[str, str, str]]:
    """Method, path and credential of each request."""
    return []


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, str, str]]) -> Iterator[Path]:
    """A document of a system that runs; its sites are a login page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.command, self.path, self.headers.get("authorization", "")))
            body = json.dumps({"data": ROWS}) if self.path == "/hubs" else f"<html>{SECRET}</html>"
            self.send_response(200)
            self.send_header("content-type", "application/json" if self.path == "/hubs" else "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    file = tmp_path / "acme.yaml"
    file.write_text(DOCUMENT.format(address=f"http://127.0.0.1:{server.server_port}"))
    monkeypatch.setenv("ACME_TOKEN", SECRET)
    monkeypatch.chdir(tmp_path)
    yield file
    server.shutdown()
    server.server_close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"})


def test_rows_stand_beside_what_they_become(document: Path, asked: list[tuple[str, str, str]]):
    result = run("adapters", "try", str(document), "--secret-env", "ACME_TOKEN", "--json")

    sites, hubs = json.loads(result.stdout)
    assert result.exit_code == 1
    assert sites["stream"] == "sites"
    assert "is not JSON but text/html" in sites["problem"]
    assert (hubs["rows"], hubs["rejected"]) == (2, 1)
    rejected, taken = hubs["shown"]
    assert rejected["raw"] == ROWS[1]
    assert rejected["record"] is None
    assert "tier at 'level': 'galactic' is none of central, regional, local" in rejected["outcome"]
    assert taken["record"]["ref"] == {"kind": "hub", "external_id": "1"}
    assert taken["record"]["tier"] == "local"
    assert sorted(asked) == [("GET", "/hubs", f"Bearer {SECRET}"), ("GET", "/sites", f"Bearer {SECRET}")]


def test_neither_a_secret_nor_a_sign_that_a_terminal_obeys_is_shown(document: Path):
    for more in ((), ("--json",)):
        result = run("adapters", "try", str(document), "--secret-env", "ACME_TOKEN", *more)

        assert SECRET not in result.output
        assert "[redacted]" in result.output
        assert "\x1b" not in result.output
        assert "[bold]One[/]" in result.output


def test_nothing_is_written(document: Path):
    before = sorted(path.name for path in document.parent.iterdir())

    run("adapters", "try", str(document), "--secret-env", "ACME_TOKEN")

    assert sorted(path.name for path in document.parent.iterdir()) == before


def test_a_configured_source_is_tried_by_its_name(document: Path):
    (document.parent / "connector.toml").write_text(
        '[sources.acme]\nadapter = "rest"\ndefinition = "acme.yaml"\nsecret = { env = "ACME_TOKEN" }\n'
    )

    result = run("adapters", "try", "acme", "--stream", "hubs", "--rows", "1", "--json")

    assert result.exit_code == 0, result.output
    [hubs] = json.loads(result.stdout)
    assert (hubs["rows"], len(hubs["shown"])) == (2, 1)


def test_any_adapter_can_be_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "hubs.csv").write_text("code,name,latitude,longitude\nBER,Berlin hub,52.52,13.405\nNIL,Nowhere,95,13\n")
    (tmp_path / "connector.toml").write_text('[sources.sheets]\nadapter = "file"\ndirectory = "."\n')
    monkeypatch.chdir(tmp_path)

    result = run("adapters", "try", "sheets", "--stream", "hubs", "--json")
    rejected = run("adapters", "try", "sheets", "--stream", "hubs").output
    (tmp_path / "hubs.csv").write_text("code,name,latitude,longitude\nBER,Berlin hub,52.52,13.405\n")
    whole = run("adapters", "try", "sheets", "--stream", "hubs").output

    [hubs] = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (hubs["rows"], hubs["rejected"]) == (2, 1)
    assert hubs["shown"][1]["record"]["name"] == "Berlin hub"
    heads = [next(line for line in told.splitlines() if "becomes" in line) for told in (rejected, whole)]
    assert [line.strip("┃ ").split() for line in heads] == [["row", "┃", "becomes"], ["becomes"]]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nowhere",), 3, "there is no source 'nowhere'"),
        (("acme.yaml",), 1, "auth of kind bearer needs `secret`"),
        (("acme.yaml", "--secret-env", "NOT_SET"), 2, "environment variable 'NOT_SET' is not set"),
        (("acme.yaml", "--secret-env", "ACME_TOKEN", "--stream", "boxes"), 2, "there is no stream 'boxes'"),
        (("none.yaml",), 1, "1:1: 'none.yaml' cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_tried_is_said(document: Path, arguments: tuple[str, ...], code: int, said: str):
    result = run("adapters", "try", *arguments)

    assert result.exit_code == code, result.output
    assert said in " ".join(result.stderr.split())


def test_what_was_tried_is_what_a_sync_keeps(document: Path):
    """The document's path is relative to the configuration, wherever the program is started."""
    (document.parent / "connector.toml").write_text(
        'database = "sqlite:///hub.db"\n'
        '[sources.acme]\nadapter = "rest"\ndefinition = "acme.yaml"\nsecret = { env = "ACME_TOKEN" }\n'
    )
    elsewhere = document.parent / "elsewhere"
    elsewhere.mkdir()
    os.chdir(elsewhere)

    result = run("sync", "acme", "--stream", "hubs", "--config", "../connector.toml", "--json")

    assert result.exit_code == 0, result.output
    [report] = json.loads(result.stdout)
    [hubs] = report["streams"]
    assert (hubs["created"], hubs["quarantined"]) == (1, 1)
