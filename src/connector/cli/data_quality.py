"""`connector quality`: how far the data can be relied on, what is wrong with it, and whether that gets better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Annotated, Any, Final

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.hub import Hub
from connector.model.errors import InvalidInput
from connector.model.quality import DEFINITIONS, QualityDimension, QualityMeasure
from connector.storage.database.engine import reading
from connector.storage.quality.days import (
    LONGEST_TREND,
    SCORE,
    Day,
    Measured,
    TrendOf,
    day_of,
    measure_day,
    trends_of,
)
from connector.storage.quality.measuring import Count, Flawed, count_of, is_about, records_behind, require_about
from connector.storage.quality.named import within_called
from connector.storage.quality.parts import Part, parts_of
from connector.storage.quality.populations import Probes

NOTHING: Final = "There is nothing to measure: no record is there of it."
NEVER: Final = "None of these days was measured: the hub does so once a day, and connector quality --measure now."
BARS: Final = "▁▂▃▄▅▆▇█"
MOST_BARS: Final = 30
MOST_SHOWN: Final = 1_000


def quality(
    by: Annotated[QualityDimension | None, typer.Option(help="Break down by this, the worst first.")] = None,
    trend: Annotated[bool, typer.Option("--trend", help="Show how the measures came to be what they are.")] = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=LONGEST_TREND, help="How far the trend goes back; 30 when left out.")
    ] = None,
    records: Annotated[QualityMeasure | None, typer.Option(help="List the records behind this measure.")] = None,
    source: Annotated[str | None, typer.Option(help="Only what this source has.")] = None,
    site: Annotated[str | None, typer.Option(help="Only this site: code or name.")] = None,
    product: Annotated[str | None, typer.Option(help="Only this product: maker and model, SKU, part number.")] = None,
    manufacturer: Annotated[str | None, typer.Option(help="Only products of this maker.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure today anew first: for the trend, and for rules that ask.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST_SHOWN, help="At most so many parts, or records.")] = 50,
    after: Annotated[
        int | None, typer.Option(min=0, help="Go on behind this record, which the page of --records before names.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show how good the data is: what is missing, unknown, double, stale or waiting, and of how many records."""

    async def read(hub: Hub) -> tuple[Measured | None, Any]:
        if sum((by is not None, trend, records is not None)) > 1:
            raise InvalidInput("--by, --trend and --records are three reports", hint="Ask for one of them at a time.")
        if days is not None and not trend:
            raise InvalidInput("--days says how far a trend goes back", hint="Add --trend.")
        if after is not None and records is None:
            raise InvalidInput("--after goes on with a list of records", hint="Add --records and its measure.")
        async with reading(hub.database) as tx:
            within = await within_called(tx, source=source, site=site, product=product, manufacturer=manufacturer)
        of = TrendOf.within(within) if trend else None
        if records is not None:
            require_about(records, within)
        done = None
        if measure:
            done = await measure_day(hub.database, hub.measuring.terms(hub.clock.now()), kept=hub.measuring.kept)
        async with reading(hub.database) as tx:
            now = hub.clock.now()
            probes, today = Probes(hub.measuring.terms(now)), day_of(now)
            if records is not None:
                found = await records_behind(tx, probes, records, within=within, after=after or 0, limit=limit + 1)
                return done, (found, await count_of(tx, probes, records, within))
            if of is not None:
                return done, await trends_of(tx, of.measures, days=days or 30, until=today, of=of)
            if by is not None:
                return done, await parts_of(tx, probes, by, within)
            asked = (each for each in probes.seen if is_about(each, within))
            return done, {each: await count_of(tx, probes, each, within) for each in asked}

    done, found = with_hub(config, read, as_json=as_json)
    if done is not None and not as_json:
        changed = f"{done.rescored} products and sites come to something else now"
        console.print(f"{done.day} is measured; {changed}.", highlight=False)
    if records is not None:
        _tell_records(records, *found, limit=limit, is_first=not after, as_json=as_json)
    elif trend:
        _tell_trends(found, as_json=as_json)
    elif by is not None:
        _tell_parts(found, by, limit=limit, as_json=as_json)
    else:
        stated = {"source": source, "site": site, "product": product, "manufacturer": manufacturer}
        narrowed = "".join(f" --{name} {quote(text)}" for name, text in stated.items() if text is not None)
        _tell_measures(found, narrowed, as_json=as_json)


def _tell_measures(found: dict[QualityMeasure, Count], narrowed: str, *, as_json: bool) -> None:
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
    is_empty = not any(count.records for count in found.values())
    print_table("Data quality", [] if is_empty else rows, empty=NOTHING)
    worst = max((measure for measure in found if found[measure].defects), key=lambda m: found[m].defects, default=None)
    if worst is not None:
        told = f"{DEFINITIONS[worst].mend} They are listed by: connector quality --records {worst.value}{narrowed}"
        console.print(f"Most are {DEFINITIONS[worst].title}. {told}", markup=False, highlight=False)


def _tell_parts(parts: Sequence[Part], by: QualityDimension, *, limit: int, as_json: bool) -> None:
    if as_json:
        print_json(
            {"by": by.value, "parts": [_part_json(part, by) for part in parts[:limit]], "parts_in_all": len(parts)}
        )
        return
    rows = [
        {
            by.value: part.name or f"no {by.value}",
            "score": "" if part.score is None or part.score.percent is None else f"{part.score.percent} %",
            "defects": part.defects,
            "what": "; ".join(f"{count.defects} × {_words(m)}" for m, count in part.counts.items() if count.defects),
        }
        for part in parts[:limit]
    ]
    print_table(f"Data quality by {by.value}", rows, empty=NOTHING)
    if len(parts) > limit:
        more = f": --limit {min(len(parts), MOST_SHOWN)}" if limit < MOST_SHOWN else ", which are better"
        console.print(f"{len(parts) - limit} more{more}", highlight=False)


def _tell_records(
    measure: QualityMeasure, found: Sequence[Flawed], count: Count, *, limit: int, is_first: bool, as_json: bool
) -> None:
    page, definition = found[:limit], DEFINITIONS[measure]
    follows = page[-1].id if len(found) > limit else None
    if as_json:
        shown = [{"id": item.id, "label": item.label, "detail": item.detail} for item in page]
        print_json({**_measure_json(measure, count), "of_kind": definition.entity, "shown": shown, "after": follows})
        return
    rows = [{"id": item.id, definition.entity.replace("_", " "): item.label, "detail": item.detail} for item in page]
    if page:
        console.print(f"{definition.title.capitalize()}: {count.defects} of {count.records}", highlight=False)
    none = f"There are no {definition.title}." if is_first else f"No more of {count.defects} follow."
    print_table("", rows, empty=none)
    if page:
        console.print(definition.mend, markup=False, highlight=False)
    if follows is not None:
        console.print(f"More follow: --after {follows}", highlight=False)


def _tell_trends(trends: Mapping[QualityMeasure | None, list[Day]], *, as_json: bool) -> None:
    found = {SCORE if measure is None else measure.value: days for measure, days in trends.items()}
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
    told = "1 day that was" if len(measured) == 1 else f"{len(measured)} days that were"
    if rows:
        console.print(f"Since {measured[0].day}, on {told} measured:", highlight=False)
    print_table("", rows, empty=f"On {told} measured no record was there of it." if measured else NEVER)


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


def _part_json(part: Part, by: QualityDimension) -> dict[str, object]:
    return {
        "id": part.id,
        "name": part.name or f"no {by.value}",
        "percent": part.score.percent if part.score else None,
        "measures": [_measure_json(measure, count) for measure, count in part.counts.items()],
    }
