"""`connector aliases`: names that stand for what the catalogue calls otherwise, and suggestions of more of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.cli.alias_rows import COLUMNS, Word, alias_of_row, alias_of_words, cells_of
from connector.cli.approvals import whoever_types
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.csv_rows import read_sheet, write_rows
from connector.cli.output import console, print_json, print_table, warn
from connector.hub import Hub
from connector.model.errors import ConnectorError, InvalidInput
from connector.model.kinds import AliasKind, AliasOrigin, SuggestionState
from connector.model.naming import MANUFACTURER_ALIASES
from connector.storage.aliases.kept import add_alias, remove_alias
from connector.storage.aliases.listing import ListedAlias, ListedSuggestion, StandsFor, list_aliases, list_suggestions
from connector.storage.aliases.rows import Added
from connector.storage.aliases.suggesting import accept_suggestion, reject_suggestion, suggest_aliases
from connector.storage.database.engine import reading, transaction

aliases = typer.Typer(help="Other names of makers, models and places: list, add, suggest.", no_args_is_help=True)

PAGE = 500


Number = Annotated[int, typer.Argument(help="Number of the suggestion, as `suggest` and `list --suggested` show it.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the record.")]
Move = Annotated[
    bool, typer.Option("--move", help="Move what hangs on a product of that name to the other one, and retire it.")
]


@aliases.command("list")
def list_all(
    kind: Annotated[AliasKind | None, typer.Option(help="Only of these.")] = None,
    suggested: Annotated[bool, typer.Option("--suggested", help="Suggestions that wait for an answer.")] = False,
    every: Annotated[bool, typer.Option("--all", help="What is shipped, and suggestions that were answered.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most.")] = 200,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List aliases, or suggestions of aliases."""

    async def read(hub: Hub) -> tuple[list[ListedAlias], list[ListedSuggestion]]:
        async with reading(hub.database) as tx:
            if suggested:
                states = tuple(SuggestionState) if every else (SuggestionState.OPEN,)
                return [], await list_suggestions(tx, states, limit=limit)
            return await list_aliases(tx, kind=kind, limit=limit), []

    kept, found = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([asdict(item) for item in found if kind in (None, item.kind)] if suggested else [
            asdict(item) for item in kept
        ])  # fmt: skip
    elif suggested:
        _show_suggestions([item for item in found if kind in (None, item.kind)])
    else:
        rows = [_row(item) for item in kept]
        if every and kind in (None, AliasKind.MANUFACTURER):
            rows += [_shipped(*item) for item in sorted(MANUFACTURER_ALIASES.items())]
        print_table("Aliases", rows, empty="There are no aliases beside those that are shipped (--all).")


@aliases.command()
def add(
    kind: Annotated[Word, typer.Argument(help="What it is a name of.")],
    name: Annotated[str, typer.Argument(help="The other name, as systems write it.")],
    stands_for: Annotated[
        str,
        typer.Option("--for", help="What it stands for: maker, product (SKU, or maker and model), code or name; #id."),
    ],
    manufacturer: Annotated[str | None, typer.Option(help="Of a model: its maker as systems write it.")] = None,
    source: Annotated[str | None, typer.Option(help="Of a site or hub: only in this source.")] = None,
    reason: Reason = None,
    move: Move = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let a name stand for something from now on."""

    async def do(hub: Hub) -> Added:
        async with transaction(hub.database) as tx:
            new = await alias_of_words(
                tx, kind, name, stands_for, manufacturer, source, origin=AliasOrigin.PERSON, reason=reason
            )
            return await add_alias(tx, new, move_references=move, by=whoever_types().name, at=hub.clock.now())

    _tell(with_hub(config, do, as_json=as_json), as_json=as_json)


@aliases.command()
def remove(
    number: Annotated[int, typer.Argument(help="Number of the alias, as `list` shows it.")],
    reason: Reason = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let a name stand for itself again; what was moved because of it stays."""

    async def do(hub: Hub) -> dict[str, Any]:
        async with transaction(hub.database) as tx:
            return await remove_alias(tx, number, by=whoever_types().name, reason=reason, at=hub.clock.now())

    row = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json(row)
    else:
        _say(f"Alias {number} ({row['name']}) is removed.")


@aliases.command()
def suggest(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Suggestions on the screen.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Look for names that may be of one thing, and show what waits for an answer."""

    async def do(hub: Hub) -> list[ListedSuggestion]:
        await suggest_aliases(hub.database, by=whoever_types().name, at=hub.clock.now())
        async with reading(hub.database) as tx:
            return await list_suggestions(tx, (SuggestionState.OPEN,), limit=limit)

    found = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json([asdict(item) for item in found])
    else:
        _show_suggestions(found)


@aliases.command()
def accept(
    number: Number, reason: Reason = None, move: Move = False, config: Config = None, as_json: AsJson = False
) -> None:
    """Make the alias that a suggestion is about."""

    async def do(hub: Hub) -> Added:
        async with transaction(hub.database) as tx:
            return await accept_suggestion(
                tx, number, move_references=move, by=whoever_types().name, reason=reason, at=hub.clock.now()
            )

    _tell(with_hub(config, do, as_json=as_json), as_json=as_json)


@aliases.command()
def reject(number: Number, reason: Reason = None, config: Config = None, as_json: AsJson = False) -> None:
    """Say that two names are of two things; it is not suggested again."""

    async def do(hub: Hub) -> None:
        async with transaction(hub.database) as tx:
            await reject_suggestion(tx, number, by=whoever_types().name, reason=reason, at=hub.clock.now())

    with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"id": number, "state": SuggestionState.REJECTED})
    else:
        _say(f"Suggestion {number} is rejected.")


@aliases.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV file, as `export` writes it.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Add the aliases of a file, all of them or none; nothing is moved."""

    async def do(hub: Hub) -> tuple[int, int, list[Added]]:
        sheet = read_sheet(file, required=("kind", "name", "stands_for"), optional=COLUMNS)
        if sheet.left_out:
            raise InvalidInput("; ".join(sheet.left_out), hint="Nothing was added.")
        for note in sheet.notes:
            warn(note)
        added: list[Added] = []
        async with transaction(hub.database) as tx:
            for row in sheet.rows:
                try:
                    new = await alias_of_row(tx, row)
                    by = whoever_types().name
                    added.append(await add_alias(tx, new, move_references=False, by=by, at=hub.clock.now()))
                except ConnectorError as error:
                    raise InvalidInput(f"{file.name}:{row.line}: {error}", hint="Nothing was added.") from error
        new_ones = [item for item in added if item.is_new]
        return len(new_ones), len(added) - len(new_ones), [item for item in new_ones if item.doubles]

    new, known, doubled = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"added": new, "known": known, "doubles": [asdict(d) for item in doubled for d in item.doubles]})
        return
    _say(f"{new:,} added, {known:,} were there already.")
    for item in doubled:
        _say(_doubles(item))


