"""`connector identity`: records of which a person has to say which device they are about, and why one is matched so."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from connector.api.merging import Merged, Merges
from connector.api.reviewing import IdentityReviews
from connector.cli.approvals import whoever_types
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.hub import Hub
from connector.ingest.deciding import Decided
from connector.ingest.explaining import MatchExplanation, explain_match
from connector.ingest.splitting import Split
from connector.ingest.unmerging import Undone
from connector.model.lifecycle import ReviewState
from connector.storage.database.engine import reading
from connector.storage.merging.merges import MergeRow, list_merges
from connector.storage.merging.records import Record
from connector.storage.sources.reviews import (
    CandidateRow,
    ReviewRow,
    list_reviews,
    review_candidates,
    review_row,
)
from connector.storage.sources.sources import source_ids

identity = typer.Typer(
    help="Which device is it? Records that are not told apart, and devices that are merged or split.",
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(help="Number of the review, as `list` shows it.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why, for the record.")]
Key = Annotated[str | None, typer.Option(help="Idempotency key; made up when left out.")]


@identity.command("list")
def list_all(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are answered or settled too.")] = False,
    after: Annotated[int, typer.Option(help="Go on after this review.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Reviews a page.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List records that wait to be told apart, oldest first."""

    async def read(hub: Hub) -> list[tuple[ReviewRow, int]]:
        async with reading(hub.database) as tx:
            source_id = None
            if source is not None:
                hub.connection(source)
                source_id = (await source_ids(tx))[source]
            states = tuple(ReviewState) if every else (ReviewState.OPEN,)
            return await list_reviews(tx, states, source_id=source_id, after=after, limit=limit)

    found = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([{**asdict(review), "candidates": count} for review, count in found])
        return
    rows = [
        {
            "review": review.id,
            "source": review.source,
            "record": review.external_id,
            "name": review.name,
            "candidates": count,
            "state": review.state.value,
            "reason": review.reason,
        }
        for review, count in found
    ]
    print_table("Identity reviews", rows, empty="Every record is told apart.")
    if len(found) == limit:
        console.print(f"More: --after {found[-1][0].id}")


@identity.command()
def show(number: Number, config: Config = None, as_json: AsJson = False) -> None:
    """Show what a record states beside each device that it may be about."""

    async def read(hub: Hub) -> tuple[ReviewRow, list[CandidateRow]]:
        async with reading(hub.database) as tx:
            return await review_row(tx, number), await review_candidates(tx, number)

    review, candidates = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json({**asdict(review), "candidates": [asdict(candidate) for candidate in candidates]})
        return
    console.print(f"[bold]{review.id}[/]  {review.source} {review.external_id}  {review.state.value}", highlight=False)
    console.print(review.reason, markup=False, highlight=False)
    if review.decided_by:
        why = f": {review.decision_reason}" if review.decision_reason else ""
        console.print(f"{review.decided_by} answered{why}", markup=False, highlight=False)
    _show_attempts(review.attempts)
    for candidate in candidates:
        _show_candidate(candidate.asset_id, candidate.rules, candidate.facts)
    if review.quarantine_id is not None:
        console.print(f"The record: connector quarantine show {review.quarantine_id}", highlight=False)


