"""The README names every setting and column, and its example can be used."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from connector_file import FileConfig
from connector_file.columns import COLUMNS

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_setting_is_named():
    assert [name for name in FileConfig.model_fields if f"`{name}`" not in README] == []


def test_every_column_is_named():
    rows = {line.split("`")[1]: line for line in README.splitlines() if line.startswith("| `")}
    place = [column.name for column in COLUMNS["sites"]]

    missing = {
        (stream, column.name)
        for stream, columns in COLUMNS.items()
        for column in columns
        if column.name not in rows[stream] and not (stream == "hubs" and column.name in place)
    }

    assert missing == set()


def test_the_example_can_be_used():
    example = tomllib.loads(README.split("```toml")[1].split("```")[0])
    ((_, settings),) = example["sources"].items()

    assert settings.pop("adapter") == "file"
    assert settings.pop("schedule") == "*/15 * * * *"
    assert FileConfig.model_validate(settings).directory == Path("sheets")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"files": {"boxes": "a.csv"}}, "files: there is no stream 'boxes', only sites, hubs, products,"),
        (
            {"files": {"hubs": "a.ods"}},
            "files: 'a.ods' of hubs is neither .csv, .tsv, .txt, .xlsx, .xlsm nor .jsonl, .ndjson",
        ),
        ({"columns": {"hubs": {"colour": "Farbe"}}}, "columns: hubs has no column 'colour', only code, name, tier,"),
        ({"encoding": "latin-99"}, "encoding 'latin-99' is not known: write e.g. 'cp1252'"),
        ({"encoding": "base64"}, "encoding 'base64' is not known: write e.g. 'cp1252'"),
        ({"time_zone": "Mars/Base"}, "time zone 'Mars/Base' is not in the IANA database: write e.g. 'Europe/Berlin'"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValidationError) as raised:
        FileConfig.model_validate({"directory": "sheets", **settings})

    assert message in raised.value.errors()[0]["msg"]
