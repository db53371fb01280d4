"""Draws what was measured last into docs/pictures, from the figures in bench/results: python -m bench.plots.

Pictures whose figures are not there are left as they are. The same figures make the same bytes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import orjson
from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
STYLE = {"svg.hashsalt": "connector", "svg.fonttype": "none", "axes.grid": True, "grid.alpha": 0.3, "font.size": 9}
OPERATIONS = ("tickets", "tree", "filtered", "single", "aggregate")
SERVERS = {
    "connector": "#0b6e4f", "connector on sqlite": "#6fb98f", "hand-written": "#888888", "postgraphile": "#c1666b",
    "mercurius": "#d4a24c", "ariadne": "#7a6c9d", "strawberry": "#b0a8c9",
}  # fmt: skip
"""From above to below in a legend, with their colours."""

Measures = Sequence[Mapping[str, Any]]


def draw() -> list[Path]:
    """Draw all pictures whose figures are there; returns their files."""
    PICTURES.mkdir(exist_ok=True)
    drawn = []
    with mpl.rc_context(STYLE):
        for name, source, picture in PICTURES_OF:
            file = RESULTS / f"{source}.json"
            figure = picture(orjson.loads(file.read_bytes())) if file.exists() else None
            if figure is not None:
                path = PICTURES / f"{name}.svg"
                figure.savefig(path, format="svg", metadata={"Date": None, "Creator": "connector"})
                drawn.append(path)
    return drawn


def _peers(measures: Measures) -> Figure | None:
    """Answers a second at 16 connections, of all servers, for each operation beside the hand-written statement."""
    found = {
        operation: measure["figures"]
        for operation in OPERATIONS
        for measure in measures
        if measure["name"] == f"graphql-{operation}-16-vs-fastest-peer"
    }
    if not found:
        return None
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(SERVERS)
    for place, (server, colour) in enumerate(SERVERS.items()):
        shares = [
            figures.get(f"{server} per s", float("nan")) / figures["hand-written per s"] for figures in found.values()
        ]
        at = [number + (place - (len(SERVERS) - 1) / 2) * width for number in range(len(found))]
        axes.bar(at, shares, width, label=server, color=colour)
    axes.set_xticks(range(len(found)), list(found))
    title = "16 connections, PostgreSQL, no answer kept"
    axes.set(ylabel="answers a second, hand-written = 1", title=title, yscale="log")
    figure.legend(ncols=4, loc="outside lower center")
    return figure


def _growth(measures: Measures) -> Figure | None:
    """Milliseconds of an answer by the size of the database, and of a tree by its own size."""
    grown = [measure for measure in measures if re.fullmatch(r"graphql-\w+-growth(-\d+)?", measure["name"])]
    if not grown:
        return None
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    pages, tree = figure.subplots(1, 2)
    for measure in grown:
        points = {int(re.findall(r"\d+", name)[0]): ms for name, ms in measure["figures"].items()}
        operation = measure["name"].split("-")[1]
        if operation == "tree":
            tree.plot(list(points), list(points.values()), "o-", color=SERVERS["connector"])
        elif measure["name"].endswith(f"-{max(points)}"):
            pages.plot(list(points), list(points.values()), "o-", label=operation)
    pages.set(xscale="log", xlabel="tickets in the database", ylabel="ms", title="An answer beside the database")
    tree.set(xlabel="sites in the answer", ylabel="ms", title="A tree beside its own size")
    pages.set_ylim(bottom=0)
    tree.set_ylim(bottom=0)
    tree.set_xlim(left=0)
    pages.legend()
    return figure


PICTURES_OF: Sequence[tuple[str, str, Callable[[Measures], Figure | None]]] = (
    ("graphql-peers", "graphql", _peers),
    ("graphql-growth", "graphql", _growth),
    ("graphql-growth", "growth", _growth),
)
"""Name, whose figures, and how they are drawn; of two the last one that is there."""

if __name__ == "__main__":
    for path in draw():
        print(path)
    sys.exit(0)
