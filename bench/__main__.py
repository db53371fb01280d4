"""Runs the measures: all of them, or those named, `python -m bench sync reserve`.

Prints a line for each and writes its figures to bench/results; exits with 1 if one falls short.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path

import orjson

from bench.measure import Measure
from connector.serve import new_event_loop

HERE = Path(__file__).parent
PARTS = frozenset({"growth", "ranking"})
"""Measures that another one of these includes: run by themselves only when they are named."""
NOT_MEASURES = frozenset({"__init__", "__main__", "asking", "databases", "large_fleet", "measure", "plots"})


def main(names: list[str]) -> int:
    """Run the measures of these names; the exit code."""
    known = known_measures()
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"there is no measure {', '.join(map(repr, unknown))}; known are {', '.join(known)}", file=sys.stderr)
        return 2
    short = 0
    for name in names or [name for name in known if name not in PARTS]:
        found: list[Measure] = []
        for measure in run(name):
            found.append(measure)
            short += not measure.ok
            verdict = "ok" if measure.ok else "short"
            print(f"{measure.name} {measure.ratio:.2f} {measure.required:.2f} {verdict}", flush=True)
            write(name, found)  # so that what was measured is there if something breaks off
    return 1 if short else 0


def known_measures() -> list[str]:
    """Names of the modules that offer `measures`."""
    return sorted(
        path.stem
        for path in HERE.glob("*.py")
        if path.stem not in NOT_MEASURES and "def measures(" in path.read_text(encoding="utf-8")
    )


def run(name: str) -> Iterable[Measure]:
    """The measures of one module, some of them as they are measured."""
    found = importlib.import_module(f"bench.{name}").measures()
    if inspect.iscoroutine(found):
        with asyncio.Runner(loop_factory=new_event_loop) as runner:  # as `connector serve` does
            found = runner.run(found)
    measured: Iterable[Measure] = found
    return measured


def write(name: str, found: Iterable[Measure]) -> None:
    """Keep the figures of one module."""
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    rows = [
        {"name": m.name, "ratio": m.ratio, "required": m.required, "ok": m.ok, "figures": dict(m.figures)}
        for m in found
    ]
    (results / f"{name}.json").write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
