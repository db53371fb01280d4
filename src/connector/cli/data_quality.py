"""`connector quality`: how far the data can be relied on, what is wrong with it, and whether that gets better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.hub import Hub
from connector.model.errors import InvalidInput
from connector.model.quality import DEFINITIONS, QualityMeasure, QualityScope
from connector.storage.database.engine import Transaction, reading
from connector.storage.quality.days import HUB, LONGEST_TREND, SCORE, Day, Measured, day_of, measure_day, trend_of
from connector.storage.quality.measuring import (
    Count,
    Flawed,
    Within,
    breaks_down,
    count_of,
    groups_of,
    records_behind,
    scores_of,
)
from connector.storage.quality.named import within_called
from connector.storage.quality.populations import Probes

BARS: Final = "▁▂▃▄▅▆▇█"
MOST_BARS: Final = 30


class By(StrEnum):
    """What the report may be broken down by."""

    SOURCE = "source"
    SITE = "site"
    PRODUCT = "product"
    MANUFACTURER = "manufacturer"


@dataclass(slots=True)
class Part:
    """A part of a breakdown: what each measure comes to there, and its score, where such things have one."""

    id: int | None
    name: str
    score: Count | None = None
    counts: dict[QualityMeasure, Count] = field(default_factory=dict)

    @property
    def defects(self) -> int:
        """All defects together; a record with two counts twice."""
        return sum(count.defects for count in self.counts.values())


def quality(
    by: Annotated[By | None, typer.Option(help="Break down by this, the worst first.")] = None,
    trend: Annotated[bool, typer.Option("--trend", help="Show how the measures came to be what they are.")] = False,
    days: Annotated[int, typer.Option(min=1, max=LONGEST_TREND, help="How far the trend goes back.")] = 30,
    records: Annotated[QualityMeasure | None, typer.Option(help="List the records behind this measure.")] = None,
    source: Annotated[str | None, typer.Option(help="Only what this source has.")] = None,
    site: Annotated[str | None, typer.Option(help="Only this site: code or name.")] = None,
    product: Annotated[str | None, typer.Option(help="Only this product: maker and model, SKU, part number.")] = None,
    manufacturer: Annotated[str | None, typer.Option(help="Only products of this maker.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure today anew first: for the trend, and for rules that ask.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many parts, or records.")] = 50,
    after: Annotated[int, typer.Option(min=0, help="Go on behind this record, which the page before names.")] = 0,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show how good the data is: what is missing, unknown, double, stale or waiting, and of how many records."""

    async def read(hub: Hub) -> tuple[Measured | None, Any]:
        if sum((by is not None, trend, records is not None)) > 1:
            raise InvalidInput("--by, --trend and --records are three reports", hint="Ask for one of them at a time.")
        done = None
        if measure:
            done = await measure_day(hub.database, hub.quality_terms, kept=hub.settings.quality.kept)
        async with reading(hub.database) as tx:
            within = await within_called(tx, source=source, site=site, product=product, manufacturer=manufacturer)
            probes, today = Probes(hub.quality_terms), day_of(hub.clock.now())
            if records is not None:
                found = await records_behind(tx, probes, records, within=within, after=after, limit=limit + 1)
                return done, (found, await count_of(tx, probes, records, within))
            if trend:
                return done, await _trends(tx, within, days=days, until=today)
            if by is not None:
                return done, await _parts(tx, probes, QualityScope(by), within)
            return done, {each: await count_of(tx, probes, each, within) for each in probes.seen}

    done, found = with_hub(config, read, as_json=as_json)
    if done is not None and not as_json:
        changed = f"{done.rescored} products and sites come to something else now"
        console.print(f"{done.day} is measured; {changed}.", highlight=False)
    if records is not None:
        _tell_records(records, *found, limit=limit, as_json=as_json)
    elif trend:
        _tell_trends(found, as_json=as_json)
    elif by is not None:
        _tell_parts(found, by, limit=limit, as_json=as_json)
    else:
        _tell_measures(found, as_json=as_json)


async def _trends(tx: Transaction, within: Within, *, days: int, until: date) -> dict[str, list[Day]]:
    stated = [
        (QualityScope.SOURCE, within.source_id),
        (QualityScope.SITE, within.site_id),
        (QualityScope.PRODUCT, within.product_id),
    ]
    narrowed = [(scope, key) for scope, key in stated if key is not None]
    if len(narrowed) > 1 or within.manufacturer is not None:
        raise InvalidInput("a trend is kept of the hub, of a source, of a site or of a product", hint="Name one.")
    scope, key = narrowed[0] if narrowed else (QualityScope.ALL, HUB)
    wanted: list[QualityMeasure | None] = [None] if scope in (QualityScope.SITE, QualityScope.PRODUCT) else []
    wanted += [each for each in DEFINITIONS if breaks_down(each, scope)]
    return {
        SCORE if each is None else each.value: await trend_of(
            tx, each, days=days, until=until, scope=scope, scope_id=key
        )
        for each in wanted
    }


