"""`connector policy backtest`, on the files of docs/examples and on what people really export."""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from connector.cli import app
from connector.cli.backtest_files import HUB_COLUMNS, SHELF_COLUMNS, TICKET_COLUMNS
from connector.planning.measures import MEASURES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "backtest.md").read_text(encoding="utf-8")
(COMMAND,) = re.findall(r"^\$ connector (policy backtest .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example."""
    directory = tmp_path / "example"
    shutil.copytree(DOCS / "examples" / "backtest", directory)
    monkeypatch.chdir(directory)
    return directory


def run(*arguments: str) -> Result:
    given = [*shlex.split(COMMAND), *arguments]
    return CliRunner().invoke(app, given, env={"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"})


def answer(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def shuffle(path: Path, seed: int) -> None:
    head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    random.Random(seed).shuffle(rows)  # noqa: S311
    path.write_text(head + "".join(rows), encoding="utf-8")


def test_the_example_of_the_page_compares_two_policies_in_tables_files_and_a_plot(here: Path):
    result = run()

    assert result.exit_code == 0, result.output
    assert re.search(r"^SLA attainment +\d+\.\d% +\d+\.\d% +[+-]\d+\.\d points$", result.stdout, re.MULTILINE)
    table = result.stdout.partition("By region")[2]
    assert re.search(r"^EU-North +\d+\.\d% → \d+\.\d%( +[\d,]+ → [\d,]+){4} *$", table, re.MULTILINE)
    assert "emergency" in table
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "41 tickets, seed 7" in result.stdout
    assert {path.name for path in (here / "result").iterdir()} == {
        "backtest.json", "backtest.svg", "days.csv", "measures.csv",
    }  # fmt: skip
    assert "result/backtest.svg" in result.stderr.splitlines()[-1]
    plot = (here / "result" / "backtest.svg").read_text(encoding="utf-8")
    assert "parcels-only@" in plot
    assert "Stock on hand" in plot
    assert "Restored in time, by region" in plot
    assert "EU-North" in plot


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(here: Path):
    def files(*arguments: str) -> dict[str, bytes]:
        assert run(*arguments).exit_code == 0
        return {path.name: path.read_bytes() for path in (here / "result").iterdir()}

    first = files()
    again = files()
    other = files("--seed", "8")

    assert again == first
    assert other["backtest.json"] != first["backtest.json"]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_rows_does_not_matter(here: Path, seed: int):
    before = answer()
    for name in ("tickets.csv", "stock.csv", "lead_times.csv", "substitutes.csv"):
        shuffle(here / name, seed)

    assert answer() == before


def test_rows_that_cannot_be_used_are_told_with_line_and_reason_and_left_out(here: Path):
    history = here / "tickets.csv"
    place = "Lab,EU,45.46,9.19,Europe/Rome"
    with history.open("a", encoding="utf-8") as file:
        file.write(f"INC-1,yesterday,Acme X1,P1,incident,hardware,dead,{place},critical\n")
        file.write(f"INC-2,2026-10-01T09:00:00,Acme X1,P1,incident,hardware,dead,{place},critical\n")
        file.write(f"INC-3,2026-10-01T09:00:00Z,Acme X1,P9,incident,hardware,dead,{place},critical\n")
        file.write(f"INC-4,2026-10-01T09:00:00Z,Acme X1,P1,incident,hardware,dead,{place},critcal\n")
        file.write(f"INC-5,2026-10-01T09:00:00Z,,P1,incident,hardware,dead,{place},critical\n")
        file.write("INC-6,2026-10-01T09:00:00Z,Acme X1,P1,incident,hardware,dead,Lab,EU,95,9.19,UTC,critical\n")
        file.write(f"INC-1001,2026-12-01T09:00:00Z,Acme X1,P1,incident,hardware,dead,{place},critical\n")
        file.write(f"INC-7,2026-10-01T09:00:00Z,Acme X1,P1,incident,hardware,dead,{place},critical,more\n")

    found = answer()

    assert found["tickets"] == 41
    assert [re.sub(r"latitude.*", "latitude", problem) for problem in found["left_out"]] == [
        "tickets.csv:43: opened_at: 'yesterday' is no time: write it like 2026-11-25T09:00:00Z",
        "tickets.csv:44: opened_at: '2026-10-01T09:00:00' has no time zone: write Z behind it, or give --time-zone",
        "tickets.csv:45: priority: 'P9' is not known: expected P1, P2, P3, P4, P5",
        "tickets.csv:46: service_class: 'critcal' is not defined in both policies; there are critical",
        "tickets.csv:47: product is empty",
        "tickets.csv:48: latitude",
        "tickets.csv:49: ticket 'INC-1001' stands there twice",
        "tickets.csv:50: has 14 cells, the head has 13",
    ]
    assert answer("--time-zone", "Europe/Berlin")["tickets"] == 42
    assert "8 rows are left out:" in run().stderr


def test_unknown_columns_are_named_with_the_nearest_known_one(here: Path):
    history = here / "tickets.csv"
    text = history.read_text(encoding="utf-8")
    history.write_text(text.replace(",priority,", ",prioritty,", 1), encoding="utf-8")
    note = "tickets.csv: column 'prioritty' is not known and not used: did you mean 'priority'?"
    assert note in answer()["notes"]

    history.write_text(text.replace("number,opened_at", "number,opend_at", 1), encoding="utf-8")
    result = run()

    assert result.exit_code == 2
    assert "has no column 'opened_at'; is 'opend_at' meant?" in result.stderr


def test_semicolons_and_a_byte_order_mark_are_read_as_spreadsheets_write_them(here: Path):
    before = answer()
    for name in ("tickets.csv", "stock.csv"):
        text = (here / name).read_text(encoding="utf-8").replace(",", ";")
        (here / name).write_text("\ufeff" + text, encoding="utf-8")

    assert answer() == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tickets.csv", "", "tickets.csv is empty"),
        ("stock.csv", "hub,product,quantity,tier\nBER,X,1,local\nBER,Y,1,central\n",
         "stock.csv:3: hub 'BER' has two values of tier: 'local' and 'central'"),
        ("stock.csv", "hub,product,quantity,opening_hours\nBER,X,1,whenever\n", "stock.csv: hub 'BER': "),
        ("policy.yaml", "name: x\n", "policy 'policy.yaml' has"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_with_its_place(here: Path, name: str, content: str, message: str):
    (here / name).write_text(content, encoding="utf-8")

    result = run()

    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert not (here / "result").exists()


def test_without_matplotlib_only_the_plot_is_missing(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "connector.cli.backtest_plot", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    result = run()

    assert result.exit_code == 0
    assert "no plot: matplotlib is not installed; pip install 'connector[plots]'" in result.stderr
    assert sorted(path.name for path in (here / "result").iterdir()) == ["backtest.json", "days.csv", "measures.csv"]


def test_the_present_stock_of_the_hub_is_where_a_backtest_starts_by_default(here: Path):
    (here / "sheets").mkdir()
    (here / "sheets" / "hubs.csv").write_text(
        "code,name,tier,latitude,longitude,time_zone,country\nBER,Berlin hub,local,52.52,13.405,Europe/Berlin,DE\n"
    )
    (here / "sheets" / "products.csv").write_text("manufacturer,model,tracking\nAcme,X1,counted\n")
    (here / "sheets" / "stock.csv").write_text("hub,manufacturer,model,quantity\nBER,Acme,X1,12\n")
    (here / "connector.toml").write_text(
        'database = "sqlite:///hub.db"\n[sources.sheets]\nadapter = "file"\ndirectory = "sheets"\n'
    )
    runner = CliRunner()
    synced = runner.invoke(app, ["sync", "sheets"])
    assert synced.exit_code == 0, synced.output

    given = ["policy", "backtest", "--tickets", "tickets.csv", "--policy", "policy.yaml", "--json"]
    result = runner.invoke(app, given)

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    x1 = (here / "tickets.csv").read_text(encoding="utf-8").count(",Acme X1,")
    assert found["against"]["policy_version"].startswith("default@")
    assert found["new"]["total"]["needing"] == x1 - 1  # one of them is about a password
    assert found["new"]["total"]["reviews"] == 41 - x1
    assert found["new"]["days"][0]["stock_units"] in (11, 12)
    assert any("no unit cost is known of Acme X1" in note for note in found["notes"])


def test_the_page_names_every_column_and_every_measure():
    codes = set(re.findall(r"`([a-z_]+)`", PAGE))

    assert {*TICKET_COLUMNS, *HUB_COLUMNS, *SHELF_COLUMNS, *MEASURES} - codes == set()


def test_rows_about_one_device_and_duplicates_are_read_as_such(here: Path):
    history = here / "tickets.csv"
    head, *rows = history.read_text(encoding="utf-8").splitlines()
    place = "Acme X1,P2,incident,hardware,dead,Lab,EU,45.46,9.19,Europe/Rome,critical"
    history.write_text(
        "\n".join(
            [
                f"{head},asset,duplicate_of",
                *(f"{row},," for row in rows),
                f"INC-1,2026-09-01T06:00:00Z,{place},FW 1,",
                f"INC-2,2026-09-01T06:00:00Z,{place},fw-1,",
                f"INC-3,2026-09-01T06:01:00Z,{place},,INC-1",
            ]
        ),
        encoding="utf-8",
    )

    found = answer()

    assert found["tickets"] == 44
    assert [found[name]["total"]["joined"] for name in ("against", "new")] == [2, 2]