@identity.command()
def link(
    number: Number,
    asset: Annotated[int, typer.Argument(help="Id of the device that the record is about.")],
    reason: Why = None,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say that a record is about a device that the hub knows; it is used at once."""

    async def do(desk: IdentityReviews, actor: str) -> Decided:
        return await desk.link(number, asset, reason=reason, key=key or str(uuid.uuid4()), actor=actor)

    _answer(config, do, as_json=as_json)


@identity.command()
def separate(
    number: Number, reason: Why = None, key: Key = None, config: Config = None, as_json: AsJson = False
) -> None:
    """Say that a record is about a device of its own; it is used at once, and never comes up again."""

    async def do(desk: IdentityReviews, actor: str) -> Decided:
        return await desk.separate(number, reason=reason, key=key or str(uuid.uuid4()), actor=actor)

    _answer(config, do, as_json=as_json)


@identity.command()
def dismiss(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Leave a record in quarantine and ask no more, until what is known of it changes."""

    async def do(desk: IdentityReviews, actor: str) -> Decided:
        return await desk.dismiss(number, reason=reason, key=key or str(uuid.uuid4()), actor=actor)

    _answer(config, do, as_json=as_json)


@identity.command()
def explain(
    source: Annotated[str, typer.Argument(help="Name of the source.")],
    external_id: Annotated[str, typer.Argument(help="What it calls the device.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show every rule that is tried for a record, what it compares and finds, and what comes of it."""

    async def read(hub: Hub) -> MatchExplanation:
        async with reading(hub.database) as tx:
            return await explain_match(tx, source, external_id, at=hub.clock.now())

    found = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json(asdict(found))
        return
    outcome = {"link": f"is asset {found.asset_id}", "new": "is a new device", "review": "is left to a person"}
    console.print(f"{source} {external_id} {outcome[found.outcome]}: {found.reason}.", markup=False, highlight=False)
    _show_attempts(found.attempts)
    for candidate in found.candidates:
        _show_candidate(candidate["asset_id"], candidate["rules"], candidate["facts"])
    if found.review is not None:
        console.print(f"It is asked about: connector identity show {found.review}", highlight=False)


@identity.command()
def merge(
    keep: Annotated[int, typer.Argument(help="Id of the device that is kept.")],
    others: Annotated[list[int], typer.Argument(help="Ids of those that are the same one.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say that several devices are one: all that hangs on them comes to the one that is kept."""

    async def run(hub: Hub) -> Merged:
        by = whoever_types().name
        return await _merges(hub).merge(keep, others, reason=reason, key=key or str(uuid.uuid4()), actor=by)

    done = with_hub(config, run, as_json=as_json)
    if as_json:
        print_json(asdict(done))
        return
    for other, number in zip(others, done.merge_ids, strict=True):
        console.print(f"Asset {other} is asset {keep} now (merge {number}).", highlight=False)


@identity.command("undo-merge")
def undo_merge(
    number: Annotated[int, typer.Argument(help="Number of the merge, as `merges` shows it.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say that a merge was wrong: what it moved goes back, as far as it still is as the merge left it."""

    async def run(hub: Hub) -> Undone:
        by = whoever_types().name
        return await _merges(hub).undo(number, reason=reason, key=key or str(uuid.uuid4()), actor=by)

    done = with_hub(config, run, as_json=as_json)
    if as_json:
        print_json(asdict(done))
        return
    console.print(f"Assets {done.kept_id} and {done.merged_id} are two devices again.", highlight=False)
    if done.stayed:
        print_table(f"What stays with asset {done.kept_id}", done.stayed, empty="")


@identity.command()
def split(
    asset: Annotated[int, typer.Argument(help="Id of the device.")],
    records: Annotated[list[str], typer.Argument(help="Records that are about another one, each SOURCE:ID.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say that some records of a device are about another one, which is made of them."""
    named = [Record(source, external_id) for source, _, external_id in (each.partition(":") for each in records)]

    async def run(hub: Hub) -> Split:
        by = whoever_types().name
        return await _merges(hub).split(asset, named, reason=reason, key=key or str(uuid.uuid4()), actor=by)

    done = with_hub(config, run, as_json=as_json)
    if as_json:
        print_json(asdict(done))
        return
    what = "record is" if len(records) == 1 else "records are"
    console.print(f"{len(records)} {what} of asset {done.new_id} now.", highlight=False)


@identity.command()
def merges(
    every: Annotated[bool, typer.Option("--all", help="Those too that were taken back.")] = False,
    after: Annotated[int, typer.Option(help="Go on after this merge.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Merges a page.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List devices that were made one, oldest first."""

    async def read(hub: Hub) -> list[MergeRow]:
        async with reading(hub.database) as tx:
            return await list_merges(tx, every=every, after=after, limit=limit)

    found = with_hub(config, read, as_json=as_json)
    names = ("id", "kept_id", "merged_id", "reason", "merged_by", "created_at", "undone_by", "undone_at")
    rows = [{name: value for name, value in asdict(row).items() if name in names} for row in found]
    if as_json:
        print_json(rows)
        return
    print_table("Merges", rows, empty="No devices were made one.")
    if len(found) == limit:
        console.print(f"More: --after {found[-1].id}")


def _merges(hub: Hub) -> Merges:
    return Merges(hub.database, hub.clock)


def _answer(config: Config, do: Callable[[IdentityReviews, str], Awaitable[Decided]], *, as_json: bool) -> None:
    async def run(hub: Hub) -> Decided:
        return await do(IdentityReviews(hub.database, hub.clock), whoever_types().name)

    done = with_hub(config, run, as_json=as_json)
    if as_json:
        print_json({**asdict(done), "state": done.state.value})
        return
    then = f"the record is asset {done.asset_id}" if done.is_applied else "the record still waits in quarantine"
    console.print(f"Review {done.review_id} is {done.state.value}: {then}.", markup=False, highlight=False)


def _show_attempts(attempts: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        {
            "rule": attempt["rule"],
            "compares": ", ".join(str(value) for values in attempt["compared"].values() for value in values),
            "finds": ", ".join(f"asset {number}" for number in attempt["found"]),
            "besides": "; ".join(
                [*(f"asset {left['asset_id']}: {left['reason']}" for left in attempt["left_out"]),
                 *([attempt["note"]] if attempt["note"] else [])]
            ),
        }
        for attempt in attempts
    ]  # fmt: skip
    print_table("Rules", rows, empty="No rule was tried.")


def _show_candidate(asset_id: int, rules: Sequence[str], facts: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        {
            "fact": fact["fact"].replace("_", " "),
            "record": _text(fact["stated"]),
            "device": _text(fact["known"]),
            "": fact["agreement"],
        }
        for fact in facts
    ]
    print_table(f"Asset {asset_id}, found by {', '.join(rules) or 'no rule'}", rows, empty="Nothing is known of it.")


def _text(value: Any) -> str | None:
    return ", ".join(value) if isinstance(value, list) else None if value is None else str(value)
