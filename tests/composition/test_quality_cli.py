"""`connector quality` as people and scripts use it."""

from __future__ import annotations

from pathlib import Path

from tests.composition.test_cli import here, run, run_json, run_narrow, undisturbed_logging

__all__ = ["here", "undisturbed_logging"]


def filled(here: Path) -> None:
    """Two sites, one of them bare, and devices of a known and of a misspelt model."""
    sheets = here / "sheets"
    (sheets / "sites.csv").write_text(
        "code,name,region,latitude,longitude,time_zone,country\n"
        "P1,Plant One,EU,52.5,13.4,Europe/Berlin,DE\nP2,Plant Two,EU,,,,DE\n"
    )
    (sheets / "products.csv").write_text(
        "manufacturer,model,tracking\nAcme,Dock 1,counted\nAcme,Switch X1,serialised\n"
    )
    (sheets / "assets.csv").write_text(
        "serial,asset_tag,name,manufacturer,model,site,hub,state\n"
        "S1,T1,sw-1,Acme,Switch X1,P1,,deployed\n,T3,sw-3,Acme,Switch X1,P1,,deployed\n"
        "S4,T4,sw-4,Acme,Swich X1,P2,,deployed\n"
    )
    run("sync", "sheets")


BY_SITE = """\
Data quality by site
site  score  defects  what
────────────────────────────────────────────────────────────────────────────────
P2    0 %    4        1 × asset of unknown model; 1 × site without coordinates;
                      1 × site without time zone; 1 × site without address
P1    33 %   2        1 × asset without serial; 1 × site without address"""


def test_what_is_wrong_where_and_which_records_those_are(here: Path):
    filled(here)

    measures = {item["measure"]: item for item in run_json("quality")["measures"]}  # type: ignore[index]
    shown = run_narrow("quality", "--by", "site").output
    listed = run("quality", "--records", "asset_of_unknown_model", "--site", "p2").output
    parts = run_json("quality", "--by", "product")["parts"]  # type: ignore[index]

    assert (measures["site_without_address"]["defects"], measures["site_without_address"]["records"]) == (2, 2)
    assert measures["asset_without_serial"]["percent"] == 66
    assert "\n".join(line.rstrip() for line in shown.splitlines()[:6]) == BY_SITE
    assert [line.split() for line in listed.splitlines()[:4:3]] == [
        ["Devices", "of", "an", "unknown", "model:", "1", "of", "1"],
        ["3", "sw-4", "Acme", "Swich", "X1"],
    ]
    assert [(part["name"], part["percent"]) for part in parts] == [
        ("Acme Swich X1", 0), ("Acme Switch X1", 66), ("Acme Dock 1", 100),
    ]  # fmt: skip


def test_pages_of_records_and_the_trend_of_what_was_measured(here: Path):
    filled(here)
    assert "None of these days was measured" in run("quality", "--trend").output

    first = run_json("quality", "--records", "site_without_address", "--limit", "1")
    rest = run_json("quality", "--records", "site_without_address", "--after", str(first["after"]))  # type: ignore[index]
    done = run("quality", "--measure").output
    trend = run_json("quality", "--trend", "--site", "P2")

    assert [[item["label"] for item in page["shown"]] for page in (first, rest)] == [["P1"], ["P2"]]  # type: ignore[index]
    assert rest["after"] is None  # type: ignore[index]
    assert "5 products and sites come to something else now" in done
    assert [(day["defects"], day["records"]) for day in trend["score"]] == [(2, 2)]  # type: ignore[index]
    assert "duplicate_serial" in trend  # type: ignore[operator]
    assert "stock_disagrees" not in trend  # type: ignore[operator]


def test_what_cannot_be_told_is_refused_with_what_can(here: Path):
    filled(here)

    unknown, twice, narrow = (
        run("quality", *words)
        for words in (("--site", "P9"), ("--trend", "--by", "site"), ("--trend", "--manufacturer", "Acme"))
    )

    assert (unknown.exit_code, twice.exit_code, narrow.exit_code) == (3, 2, 2)
    assert "there is no site 'P9'" in unknown.stderr
    assert "--by, --trend and --records are three reports" in twice.stderr
    assert "a trend is kept of the hub, of a source, of a site or of a product" in narrow.stderr


def test_a_hub_without_records_and_days_without_any_are_told_as_such(here: Path):
    empty, by_site, listed = (
        run("quality", *words).output for words in ((), ("--by", "site"), ("--records", "duplicate_serial"))
    )
    never = run("quality", "--trend").output
    done = run("quality", "--measure").output
    trend = run("quality", "--trend").output

    assert empty.strip() == by_site.strip() == "There is nothing to measure: no record is there of it."
    assert listed.strip() == "There are no devices that share a serial."
    assert never.strip().startswith("None of these days was measured")
    assert "0 products and sites come to something else now" in done
    assert trend.strip() == "On 1 day that was measured no record was there of it."


def test_only_measures_that_can_be_narrowed_so_are_told_and_lists_end_as_lists(here: Path):
    filled(here)

    of_site = {item["measure"] for item in run_json("quality", "--site", "P2")["measures"]}  # type: ignore[index]
    hint = run("quality", "--product", "Acme Swich X1").output
    beyond = run("quality", "--records", "site_without_address", "--after", "2").output
    none, alone, early = (
        run("quality", *words)
        for words in (
            ("--records", "site_without_address", "--product", "Acme Dock 1", "--measure"),
            ("--after", "2"),
            ("--days", "90"),
        )
    )
    trend = run("quality", "--trend").output

    assert "site_without_address" in of_site
    assert of_site.isdisjoint({"stock_disagrees", "product_not_confirmed", "record_in_quarantine"})
    assert "--records asset_of_unknown_model --product 'Acme Swich X1'" in " ".join(hint.split())
    assert beyond.strip() == "No more of 2 follow."
    assert [each.exit_code for each in (none, alone, early)] == [2, 2, 2]
    assert "site_without_address cannot be narrowed to a product: its records belong to none" in none.stderr
    assert "It can be narrowed by: source, site." in none.stderr
    assert "Add --records and its measure." in alone.stderr
    assert "Add --trend." in early.stderr
    assert "None of these days was measured" in trend  # what is refused has measured nothing
