"""`connector keys`: keys of programs that the hub keeps itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from connector.api.tokens import START, digest_of, new_token
from connector.cli.approvals import whoever_types
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table, warn
from connector.hub import Hub
from connector.model.errors import InvalidInput
from connector.settings.auth import is_speakable
from connector.storage.access.keys import KeptKey, NewKey, add_key, list_keys, revoke_key
from connector.storage.database.engine import reading, transaction

keys = typer.Typer(help="Keys of programs: create, list, revoke.", no_args_is_help=True)

_ROLE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_DAYS: Final = re.compile(r"([1-9][0-9]{0,4})d", re.ASCII)
_TOLD: Final = ("name", "start", "roles", "regions", "expires_at", "created_by", "created_at", "last_used_at",
                "revoked_at", "revoked_by")  # fmt: skip

Name = Annotated[str, typer.Argument(help="What the key is called; the change log calls its holder key:NAME.")]


@keys.command()
def create(
    name: Name,
    role: Annotated[list[str], typer.Option(help="What it may do; several times for several roles.")],
    region: Annotated[
        list[str] | None, typer.Option(help="Region that it is limited to; several times, everything when left out.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="In so many days, 90d, or an instant with its zone; never when left out.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print its token, once: the hub keeps a digest only."""
    token = new_token()

    async def make(hub: Hub) -> datetime | None:
        if not is_speakable(name, also="-_.") or len(name) > 100:
            raise InvalidInput(f"{name!r} is no name of a key", hint="Letters, digits, '-', '_' and '.', 100 at most.")
        for one in role:
            if _ROLE.fullmatch(one) is None:
                raise InvalidInput(f"{one!r} is no role", hint="Small letters, digits, '-' and '_': dispatcher.")
        now = hub.clock.now()
        until = None if expires is None else _instant(expires, now)
        new = NewKey(
            name=name,
            digest=digest_of(token),
            start=token[:START],
            roles=tuple(dict.fromkeys(role)),
            regions=tuple(dict.fromkeys(region)) if region else None,
            expires_at=until,
        )
        async with transaction(hub.database) as tx:
            await add_key(tx, new, by=whoever_types().name, at=now)
        if hub.settings.auth.is_open:
            warn("This hub asks nobody for a key: take `anonymous = true` under [auth] out of connector.toml.")
        return until

    until = with_hub(config, make, as_json=as_json)
    if as_json:
        print_json({"name": name, "token": token, "expires_at": until})
        return
    _say(token)
    warn(f"This is the token of {name!r}. It is not shown again.")


@keys.command("list")
def list_all(
    every: Annotated[bool, typer.Option("--all", help="Revoked ones too.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List the keys, and when each was last used; those of connector.toml are not among them."""

    async def read(hub: Hub) -> tuple[list[KeptKey], datetime]:
        async with reading(hub.database) as tx:
            return await list_keys(tx, revoked=every), hub.clock.now()

    found, now = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([{name: getattr(key, name) for name in _TOLD} for key in found])
        return
    rows = [
        {
            "key": key.name,
            "token": f"{key.start}...",
            "roles": ", ".join(key.roles),
            "regions": "all" if key.regions is None else ", ".join(key.regions),
            "expires": key.expires_at and f"{key.expires_at:%Y-%m-%d}{'' if key.expires_at > now else ', is over'}",
            "last used": key.last_used_at and f"{key.last_used_at:%Y-%m-%d %H:%M}Z",
            "revoked": key.revoked_at and f"{key.revoked_at:%Y-%m-%d} by {key.revoked_by}",
        }
        for key in found
    ]
    print_table("Keys", rows, empty="There are no keys.")


@keys.command()
def revoke(name: Name, config: Config = None, as_json: AsJson = False) -> None:
    """Revoke a key: within seconds no request of it is taken, and its sockets are closed."""

    async def do(hub: Hub) -> int:
        async with transaction(hub.database) as tx:
            return await revoke_key(tx, name, by=whoever_types().name, at=hub.clock.now())

    with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"name": name, "revoked": True})
    else:
        _say(f"Key {name!r} is revoked.")


def _instant(text: str, now: datetime) -> datetime:
    days = _DAYS.fullmatch(text)
    if days is not None:
        return now + timedelta(days=int(days[1]))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidInput(
            f"{text!r} says no time at which the key expires", hint="Write 90d, or an instant like 2027-12-01T18:00Z."
        )
    return found.astimezone(UTC)


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
