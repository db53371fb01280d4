"""`SOURCES.md`: what is read from it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.sdk.testing import PayloadKind, PayloadSource, payload_sources
from connector.sdk.testing.bench import Broken
from connector.sdk.testing.payloads import payloads_in, require_sources

HEAD = "| payload | kind | source | changed |\n| --- | --- | --- | --- |\n"
GOOD = "| sites.json | recorded | Acme Desk 4.2.1, started from its image | nothing |\n"


def folder_with(tmp_path: Path, sources: str | None) -> Path:
    """A folder with one payload, what is expected of it, and the file of sources."""
    folder = tmp_path / "payloads"
    folder.mkdir()
    (folder / "sites.json").write_text("{}")
    (folder / "sites.expected.json").write_text("[]")
    (tmp_path / "README.md").write_text("The format.\n")
    if sources is not None:
        (folder / "SOURCES.md").write_text(sources)
    return folder


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("recorded", "Acme Desk 4.2.1, started from its image"),
        ("recorded", "https://github.com/acme/desk-client, tests/cassettes/list.yaml at 8fcf5e4"),
        ("example", "https://acme.example/docs"),
        ("written", "after https://acme.example/docs"),
        ("own", "[README](../README.md#format)"),
    ],
)
def test_a_source_that_can_be_looked_up_is_taken(tmp_path: Path, kind: str, source: str):
    row = f"| sites.json | {kind} | {source} | cut \\| shortened |\n"
    folder = folder_with(tmp_path, f"# Sources\n\n{HEAD}{row}\nMore.\n")

    require_sources(folder)

    assert payload_sources(folder) == [PayloadSource("sites.json", PayloadKind(kind), source, "cut | shortened")]


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        (None, "there is no SOURCES.md in 'payloads': say where each payload comes from"),
        ("made up\n", "SOURCES.md has no table | payload | kind | source | changed |"),
        ("| file | source |\n|---|---|\n", "SOURCES.md has no table | payload | kind | source | changed |"),
        (HEAD, "sites.json has no row in SOURCES.md: say where it comes from"),
        (HEAD + GOOD + GOOD, "sites.json has 2 rows in SOURCES.md: leave one"),
        (
            HEAD + GOOD + GOOD.replace("sites", "gone"),
            "SOURCES.md names 'gone.json', which is not beside it: take the row out",
        ),
        (
            HEAD + "| sites.json | recorded | Acme Desk 4.2.1 | |\n",
            "give payload, kind, source, changed; where nothing was changed, say so",
        ),
        (HEAD + "| sites.json | recorded | Acme Desk 4.2.1 |\n", "has a row 'sites.json | recorded | Acme Desk 4.2.1'"),
        (
            HEAD + "| sites.json | real | Acme Desk 4.2.1 | nothing |\n",
            "sites.json is 'real': choose one of recorded, example, written, own",
        ),
        (
            HEAD + "| sites.json | recorded | a customer's desk | nothing |\n",
            "give the address where it is published, or name product and version of the server that said it",
        ),
        (
            HEAD + "| sites.json | example | the manual, 4.2 | nothing |\n",
            "sites.json, which is example, 'the manual, 4.2': give the address of the vendor's description",
        ),
        (HEAD + "| sites.json | written | https:// | nothing |\n", "give the address of the vendor's description"),
        (
            HEAD + "| sites.json | own | [README](../READMORE.md) | nothing |\n",
            "link the file of the package that describes the format, as [README](../README.md)",
        ),
        (HEAD + "| sites.json | own | [page](https://acme.example/) | nothing |\n", "link the file of the package"),
    ],
)
def test_a_source_that_is_missing_or_nobody_could_look_up_is_refused(tmp_path: Path, sources: str | None, says: str):
    folder = folder_with(tmp_path, sources)

    with pytest.raises(Broken) as raised:
        require_sources(folder)

    assert says in str(raised.value)


def test_what_is_expected_and_the_sources_themselves_are_no_payloads(tmp_path: Path):
    folder = folder_with(tmp_path, HEAD + GOOD)

    assert [path.name for path in payloads_in(folder)] == ["sites.json"]
