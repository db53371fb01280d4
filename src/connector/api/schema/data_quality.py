"""Data quality: the measures as they stand, broken down, the records behind each, and day by day."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Final

import strawberry

from connector.api.context import Info
from connector.api.permissions import require_reach
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import DEFAULT_PAGE, LARGEST_PAGE
from connector.api.schema.inputs import KEY
from connector.api.schema.nodes import ENTITY_TYPES, global_id, key_of
from connector.api.schema.paging import Connection, Edge, PageInfo
from connector.api.schema.payloads import Payload
from connector.api.schema.rights import require_sight
from connector.api.weights import COMPUTED, WEIGHT
from connector.model.errors import Forbidden, InvalidInput
from connector.model.quality import DEFINITIONS, QualityDimension, QualityMeasure, QualityScope
from connector.storage.quality.days import TrendOf, day_of, last_day, measure_day, trends_of
from connector.storage.quality.measuring import (
    Count,
    Within,
    count_of,
    is_about,
    records_behind,
    require_about,
    scores_of,
)
from connector.storage.quality.named import within_called
from connector.storage.quality.parts import Part, behind, parts_of
from connector.storage.quality.populations import Probes

MOST_DAYS: Final = 400
USUAL_DAYS: Final = 30

_TYPES: Final[Mapping[QualityDimension, str]] = {
    QualityDimension.SOURCE: "Source",
    QualityDimension.SITE: "Site",
    QualityDimension.PRODUCT: "Product",
}
_SCORED: Final = {QualityScope.SITE: "site", QualityScope.PRODUCT: "product"}

SourceId = Annotated[strawberry.ID | None, strawberry.argument(description="Only what this source has.")]
SiteId = Annotated[strawberry.ID | None, strawberry.argument(description="Only this site, and what is there.")]
ProductId = Annotated[strawberry.ID | None, strawberry.argument(description="Only this product, and what is of it.")]
First = Annotated[int, strawberry.argument(description=f"How many, {LARGEST_PAGE} at most.")]
After = Annotated[str | None, strawberry.argument(description="Begin behind the edge with this cursor.")]


@strawberry.type(description="What a measure counts, in words.")
class DataQualityDefinition:
    """As `connector.model.quality` defines it."""

    title: str = strawberry.field(description="The records with the defect, in a few words.")
    counts: str = strawberry.field(description="Which records have the defect.")
    of: str = strawberry.field(description="Which records it is held against.")
    without: str = strawberry.field(description="What is left out on both sides.")
    record_type: str = strawberry.field(description="Type of the records, as `node` shows them.")
    scores: bool = strawberry.field(description="Whether the defect counts against scores.")
    mend: str = strawberry.field(description="What a person does about it.")


@strawberry.type(description="What a measure comes to.")
class DataQualityCount:
    """A count."""

    measure: QualityMeasure = strawberry.field(description="Which one.")
    defects: int = strawberry.field(description="Records with the defect.")
    records: int = strawberry.field(description="Of how many.")
    percent: int | None = strawberry.field(
        description="Percent of them without it, rounded down; null where there are none."
    )
    definition: DataQualityDefinition = strawberry.field(description="What it counts.")


@strawberry.type(description="Records behind a site or a product with any defect that counts against scores.")
class DataQualityScore:
    """A score."""

    defects: int = strawberry.field(description="Records with any such defect; each counts once.")
    records: int = strawberry.field(description="Of how many.")
    percent: int | None = strawberry.field(
        description="Percent of them without one, rounded down; null where there are none."
    )


@strawberry.type(description="A source, site, product or manufacturer with what the measures come to there.")
class DataQualityPart:
    """A part of a breakdown."""

    id: strawberry.ID | None = strawberry.field(
        description="Id of the source, site or product, for `node`; null for manufacturers, and for what belongs to "
        "none."
    )
    name: str | None = strawberry.field(
        description="Name of the source, code of the site or its name, maker and model, or maker; null for the records "
        "that belong to none."
    )
    score: DataQualityScore | None = strawberry.field(
        description="Of the site or product as a whole, as it stands; null for other things."
    )
    defects: int = strawberry.field(description="Defects together; a record with two counts twice.")
    counts: list[DataQualityCount] = strawberry.field(description="What each measure comes to there.")


@strawberry.type(description="A record behind a measure.")
class DataQualityRecord:
    """A record."""

    id: strawberry.ID = strawberry.field(description="Its id, for `node` and `nodes`.")
    name: str = strawberry.field(description="What people call it.")
    detail: str | None = strawberry.field(description="What of it is wrong, if more can be said.")


@strawberry.type(description="What a measure came to on a day.")
class DataQualityDay:
    """A day."""

    measured_on: date = strawberry.field(description="The day, in UTC.")
    defects: int = strawberry.field(description="Records with the defect.")
    records: int | None = strawberry.field(
        description="Of how many; null where none is kept, since a site or product had no such defect."
    )


@strawberry.type(description="What a measure came to day by day.")
class DataQualityTrend:
    """A trend."""

    measure: QualityMeasure | None = strawberry.field(
        description="Which one; null for the score: records with any defect that counts against it."
    )
    days: list[DataQualityDay] = strawberry.field(
        description="The days that were measured, the oldest first; empty before the first."
    )


async def _counts(
    root: "DataQuality",
    info: Info,
    measures: Annotated[
        list[QualityMeasure] | None,
        strawberry.argument(description="Only these; all that its records can belong to when null."),
    ] = None,
) -> list[DataQualityCount]:
    context, probes = info.context, _probes(info)
    if measures is not None:
        for measure in measures:
            _require_seen(info, probes, measure)
            require_about(measure, root.within)
    asked = [each for each in probes.seen if is_about(each, root.within)] if measures is None else measures
    async with context.reader.exclusively:
        tx = await context.reader.snapshot()
        return [_count(measure, await count_of(tx, probes, measure, root.within)) for measure in asked]


async def _score(root: "DataQuality", info: Info) -> DataQualityScore | None:
    keys = {QualityScope.SITE: root.within.site_id, QualityScope.PRODUCT: root.within.product_id}
    [scope, *more] = root.within.scopes or {QualityScope.ALL}
    if more or keys.get(scope) is None or _is_score_kept(info, scope):
        return None
    key = int(keys[scope] or 0)
    async with info.context.reader.exclusively:
        found = await scores_of(await info.context.reader.snapshot(), _probes(info), scope, [key])
    return _scored(found.get(key, Count(0, 0)))


async def _parts(
    root: "DataQuality",
    info: Info,
    by: Annotated[QualityDimension, strawberry.argument(description="What it is broken down by.")],
    first: First = DEFAULT_PAGE,
    after: After = None,
) -> Connection[DataQualityPart]:
    _require_page(first)
    context, probes = info.context, _probes(info)
    async with context.reader.exclusively:
        found = await parts_of(await context.reader.snapshot(), probes, by, root.within)
    rest = behind(found, after)
    is_kept = _is_score_kept(info, by.scope)
    edges = [Edge(node=_part(part, by, is_kept), cursor=part.cursor) for part in rest[:first]]
    return _page(edges, len(found), after=after, has_more=len(rest) > first)


async def _records(
    root: "DataQuality",
    info: Info,
    measure: Annotated[QualityMeasure, strawberry.argument(description="The measure that counts them.")],
    first: First = DEFAULT_PAGE,
    after: After = None,
) -> Connection[DataQualityRecord]:
    _require_page(first)
    context, probes, type_ = info.context, _probes(info), ENTITY_TYPES[DEFINITIONS[measure].entity]
    _require_seen(info, probes, measure)
    require_about(measure, root.within)
    begin = 0 if after is None else _place(after, DEFINITIONS[measure].entity)
    async with context.reader.exclusively:
        tx = await context.reader.snapshot()
        found = await records_behind(tx, probes, measure, within=root.within, after=begin, limit=first + 1)
        count = await count_of(tx, probes, measure, root.within)
    edges = []
    for item in found[:first]:
        id_ = strawberry.ID(global_id(type_, item.id))
        edges.append(Edge(node=DataQualityRecord(id=id_, name=item.label, detail=item.detail), cursor=id_))
    return _page(edges, count.defects, after=after, has_more=len(found) > first)


async def _last_measured_on(info: Info) -> date | None:
    async with info.context.reader.exclusively:
        return await last_day(await info.context.reader.snapshot())


@strawberry.type(description="How good the data is, of the hub or of what it was narrowed to, as it stands.")
class DataQuality:
    """Each of its fields is worked out when it is asked for."""

    within: strawberry.Private[Within]
    counts: list[DataQualityCount] = strawberry.field(
        resolver=_counts,
        metadata={WEIGHT: COMPUTED},
        description="What each measure comes to. Those that look at what whoever asks does not read are left out, and "
        "so are those of the whole hub for who is limited to regions.",
    )
    score: DataQualityScore | None = strawberry.field(
        resolver=_score,
        metadata={WEIGHT: COMPUTED},
        description="The score as it stands, of one site or one product; null for anything else. `Site.dataQuality` "
        "and `Product.dataQuality` tell that of the last measuring.",
    )
    parts: Connection[DataQualityPart] = strawberry.field(
        resolver=_parts,
        metadata={WEIGHT: COMPUTED},
        description="The same for each source, site, product or manufacturer: the lowest score first, then the most "
        "defects. A record that two sources have counts for both.",
    )
    records: Connection[DataQualityRecord] = strawberry.field(
        resolver=_records,
        metadata={WEIGHT: COMPUTED},
        description="The records with a defect, exactly those that are counted, by their ids.",
    )
    last_measured_on: date | None = strawberry.field(
        resolver=_last_measured_on,
        description="The last day, in UTC, that is kept for trends and scores; null before the first.",
    )


async def resolve_data_quality(
    info: Info,
    source_id: SourceId = None,
    site_id: SiteId = None,
    product_id: ProductId = None,
    manufacturer: Annotated[
        str | None, strawberry.argument(description="Only products of this maker, by any of its names.")
    ] = None,
) -> DataQuality:
    """Resolver of `dataQuality`."""
    return DataQuality(within=await _within(info, source_id, site_id, product_id, manufacturer))


async def resolve_trend(
    info: Info,
    source_id: SourceId = None,
    site_id: SiteId = None,
    product_id: ProductId = None,
    measures: Annotated[
        list[QualityMeasure] | None, strawberry.argument(description="Only these, without the score; all when null.")
    ] = None,
    days: Annotated[int, strawberry.argument(description=f"How many calendar days, {MOST_DAYS} at most.")] = USUAL_DAYS,
    until: Annotated[
        date | None, strawberry.argument(description="The last of them; today, in UTC, when null.")
    ] = None,
) -> list[DataQualityTrend]:
    """Resolver of `dataQualityTrend`."""
    context, probes = info.context, _probes(info)
    require_reach(context.principal, "dataQualityTrend")
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"`days` of dataQualityTrend is {days}, 1 to {MOST_DAYS} is allowed")
    within = await _within(info, source_id, site_id, product_id, None)
    of = TrendOf.within(within)
    asked: list[QualityMeasure | None] = []
    for measure in measures or ():
        _require_seen(info, probes, measure)
        require_about(measure, within)
        asked.append(measure)
    if measures is None:
        shown = {*probes.seen, *(() if _is_score_kept(info, of.scope) else (None,))}
        asked = [each for each in of.measures if each in shown]
    last = until or day_of(context.clock.now())
    async with context.reader.exclusively:
        found = await trends_of(await context.reader.snapshot(), asked, days=days, until=last, of=of)
    return [
        DataQualityTrend(
            measure=measure,
            days=[DataQualityDay(measured_on=day.day, defects=day.defects, records=day.records) for day in days_],
        )
        for measure, days_ in found.items()
    ]


@strawberry.input(description="Measure the data quality of today anew.")
class MeasureDataQualityInput:
    """Input of `measureDataQuality`."""

    idempotency_key: str = KEY


@strawberry.type(description="Answer of `measureDataQuality`.")
class MeasureDataQualityPayload(Payload):
    """Payload of `measureDataQuality`."""

    measured_on: date | None = strawberry.field(
        default=None, description="The day that was measured, in UTC; null when it was refused."
    )
    rescored: int = strawberry.field(
        default=0, description="Products and sites whose `dataQuality`, or what it comes of, is something else now."
    )


async def measure(info: Info, input: MeasureDataQualityInput) -> MeasureDataQualityPayload:
    """`measureDataQuality`. Measuring again puts the day in its own place, so it needs no receipt."""
    async with refusing(info) as refusals:
        request_of(info, input.idempotency_key)
        context = info.context
        terms = context.measuring.terms(context.clock.now())
        done = await measure_day(context.engine, terms, kept=context.measuring.kept)
        return MeasureDataQualityPayload(measured_on=done.day, rescored=done.rescored)
    return MeasureDataQualityPayload(errors=refusals)


def _probes(info: Info) -> Probes:
    context = info.context
    return Probes(context.measuring.terms(context.clock.now()), context.reader.sight)


async def _within(
    info: Info,
    source_id: strawberry.ID | None,
    site_id: strawberry.ID | None,
    product_id: strawberry.ID | None,
    manufacturer: str | None,
) -> Within:
    """What these mean. Raises NotKnown for what is not there for whoever asks."""
    reader, given = info.context.reader, {"source": source_id, "site": site_id, "product": product_id}
    ids = {entity: text for entity, text in given.items() if text is not None}
    keys = {entity: key_of(text, entity=entity) for entity, text in ids.items()}
    await require_sight(reader, list(ids.values()))
    async with reader.exclusively:
        made = await within_called(await reader.snapshot(), manufacturer=manufacturer)
    return replace(made, source_id=keys.get("source"), site_id=keys.get("site"), product_id=keys.get("product"))


def _require_seen(info: Info, probes: Probes, measure: QualityMeasure) -> None:
    """Raises Forbidden for a measure that looks at what is kept from whoever asks."""
    if measure not in probes.seen:
        raise Forbidden(
            f"{info.context.principal.name!r} may not read {measure.value}: it looks at what lies outside of its "
            "regions, or at fields that its roles do not read",
            hint="`me { regions hiddenFields }` lists them.",
        )


def _is_score_kept(info: Info, scope: QualityScope) -> bool:
    """Whether the scores of sites or products are for other roles."""
    return (_SCORED.get(scope, ""), "data_quality") in info.context.reader.sight.hidden


def _require_page(first: int) -> None:
    if not 1 <= first <= LARGEST_PAGE:
        raise InvalidInput(f"`first` is {first}, 1 to {LARGEST_PAGE} is allowed")


def _place(cursor: str, entity: str) -> int:
    """The record that a page ended with, whose id is the cursor."""
    try:
        return key_of(cursor, entity=entity)
    except InvalidInput:
        raise InvalidInput(
            f"cursor {cursor!r} is not one of ours", hint="Use a cursor as it was received, or leave it out."
        ) from None


def _page(edges: list[Edge[Any]], total: int, *, after: str | None, has_more: bool) -> Connection[Any]:
    return Connection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=has_more,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        total_count=total,
    )


def _count(measure: QualityMeasure, count: Count) -> DataQualityCount:
    told = DEFINITIONS[measure]
    return DataQualityCount(
        measure=measure,
        defects=count.defects,
        records=count.records,
        percent=count.percent,
        definition=DataQualityDefinition(
            title=told.title,
            counts=told.counts,
            of=told.of,
            without=told.without,
            record_type=ENTITY_TYPES[told.entity],
            scores=told.scores,
            mend=told.mend,
        ),
    )


def _scored(count: Count) -> DataQualityScore:
    return DataQualityScore(defects=count.defects, records=count.records, percent=count.percent)


def _part(part: Part, by: QualityDimension, is_score_kept: bool) -> DataQualityPart:
    has_id = part.id is not None and by in _TYPES
    return DataQualityPart(
        id=strawberry.ID(global_id(_TYPES[by], part.id or 0)) if has_id else None,
        name=part.name,
        score=None if part.score is None or is_score_kept else _scored(part.score),
        defects=part.defects,
        counts=[_count(measure, count) for measure, count in part.counts.items()],
    )
