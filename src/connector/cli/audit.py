"""`connector audit`: the log of who changed what, checked and taken out."""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer

from connector.cli.approvals import whoever_types
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import ExitCode, console, print_json, warn
from connector.hub import Hub
from connector.model.errors import InvalidInput
from connector.storage.audit.events import AuditEvent, record_event
from connector.storage.audit.exporting import audit_lines
from connector.storage.audit.sealing import Head, seal
from connector.storage.audit.verifying import Verified
from connector.storage.audit.verifying import verify as verify_log
from connector.storage.database.engine import reading, transaction

audit = typer.Typer(help="The log of who changed what: check it, take it out.", no_args_is_help=True)

_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@audit.command()
def verify(
    head: Annotated[
        str | None, typer.Option(help="Digest that `audit head` printed before and that was kept elsewhere.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Check that nobody has changed, added or taken out a line of the log since it was sealed."""

    async def check(hub: Hub) -> Verified:
        if head is not None and _DIGEST.fullmatch(head) is None:
            raise InvalidInput(
                f"{head!r} is no digest", hint="It has 64 signs, 0-9 and a-f; see: connector audit head."
            )
        async with reading(hub.database) as tx:
            return await verify_log(tx, head=head)

    found = with_hub(config, check, as_json=as_json)
    if as_json:
        print_json(asdict(found))
    elif found.broken is None:
        console.print(f"The log is what was sealed, up to position {found.position}.", highlight=False)
        console.print(f"Head: {found.head}", highlight=False, soft_wrap=True)
        console.print(
            f"{found.links} links, {found.unsealed} changes not sealed yet, {found.replaced} replaced by erasures.",
            highlight=False,
        )
    else:
        where = "" if found.broken.link is None else f", link {found.broken.link}"
        warn(f"The log is not what was sealed: position {found.broken.position}{where}: {found.broken.problem}.")
    if found.broken is not None:
        raise typer.Exit(ExitCode.UNHEALTHY)


@audit.command()
def head(config: Config = None, as_json: AsJson = False) -> None:
    """Seal what is there, and print the digest of the last link: keep it where the hub cannot write."""

    async def do(hub: Hub) -> Head:
        return await seal(hub.database, hub.clock.now)

    found = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json(asdict(found))
    else:
        console.print(found.digest, highlight=False, soft_wrap=True)


@audit.command()
def export(
    file: Annotated[Path | None, typer.Option("--output", "-o", help="File; standard output when left out.")] = None,
    after: Annotated[int, typer.Option(min=0, help="Only what stands behind this position.")] = 0,
    config: Config = None,
) -> None:
    """Write the log as JSON lines, each change with its digest, each link of the chain behind its changes."""

    async def write(hub: Hub) -> int:
        async with transaction(hub.database) as tx:
            told = {"what": "audit", "after": after}
            await record_event(tx, AuditEvent.EXPORTED, told, by=whoever_types().name, at=hub.clock.now())
        await seal(hub.database, hub.clock.now)
        count = 0
        try:
            with file.open("wb") if file else nullcontext(sys.stdout.buffer) as out:
                async with reading(hub.database) as tx:
                    async for line in audit_lines(tx, after=after):
                        out.write(orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))
                        count += 1
        except OSError as error:
            raise InvalidInput(f"{str(file)!r} cannot be written: {error.strerror}") from error
        return count

    count = with_hub(config, write)
    if file is not None:
        console.print(f"{count} lines written to {file}.", markup=False, highlight=False)
