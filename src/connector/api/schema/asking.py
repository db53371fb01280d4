"""What every mutation does around its command: refusals become answers, and a key makes asking twice one effect."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connector.api.context import Info
from connector.api.requests import Request
from connector.api.schema.inputs import KEY_LENGTH
from connector.api.schema.refusals import Refusal, refusal_of
from connector.model.errors import ConnectorError, InvalidInput

_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")


@asynccontextmanager
async def refusing(info: Info) -> AsyncIterator[list[Refusal]]:
    """Turns a refusal inside into an entry of the list; faults go on. What is read afterwards is read anew."""
    refusals: list[Refusal] = []
    try:
        yield refusals
    except ConnectorError as error:
        refusals.append(refusal_of(error))
    finally:
        await info.context.reader.renew()


def request_of(info: Info, key: str) -> Request:
    """Who asks, under which key. Raises InvalidInput for a key that cannot be used."""
    if not 0 < len(key) <= KEY_LENGTH or not _SIGNS.issuperset(key):
        raise InvalidInput(
            f"idempotencyKey {key!r} cannot be used",
            hint=f"Make up 1 to {KEY_LENGTH} letters, digits and '-_.:', for example a UUID.",
        )
    return Request(actor=info.context.actor, key=key)
