"""`connector placement` as people and scripts use it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.composition.test_cli import here, run, run_json, run_narrow, undisturbed_logging

__all__ = ["here", "undisturbed_logging"]


def stocked(here: Path) -> None:
    """A dock in a local hub, a switch in a regional one and at a site, and a central hub."""
    sheets = here / "sheets"
    (sheets / "hubs.csv").write_text(
        "code,name,tier,region,latitude,longitude,time_zone,country,courier_cut_offs\n"
        "BER,Berlin hub,local,EU,52.52,13.405,Europe/Berlin,DE,17:00\n"
        "HAM,Hamburg hub,regional,EU,53.55,9.993,Europe/Berlin,DE,17:00\n"
        "MUC,Munich hub,central,,48.14,11.58,Europe/Berlin,DE,17:00\n"
    )
    (sheets / "products.csv").write_text(
        "manufacturer,model,tracking,asset_class,sku\nAcme,Dock 1,counted,dock,D-1\nAcme,Printer,counted,printer,P-1\n"
    )
    (sheets / "stock.csv").write_text(
        "hub,manufacturer,model,quantity\nBER,Acme,Dock 1,12\nHAM,Acme,Printer,2\nMUC,Acme,Printer,5\n"
    )


SHOWN = """\
Placement
                      a
region  product       quarter  stands                 belongs
──────────────────────────────────────────────────────────────
EU      Acme Dock 1   0.0      local 12               regional
EU      Acme Printer  0.0      regional 2, central 5  regional
Acme Dock 1, EU: impact medium, complexity low; needed 0.0 times a quarter, but
no devices and no use of it are known there yet, so its class alone decides.
Acme Printer, EU: impact medium, complexity medium; needed 0.0 times a quarter,
but no devices and no use of it are known there yet, so its class alone decides;
asset_classes says nothing of asset class 'printer': medium is taken for all
three values."""


def test_what_stands_where_and_where_it_belongs(here: Path):
    assert run("placement").output == "No product is used or kept near.\n"
    stocked(here)
    run("sync", "sheets")

    found = run_json("placement")
    narrow = run_narrow("placement").output

    dock, printer = found["placements"]  # type: ignore[index]
    assert (dock["product"], dock["asset_class"], dock["belongs"], dock["verdict"], dock["target_cover"]) == (
        "Acme Dock 1", "docks-and-chargers", "regional", "in_place", "14-30 days",
    )  # fmt: skip
    assert (dock["stands"], dock["used_per_quarter"], dock["is_measured"]) == (
        {"local": 12, "regional": 0, "central": 0}, 0, False,
    )  # fmt: skip
    assert (printer["asset_class"], printer["region"], printer["stands"]["regional"]) == (None, "EU", 2)
    assert found["after"] is None  # type: ignore[index]
    assert [line.rstrip() for line in narrow.splitlines()] == SHOWN.splitlines()


def test_a_page_says_how_the_next_one_is_had(here: Path):
    stocked(here)
    run("sync", "sheets")

    page = run_json("placement", "--limit", "1")
    shown = run_narrow("placement", "--limit", "1").output
    rest = run_json("placement", "--after", page["after"])  # type: ignore[index]

    assert [item["product"] for item in page["placements"]] == ["Acme Dock 1"]  # type: ignore[index]
    assert [item["product"] for item in rest["placements"]] == ["Acme Printer"]  # type: ignore[index]
    assert shown.endswith(f"More follow: --after {page['after']}\n")  # type: ignore[index]


def test_it_can_be_narrowed_to_a_region_and_a_product(here: Path):
    stocked(here)
    run("sync", "sheets")

    by_sku = run_json("placement", "--product", "P-1", "--region", "EU")
    elsewhere = run("placement", "--region", "US", "--misplaced")
    unknown = run("placement", "--product", "P-2", "--json")

    assert [item["product"] for item in by_sku["placements"]] == ["Acme Printer"]  # type: ignore[index]
    assert elsewhere.output == "Nothing is misplaced.\n"
    assert (unknown.exit_code, json.loads(unknown.stdout)["error"]["code"]) == (3, "NOT_FOUND")
