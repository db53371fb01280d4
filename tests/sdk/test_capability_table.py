"""The page of capabilities says of each adapter what its code says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from connector.sdk.registry import load_adapter

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adapter-capabilities.md"
DEVICES, TICKETS, COURIERS = "Places and devices", "Tickets", "Couriers"


def table(title: str) -> dict[str, dict[str, str]]:
    """Cell by column by adapter of one section."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line.startswith("|")
    ]
    head, _, *body = rows
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in body}


def has(*methods: str) -> Callable[[str], bool]:
    """Whether an adapter has a method of one of these names."""
    return lambda name: any(hasattr(load_adapter(name), method) for method in methods)


def tells_relations(name: str) -> bool:
    """Whether records of an adapter are ever made with relations."""
    package = Path(str(load_adapter(name).__module__).partition(".")[0])
    modules = (ROOT / "adapters" / package).glob("*.py")
    return any(re.search(r"\brelations=|\"relations\":", module.read_text(encoding="utf-8")) for module in modules)


COMPUTED: Mapping[str, Callable[[str], bool]] = {
    "relations*": tells_relations,
    "swap: serial and state, place*": has("record_swap"),
    "webhook*": has("parse"),
    "tracking: webhook*": has("parse"),
    "the past again*": has("cursor_since"),
    "pickup*": has("schedule_pickup"),
}


def test_every_installed_adapter_is_in_it_where_it_belongs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = set(project["entry-points"]["connector.adapters"])

    assert {name for title in (DEVICES, TICKETS, COURIERS) for name in table(title)} == names
    assert set(table(DEVICES)) >= {name for name in names if has("record_swap")(name)}
    assert {*table(TICKETS)} == {name for name in names if has("push")(name)}
    assert {*table(COURIERS)} == {name for name in names if has("buy_label")(name)}


@pytest.mark.parametrize("title", [DEVICES, TICKETS, COURIERS])
def test_what_has_a_star_is_what_the_code_says(title: str):
    rows = table(title)
    told = {
        (name, column): cell.startswith("yes")
        for name, row in rows.items()
        for column, cell in row.items()
        if column.endswith("*")
    }

    assert told == {(name, column): COMPUTED[column](name) for name, column in told}
    assert [key for key, is_so in told.items() if not is_so and not rows[key[0]][key[1]].startswith("no: ")] == []