async def _parts(tx: Transaction, probes: Probes, by: QualityScope, within: Within) -> list[Part]:
    """Every part with what the measures come to there, the worst first."""
    parts: dict[tuple[int | None, str | None], Part] = {}
    for measure in (each for each in probes.seen if breaks_down(each, by)):
        for group in await groups_of(tx, probes, measure, by, within=within):
            part = parts.setdefault((group.id, group.name), Part(group.id, group.name or f"no {by.value}"))
            part.counts[measure] = group.count
    if by in (QualityScope.SITE, QualityScope.PRODUCT):
        ids = {part.id for part in parts.values() if part.id is not None}
        scores = await scores_of(tx, probes, by, ids)
        for part in parts.values():
            part.score = scores.get(part.id or 0)
    return sorted(parts.values(), key=_worst_first)


def _worst_first(part: Part) -> tuple[int, int, str]:
    percent = part.score.percent if part.score is not None else None
    return (101 if percent is None else percent, -part.defects, part.name)


def _tell_measures(found: dict[QualityMeasure, Count], *, as_json: bool) -> None:
    if as_json:
        print_json({"measures": [_measure_json(measure, count) for measure, count in found.items()]})
        return
    rows = [
        {
            "": _words(measure),
            "records": count.defects,
            "of": count.records,
            "without": "" if count.percent is None else f"{count.percent} %",
        }
        for measure, count in found.items()
    ]
    print_table("Data quality", rows, empty="There is nothing to measure.")
    worst = max((measure for measure in found if found[measure].defects), key=lambda m: found[m].defects, default=None)
    if worst is not None:
        told = f"{DEFINITIONS[worst].mend} They are listed by: connector quality --records {worst.value}"
        console.print(f"Most are {DEFINITIONS[worst].title}. {told}", markup=False, highlight=False)


def _tell_parts(parts: Sequence[Part], by: By, *, limit: int, as_json: bool) -> None:
    if as_json:
        print_json({"by": by.value, "parts": [_part_json(part) for part in parts[:limit]], "parts_in_all": len(parts)})
        return
    rows = [
        {
            by.value: part.name,
            "score": "" if part.score is None or part.score.percent is None else f"{part.score.percent} %",
            "defects": part.defects,
            "what": "; ".join(f"{count.defects} × {_words(m)}" for m, count in part.counts.items() if count.defects),
        }
        for part in parts[:limit]
    ]
    print_table(f"Data quality by {by.value}", rows, empty="There is nothing to measure.")
    if len(parts) > limit:
        console.print(f"{len(parts) - limit} more: --limit {len(parts)}", highlight=False)


def _tell_records(measure: QualityMeasure, found: Sequence[Flawed], count: Count, *, limit: int, as_json: bool) -> None:
    page, definition = found[:limit], DEFINITIONS[measure]
    follows = page[-1].id if len(found) > limit else None
    if as_json:
        shown = [{"id": item.id, "label": item.label, "detail": item.detail} for item in page]
        print_json({**_measure_json(measure, count), "of_kind": definition.entity, "shown": shown, "after": follows})
        return
    rows = [{"id": item.id, definition.entity.replace("_", " "): item.label, "detail": item.detail} for item in page]
    if page:
        console.print(f"{definition.title.capitalize()}: {count.defects} of {count.records}", highlight=False)
    print_table("", rows, empty=f"There are no {definition.title}.")
    if page:
        console.print(definition.mend, markup=False, highlight=False)
    if follows is not None:
        console.print(f"More follow: --after {follows}", highlight=False)


def _tell_trends(found: dict[str, list[Day]], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                name: [{"day": day.day, "defects": day.defects, "records": day.records} for day in days]
                for name, days in found.items()
            }
        )
        return
    rows = [_trend_row(name, days) for name, days in found.items() if any(day.defects or day.records for day in days)]
    measured = next(iter(found.values()), [])
    if rows:
        console.print(f"Since {measured[0].day}, on {len(measured)} days that were measured:", highlight=False)
    print_table(
        "", rows,
        empty="No day was measured yet: the hub does so once a day, and connector quality --measure now.",
    )  # fmt: skip


def _trend_row(name: str, days: Sequence[Day]) -> dict[str, object]:
    first, last = days[0].defects, days[-1].defects
    change = "" if last == first else f"{last - first:+d}"
    return {
        "": "records with any defect" if name == SCORE else name.replace("_", " "),
        "was": first,
        "is": last,
        "change": change,
        "trend": bars(days),
    }


def bars(days: Sequence[Day]) -> str:
    """The last days as a line of bars, the highest as high as there is room."""
    shown = [day.defects for day in days[-MOST_BARS:]]
    top = max(shown, default=0)
    return "".join(BARS[round(value / top * (len(BARS) - 1)) if top else 0] for value in shown)


def _words(measure: QualityMeasure) -> str:
    return measure.value.replace("_", " ")


def _measure_json(measure: QualityMeasure, count: Count) -> dict[str, object]:
    return {
        "measure": measure.value,
        "title": DEFINITIONS[measure].title,
        "defects": count.defects,
        "records": count.records,
        "percent": count.percent,
    }


def _part_json(part: Part) -> dict[str, object]:
    return {
        "id": part.id,
        "name": part.name,
        "percent": part.score.percent if part.score else None,
        "measures": [_measure_json(measure, count) for measure, count in part.counts.items()],
    }
