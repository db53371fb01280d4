"""The command line as people and scripts use it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

import connector.cli.output  # noqa: F401 - its console keeps the width of the terminal in which it is made
from connector import __version__
from connector.cli import app


@pytest.fixture(autouse=True)
def undisturbed_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with sheets of two hubs, a product, its stock, and a row that is wrong."""
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    (sheets / "hubs.csv").write_text(
        "code,name,tier,latitude,longitude,time_zone,country\n"
        "BER,Berlin hub,local,52.52,13.405,Europe/Berlin,DE\n"
        "HAM,Hamburg hub,regional,53.55,9.993,Europe/Berlin,DE\n"
        "NIL,Nowhere hub,local,95,13.4,Europe/Berlin,DE\n"
    )
    (sheets / "products.csv").write_text("manufacturer,model,tracking\nAcme,Dock 1,counted\n")
    (sheets / "stock.csv").write_text("hub,manufacturer,model,quantity\nBER,Acme,Dock 1,12\n")
    (tmp_path / "connector.toml").write_text(
        'database = "sqlite:///hub.db"\n[sources.sheets]\nadapter = "file"\ndirectory = "sheets"\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


def run_narrow(*arguments: str) -> Result:
    """On a terminal of 80 columns."""
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"})


def run_json(*arguments: str) -> object:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_version_is_told():
    assert run("--version").output == f"{__version__}\n"


def test_a_wrong_configuration_names_everything_and_starts_nothing(tmp_path: Path):
    file = tmp_path / "connector.toml"
    file.write_text('[server]\nport = 99999\n[sources.a]\nadapter = "nosuch"\n')

    result = run("sources", "--config", str(file))

    assert result.exit_code == 2
    assert "INVALID_CONFIGURATION" in result.stderr
    assert "server.port: Input should be less than or equal to 65535" in result.stderr
    assert "sources.a.adapter: adapter 'nosuch' is not installed. Installed are: " in result.stderr
    assert list(tmp_path.iterdir()) == [file]


def test_errors_are_json_where_json_was_asked_for(tmp_path: Path):
    result = run("sources", "--config", str(tmp_path / "nowhere.toml"), "--json")

    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "INVALID_CONFIGURATION"
    assert "does not exist" in error["message"]


def test_a_hub_without_sources_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    assert "No source is configured" in run("sources").output
    assert run_json("sources") == []


def test_a_small_team_syncs_its_sheets_and_sees_what_was_wrong(here: Path):
    (report,) = run_json("sync", "sheets")  # type: ignore[misc]
    by_stream = {stream["name"]: stream for stream in report["streams"]}
    assert report["state"] == "ok"
    assert by_stream["hubs"]["created"] == 2
    assert by_stream["hubs"]["quarantined"] == 1
    assert by_stream["stock"]["created"] == 1

    (source,) = run_json("sources")  # type: ignore[misc]
    assert (source["name"], source["state"], source["quarantined"]) == ("sheets", "ok", 1)
    assert source["freshness_seconds"] < 60

    (entry,) = run_json("quarantine", "list")  # type: ignore[misc]
    assert "hubs.csv" in entry["reason"]
    assert "95" in entry["reason"]
    shown = run("quarantine", "show", str(entry["id"]))
    assert "Nowhere hub" in shown.output


PULLED = """\
Pulled
source            stream           outcome  records  changes    quarantined
───────────────────────────────────────────────────────────────────────────
inventory-sheets  sites            pulled   0        none
inventory-sheets  hubs             pulled   3        2 created  1
"""


def test_what_a_sync_came_to_can_be_read_on_a_narrow_terminal(here: Path):
    settings = here / "connector.toml"
    settings.write_text(settings.read_text().replace("sources.sheets", "sources.inventory-sheets"))

    first = [line.rstrip() for line in run_narrow("sync").output.splitlines()]
    (here / "sheets" / "hubs.csv").write_text(
        "code,name,tier,latitude,longitude\nBER,Berlin,local,52.5,13.4\nMUC,Munich,central,48.1,11.6\n"
    )
    again = [line.rstrip() for line in run_narrow("sync", "--full").output.splitlines()]

    assert first[:5] == PULLED.splitlines()
    hubs = again.index("inventory-sheets  hubs             pulled   2        1 created, 1 updated, 1")
    assert again[hubs + 1].strip() == "deleted"
    assert max(map(len, (*first, *again))) <= 80


def test_a_plan_shows_what_a_sync_would_do_and_does_nothing(here: Path):
    run_json("sync")
    (here / "sheets" / "hubs.csv").write_text(
        "code,name,tier,latitude,longitude\nBER,Berlin,local,52.52,13.405\nMUC,Munich,central,48.1,11.6\n"
    )

    (plan,) = run_json("sync", "--plan", "--full")  # type: ignore[misc]
    shown = run_narrow("sync", "--plan", "--full").output
    short = run("sync", "--plan", "--full", "--limit", "1").output

    by_stream = {stream["stream"]: stream for stream in plan["streams"]}
    hubs = by_stream["hubs"]
    assert (hubs["records"], hubs["new"], hubs["changed"], hubs["retired"]) == (2, 1, 1, 1)
    assert {(item["operation"], item["kind"], item["name"]) for item in plan["changes"]} >= {
        ("created", "hub", "Munich"), ("updated", "hub", "Berlin"), ("retired", "hub", "Hamburg hub"),
    }  # fmt: skip
    for line in (
        "changed hub Berlin (ber)", "          name: Berlin hub \N{RIGHTWARDS ARROW} Berlin",
        "new     hub Munich (muc)", "retired hub Hamburg hub (ham)",
    ):  # fmt: skip
        assert line in shown.splitlines()
    assert f"and {len(plan['changes']) - 1:,} more changes; --json has all of them." in short
    (again,) = run_json("sync", "--plan", "--full")  # type: ignore[misc]
    assert (again["streams"], len(again["changes"])) == (plan["streams"], len(plan["changes"]))


def test_a_plan_is_kept_approved_and_done_exactly_so(here: Path):
    kept = run("sync", "--plan", "--save").output
    assert "Kept as plan 1. Next: connector plans approve 1" in kept
    (waiting,) = run_json("plans", "list")  # type: ignore[misc]
    assert (waiting["id"], waiting["source"], waiting["state"]) == (1, "sheets", "proposed")
    shown = run_narrow("plans", "show", "1").output
    assert "new     hub Berlin hub (ber)" in shown.splitlines()
    early = run("plans", "apply", "1")
    assert (early.exit_code, "only an approved one is applied" in early.stderr) == (1, True)

    assert "Next: connector plans apply 1" in run("plans", "approve", "1").output
    assert "Plan 1 is applied: source sheets was synced exactly so." in run("plans", "apply", "1").output

    assert run_json("plans", "list") == []
    (report,) = run_json("sync")  # type: ignore[misc]
    assert [s["created"] + s["updated"] + s["deleted"] for s in report["streams"]] == [0] * len(report["streams"])
    (done,) = run_json("plans", "list", "--all")  # type: ignore[misc]
    assert (done["state"], done["result"]) == ("applied", "done as planned")
    listed = [line.split() for line in run_narrow("plans", "list", "--all").output.splitlines()]
    assert ["plan", "source", "changes", "state", "made", "by"] in listed
    told = " ".join(run_narrow("plans", "show", "1").output.split())
    assert f"It reads what has changed, {done['decided_by']} decided about it: done as planned." in told


def test_a_plan_whose_source_has_drifted_is_not_applied(here: Path):
    (plan,) = run_json("sync", "--plan", "--save")  # type: ignore[misc]
    number = str(plan["id"])
    run_json("plans", "approve", number)
    (here / "sheets" / "hubs.csv").write_text("code,name,tier,latitude,longitude\nBER,Berlin,local,52.52,13.405\n")

    refused = run("plans", "apply", number)

    assert refused.exit_code != 0
    assert f"source 'sheets' has drifted since plan {number} was made" in " ".join(refused.stderr.split())
    assert run_json("plans", "list") == []
    (drifted,) = run_json("plans", "list", "--all")  # type: ignore[misc]
    assert drifted["state"] == "drifted"
    again = run("plans", "discard", number)
    assert "is drifted: only one that is proposed or approved becomes discarded" in " ".join(again.stderr.split())


def test_a_paused_source_is_not_pulled_until_it_is_resumed(here: Path):
    assert (
        "Next: connector sources resume sheets" in run("sources", "pause", "sheets", "--because", "stocktaking").output
    )

    held = run("sync", "--json")
    told = " ".join(run("sync").output.split())

    (report,) = json.loads(held.stdout)
    assert (held.exit_code, report["outcome"], report["state"], report["streams"]) == (1, "skipped", "paused", [])
    assert ": stocktaking Let it go on: connector sources resume sheets." in told
    (source,) = run_json("sources")  # type: ignore[misc]
    assert (source["state"], source["pause_reason"]) == ("paused", "stocktaking")
    assert "goes on by its schedule" in run("sources", "resume", "sheets").output
    assert "was not paused" in run("sources", "resume", "sheets").output
    config = here / "connector.toml"
    config.write_text(config.read_text().replace("[sources.sheets]\n", '[sources.sheets]\nschedule = ""\n'))
    run("sources", "pause", "sheets", "--because", "stocktaking")
    told = " ".join(run("sources", "resume", "sheets").output.split())
    assert "Source sheets is not paused any more; it has no schedule, and is pulled by hand only. Now:" in told
    (report,) = run_json("sync")  # type: ignore[misc]
    assert report["outcome"] == "pulled"


def test_the_guard_of_a_source_is_configured(here: Path):
    settings = here / "connector.toml"
    settings.write_text(settings.read_text() + "guard = { changed_share = 0, changed_count = 0 }\n")
    run_json("sync")
    (here / "sheets" / "hubs.csv").write_text(
        "code,name,tier,latitude,longitude\nBER,Berlin,local,52.52,13.405\nHAM,Hamburg hub,local,53.5,10.0\n"
    )

    stopped = run("sync", "--json")

    (report,) = json.loads(stopped.stdout)
    assert (stopped.exit_code, report["outcome"], report["plan"]) == (1, "stopped", 1)
    run_json("plans", "approve", "1")
    run_json("plans", "apply", "1")
    (source,) = run_json("sources")  # type: ignore[misc]
    assert (source["state"], source["paused_by"]) == ("ok", None)


def test_the_past_is_read_again_and_pulls_leave_a_history(here: Path):
    run_json("sync")
    run_json("sync", "--since", "12mo")
    for wrong in ("soon", "2999-01-01"):
        assert run("sync", "--since", wrong).exit_code == 2

    streams = {row["name"]: row for row in run_json("sources", "show", "sheets")}  # type: ignore[call-overload,index]
    found = run_json("sources", "runs", "sheets", "--stream", "hubs")
    narrow = run_narrow("sources", "runs").output

    assert (streams["hubs"]["seen"], streams["hubs"]["changed"], streams["hubs"]["is_backfilling"]) == (3, 0, False)
    assert streams["hubs"]["freshness_seconds"] < 60
    told = [(r["mode"], r["outcome"], r["records_seen"], r["created"], r["quarantined"]) for r in found]  # type: ignore[index,union-attr]
    assert told == [("full", "pulled", 3, 0, 1), ("full", "pulled", 3, 2, 1)]
    assert "2 new, 1 unusable" in " ".join(narrow.split())
    assert max(map(len, narrow.splitlines())) <= 80


def test_a_second_sync_changes_nothing(here: Path):
    run_json("sync")

    (report,) = run_json("sync")  # type: ignore[misc]

    assert [stream["created"] + stream["updated"] + stream["deleted"] for stream in report["streams"]] == [0] * len(
        report["streams"]
    )


def test_replaying_what_is_still_wrong_says_so(here: Path):
    run_json("sync")
    (entry,) = run_json("quarantine", "list")  # type: ignore[misc]

    result = run("quarantine", "replay", str(entry["id"]), "--json")

    assert result.exit_code == 4
    assert json.loads(result.stdout) == {"applied": 0, "remaining": 1}


def test_discarding_settles_an_entry_and_keeps_it_readable(here: Path):
    run_json("sync")
    (entry,) = run_json("quarantine", "list")  # type: ignore[misc]

    assert run_json("quarantine", "discard", str(entry["id"])) == {"discarded": 1}

    assert run_json("quarantine", "list") == []
    assert [item["id"] for item in run_json("quarantine", "list", "--resolved")] == [entry["id"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("sync", "nosuch"), 3, "there is no source 'nosuch'"),
        (("sync", "sheets", "--stream", "tickets"), 2, "has no stream 'tickets'"),
        (("sync", "nosuch", "--plan"), 3, "there is no source 'nosuch'"),
        (("sync", "sheets", "--plan", "--stream", "tickets"), 2, "has no stream 'tickets'"),
        (("sync", "--since", "1y", "--full"), 2, "--since goes with neither --full nor --plan"),
        (("sources", "runs", "nosuch"), 3, "there is no source 'nosuch'"),
        (("sync", "--save"), 2, "--save and --exceed-limit belong to --plan"),
        (("plans", "show", "7"), 3, "there is no plan 7"),
        (("plans", "approve", "7"), 3, "there is no plan 7"),
        (("explain", "INC-404"), 3, "there is no ticket 'INC-404'"),
        (("quarantine", "show", "404"), 3, "there is no quarantine entry 404"),
        (("quarantine", "replay"), 2, "name either entries or a source"),
        (("demo", "incident", "--home", "nowhere"), 3, "there is no demo in"),
        (("demo", "incident", "--priority", "P9"), 2, "priority 'P9' is not one of P1, P2, P3, P4"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_exit_code(here: Path, arguments: tuple[str, ...], code: int, text: str):
    result = run(*arguments)

    assert result.exit_code == code
    assert text in " ".join(result.stderr.split())


def test_doctor_finds_a_healthy_hub_and_its_quarantine(here: Path):
    run_json("sync")

    result = run("doctor", "--json")

    findings = {item["what"]: item for item in json.loads(result.stdout)["findings"] if not item["is_healthy"]}
    assert result.exit_code == 4
    assert findings["source sheets"]["found"] == "1 records in quarantine"
    assert findings["source sheets"]["todo"] == "connector quarantine list --source sheets"


def test_doctor_says_when_everything_is_as_it_must_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    result = run("doctor")

    assert result.exit_code == 0
    assert "Everything is as it must be." in result.output


def test_the_schema_is_printed_for_a_gateway():
    printed = run("schema", "--subgraph").stdout

    assert printed.startswith('extend schema @link(url: "https://specs.apollo.dev/federation/v2.4"')
    assert 'type Hub implements Node @key(fields: "id") @key(fields: "code") {' in printed


def test_the_page_of_rights_has_the_fields_of_a_configuration_that_is_named(tmp_path: Path):
    config, page = tmp_path / "connector.toml", tmp_path / "rights.md"
    config.write_text('[auth.fields]\n"Rma.reason" = ["technician"]\n', encoding="utf-8")

    assert run("schema", "--rights", str(page), "--config", str(config)).exit_code == 0

    assert page.read_text(encoding="utf-8").endswith("| `Rma.reason` | - | yes | - | - | - | - | - | yes | - |\n")
    assert run("schema", "--rights", str(page)).exit_code == 0
    assert "## Fields" not in page.read_text(encoding="utf-8")


def test_the_schema_is_printed_written_and_compared(tmp_path: Path):
    printed = run("schema").stdout
    file = tmp_path / "schema.graphql"

    assert run("schema", "--check", str(file)).exit_code == 4
    assert run("schema", "--write", str(file)).exit_code == 0
    assert file.read_text() == printed
    assert run("schema", "--check", str(file)).exit_code == 0


def test_adapters_are_listed_with_what_they_can_do():
    found = {item["name"]: item for item in run_json("adapters", "list")}  # type: ignore[attr-defined]

    assert {"easypost", "file", "karrio", "nautobot", "request_tracker", "rest"} <= set(found)
    assert found["request_tracker"]["capabilities"] == [
        "Backfills", "Fetches", "Procures", "Pulls", "ReceivesWebhooks", "WritesAssets", "WritesTickets",
    ]  # fmt: skip
    assert found["nautobot"]["problem"] is None


def test_migrate_is_told_without_the_password(here: Path):
    assert run_json("migrate") == {"database": f"sqlite+aiosqlite:///{here}/hub.db"}