@aliases.command("export")
def export_file(
    file: Annotated[Path | None, typer.Argument(help="Where to; on the screen when left out.")] = None,
    config: Config = None,
) -> None:
    """Write all aliases as CSV."""

    async def read(hub: Hub) -> int:
        count = after = 0
        with ExitStack() as stack:
            out = stack.enter_context(file.open("w", encoding="utf-8", newline="")) if file else sys.stdout
            write_rows(out, [COLUMNS])
            async with reading(hub.database) as tx:
                while page := await list_aliases(tx, after=after, limit=PAGE):
                    write_rows(out, [cells_of(item) for item in page])
                    after, count = page[-1].id, count + len(page)
        return count

    count = with_hub(config, read)
    if file is not None:
        _say(f"{count:,} written to {file}.")


def _row(item: ListedAlias) -> dict[str, Any]:
    return {
        "alias": item.id,
        "kind": item.stands_for.word,
        "name": item.name,
        "within": item.manufacturer or item.source,
        "stands_for": _named(item.stands_for),
        "by": item.created_by,
        "reason": item.reason,
    }


def _shipped(name: str, stands_for: str) -> dict[str, Any]:
    row = {"alias": None, "kind": "manufacturer", "name": name, "within": None, "stands_for": stands_for}
    return {**row, "by": "shipped", "reason": None}


def _show_suggestions(found: Sequence[ListedSuggestion]) -> None:
    rows = [
        {
            "suggestion": item.id,
            "kind": item.kind.value,
            "name": item.name,
            "stands_for": _named(item.stands_for),
            "score": item.score,
            "why": item.evidence,
            "state": None if item.state is SuggestionState.OPEN else f"{item.state.value} by {item.decided_by}",
        }
        for item in found
    ]
    print_table("Suggestions", rows, empty="No suggestion waits.")


def _tell(added: Added, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(added))
        return
    _say(f"Alias {added.id} {'is added' if added.is_new else 'was there already'}.")
    if added.renamed:
        _say(f"{added.renamed:,} products are kept under the other maker now.")
    if added.linked:
        _say(f"{added.linked:,} tickets had waited for the name.")
    if added.doubles:
        _say(_doubles(added))


def _doubles(added: Added) -> str:
    told = [
        f"{item.kind.value} {item.id} ({item.name}) is called so"
        + (f", with {_counted(item.hangs)}" if item.hangs else "")
        for item in added.doubles
    ]
    if added.moved:
        end = f"Moved to the other: {_counted(added.moved)}."
    else:
        end = "It stays as it is: what is new goes to the other."
    return f"There twice: {'; '.join(told)}. {end}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {word}" for word, count in counts.items())


def _named(to: StandsFor) -> str:
    return f"{to.manufacturer} {to.name}" if to.manufacturer else to.name


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
