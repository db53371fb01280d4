"""The quality table of all installed adapters, as computed by the contract kit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich.progress import Progress, TextColumn, TimeElapsedColumn

from connector.cli.output import console
from connector.sdk.registry import installed_adapters
from connector.sdk.testing import (
    CheckResult,
    Golden,
    Outcome,
    PayloadKind,
    PayloadSource,
    find_contract,
    payload_sources,
    run_contract,
)
from connector.sdk.testing.checks import ALL_CHECKS

MARKS: Final[Mapping[Outcome, str]] = {
    Outcome.PASSED: "\N{CHECK MARK}",
    Outcome.NOT_APPLICABLE: "\N{EN DASH}",
    Outcome.FAILED: "\N{BALLOT X}",
}
_HEAD: Final = """# Quality of the adapters

Written by `connector adapters check --all --write docs/adapter-quality.md`: every promise of the contract kit, checked
against a sandbox of each adapter's system. {passed} passes, {not_applicable} does not apply, {failed} fails. What was
verified against the real system, its description or its documentation, and what was not, says each adapter's README.
"""
_ORIGINS: Final = """
Golden payloads of check 39: `recorded` from a running system, the vendor's published `example`, `written` after the
vendor's description or source code, of the adapter's `own` format. `payloads/SOURCES.md` of each adapter has address
and changes.
"""

Results = Mapping[str, Sequence[CheckResult]]
"""By adapter, the result of each check, in order."""
Sources = Mapping[str, Sequence[PayloadSource]]
"""By adapter, where its golden payloads come from."""


def checked_adapters(*, is_quiet: bool) -> Results:
    """Run the contract kit against every installed adapter. Raises ConfigError for one without a contract."""
    names = sorted(found.name for found in installed_adapters())
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn())
    results: dict[str, Sequence[CheckResult]] = {}
    with Progress(*columns, console=console, disable=is_quiet, transient=True) as progress:
        bar = progress.add_task("", total=len(names))
        for name in names:
            progress.update(bar, description=name)
            results[name] = asyncio.run(run_contract(find_contract(name)))
            progress.advance(bar)
    return results


def known_sources(names: Iterable[str]) -> Sources:
    """Where the golden payloads of these adapters come from. Raises Broken when one does not say it."""
    found = {name: find_contract(name).golden for name in names}
    return {name: payload_sources(golden.folder) for name, golden in found.items() if isinstance(golden, Golden)}


def counted(results: Sequence[CheckResult]) -> dict[Outcome, int]:
    """How many checks ended in which way."""
    return {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}


def as_json(name: str, results: Sequence[CheckResult]) -> dict[str, Any]:
    """The results of one adapter, for programs."""
    return {
        "adapter": name,
        "counts": {outcome.value: count for outcome, count in counted(results).items()},
        "checks": [
            {"number": r.number, "title": r.title, "outcome": r.outcome.value, "reason": r.reason} for r in results
        ],
    }


def summary(results: Results) -> list[dict[str, object]]:
    """A row per adapter."""
    return [
        {"adapter": name, **{outcome.value: count for outcome, count in counted(mine).items()}}
        for name, mine in results.items()
    ]


def as_markdown(results: Results, sources: Sources) -> str:
    """The table as a page: adapters and checks, where payloads come from, and what does not apply."""
    return "\n".join([*_page(results, sources), ""])


def _page(results: Results, sources: Sources) -> Iterator[str]:
    yield _HEAD.format(**{outcome.name.lower(): mark for outcome, mark in MARKS.items()})
    yield from _table(["adapter", *(outcome.value for outcome in Outcome)], [row.values() for row in summary(results)])
    names = list(results)
    places = {name: number for number, name in enumerate(names, 1)}
    yield "\n## Check by check\n"
    yield f"{', '.join(f'{number} {name}' for name, number in places.items())}.\n"
    rows = [
        [each[0].number, each[0].title, *(MARKS[result.outcome] for result in each)]
        for each in zip(*results.values(), strict=True)
    ]
    yield from _table(["#", "check", *places.values()], rows)
    yield "\n## Losses that others had\n"
    yield (
        "Public threads of other projects that tell of lost, doubled or wrongly deleted data, each with the check that "
        "an adapter with the same mistake fails. A pull request of another project is cited like an issue.\n"
    )
    known = [[check.number, check.title, ", ".join(map(_link, check.seen_in))] for check in ALL_CHECKS if check.seen_in]
    yield from _table(["#", "check", "seen in"], known)
    yield "\n## Where the payloads come from"
    yield _ORIGINS
    kinds = list(PayloadKind)
    named = [[name, *(sum(each.kind is kind for each in mine) for kind in kinds)] for name, mine in sources.items()]
    yield from _table(["adapter", *kinds], named)
    yield "\n## What does not apply, and why"
    for name, mine in results.items():
        absent = [result for result in mine if result.outcome is Outcome.NOT_APPLICABLE]
        if absent:
            yield f"\n**{name}**\n"
            yield from (f"- {result.number} {result.title}: {result.reason}" for result in absent)


def _link(thread: str) -> str:
    repository, _, number = thread.partition("#")
    return f"[{thread}](https://github.com/{repository}/issues/{number})"


def _table(head: Sequence[object], rows: Sequence[Any]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |"
