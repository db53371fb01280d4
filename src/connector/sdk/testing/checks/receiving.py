"""Webhooks: checks 27 to 31."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from connector.model.errors import InvalidRecord
from connector.model.records import Record
from connector.model.refs import SourceRef
from connector.sdk.adapter import Adapter, Fetches, ReceivesWebhooks
from connector.sdk.errors import AuthError, Invalid
from connector.sdk.testing.bench import NOW, Bench, Broken, Rig, pull, records_of, require
from connector.sdk.testing.check import Check, check
from connector.sdk.testing.distortions import removed, replaced, spots
from connector.sdk.testing.sandbox import NotApplicable, Signature
from connector.sdk.webhook import WebhookRequest, WebhookResult

SENT_AT = NOW - timedelta(minutes=1)
MOST_FLIPS = 64
MOST_MUTATIONS = 300


def receiver(adapter: Adapter[Any]) -> ReceivesWebhooks:
    """The adapter as what receives webhooks."""
    if not isinstance(adapter, ReceivesWebhooks):
        raise NotApplicable("the adapter receives no webhooks")
    return adapter


def refuses(adapter: Adapter[Any], request: WebhookRequest, what: str) -> None:
    """Have the adapter refuse a request. Raises Broken when it does not, or does so otherwise than by AuthError."""
    try:
        receiver(adapter).verify(request)
    except AuthError:
        return
    except Exception as error:
        raise Broken(f"of {what} verify() raises {type(error).__name__} ({error}) where AuthError is right") from error
    raise Broken(f"{what} is accepted: verify() must raise AuthError")


@check(27, "good signature accepted; flipped byte, missing or old signature refused", "ReceivesWebhooks")
async def signatures(bench: Bench) -> None:
    """Nobody else can tell the hub what happened. That the comparison takes constant time cannot be measured here."""
    async with bench.rig() as rig:
        adapter, signature = rig.adapter(), rig.sandbox.signature()
        request = rig.sandbox.webhook(at=SENT_AT).request
        receiver(adapter).verify(request)
        given = _given(request, signature)
        require(bool(given), f"the sandbox's webhook has no {signature.where} {signature.name!r}: correct signature()")
        refuses(
            adapter, _with_proof(request, signature, None), f"a webhook without {signature.where} {signature.name!r}"
        )
        refuses(adapter, _with_proof(request, signature, ""), f"a webhook whose {signature.name!r} is empty")
        for place in range(len(given)):
            other = "1" if given[place] != "1" else "0"
            flipped = given[:place] + other + given[place + 1 :]
            refuses(
                adapter,
                _with_proof(request, signature, flipped),
                f"a webhook with character {place} of its proof changed",
            )
        if signature.covers_body:
            for place in _places(len(request.body)):
                body = bytearray(request.body)
                body[place] ^= 0x01
                refuses(adapter, replace(request, body=bytes(body)), f"a webhook with byte {place} of its body changed")
            refuses(adapter, replace(request, body=request.body + b" "), "a webhook with a byte appended")
        if signature.expires_after is not None:
            later = request.received_at + signature.expires_after + timedelta(seconds=2)
            refuses(
                adapter, replace(request, received_at=later), f"a webhook that is older than {signature.expires_after}"
            )
        if not signature.covers_body or signature.expires_after is None:
            require(bool(signature.reason), "signature() leaves something uncovered and gives no reason: say why")
            bench.notes.append(signature.reason)


def _given(request: WebhookRequest, signature: Signature) -> str:
    place = request.headers if signature.where == "header" else request.query
    return place.get(signature.name.lower() if signature.where == "header" else signature.name, "")


def _with_proof(request: WebhookRequest, signature: Signature, proof: str | None) -> WebhookRequest:
    name = signature.name.lower() if signature.where == "header" else signature.name
    place = dict(request.headers if signature.where == "header" else request.query)
    place.pop(name, None)
    if proof is not None:
        place[name] = proof
    return replace(request, headers=place) if signature.where == "header" else replace(request, query=place)


def _places(length: int) -> list[int]:
    """Some positions in a body: all of a short one, evenly spread ones of a long one, always first and last."""
    step = max(1, length // MOST_FLIPS)
    return sorted({*range(0, length, step), length - 1}) if length else []


@check(28, "parse is pure: the same bytes, the same result", "ReceivesWebhooks")
async def parse_is_pure(bench: Bench) -> None:
    """A webhook is kept raw and may be read again after a crash."""
    async with bench.rig() as rig:
        request = rig.sandbox.webhook(at=SENT_AT).request
        before = rig.sent()
        first = receiver(rig.adapter()).parse(request)
        again = receiver(rig.adapter()).parse(replace(request, received_at=request.received_at + timedelta(hours=5)))
        require(
            isinstance(first, WebhookResult), f"parse() returns {type(first).__name__} where WebhookResult is right"
        )
        require(first == again, "the same bytes, read again five hours later, give another result")
        require(rig.sent() == before, "parse() sends requests: return what is to be fetched in WebhookResult.fetch")


@check(29, "replays and reordered webhooks keep the newest", "ReceivesWebhooks")
async def versions(bench: Bench) -> None:
    """Records carry the version by which the hub orders them."""
    async with bench.rig() as rig:
        adapter = receiver(rig.adapter())
        first = rig.sandbox.webhook(at=SENT_AT - timedelta(minutes=2))
        second = rig.sandbox.webhook(first.ref, at=SENT_AT)
        require(second.ref == first.ref, f"the sandbox's second webhook is about {second.ref}, not about {first.ref}")
        older, newer = (_about(adapter.parse(sent.request), first.ref) for sent in (first, second))
        if older is None or newer is None:
            bench.notes.append("the webhook is a hint, its object is fetched again and carries its version then")
            return
        require(
            older.updated_at is not None, f"the record of {first.ref} has no updated_at, so that order cannot be told"
        )
        require(
            older.updated_at is not None and newer.updated_at is not None and older.updated_at < newer.updated_at,
            f"updated_at of {first.ref} is {older.updated_at} and, two minutes later, {newer.updated_at}",
        )


def _about(result: WebhookResult, ref: SourceRef) -> Record | None:
    """The record of the object; None when it is only named. Raises Broken when it is not mentioned."""
    found = {record.ref: record for record in result.records}
    require(
        ref in found or ref in result.fetch,
        f"a webhook about {ref} yields neither its record nor its reference, but "
        f"{', '.join(map(str, [*found, *result.fetch])) or 'nothing'}",
    )
    return found.get(ref)


@check(30, "unknown events ignored; arbitrary bytes give only AuthError or Invalid", "ReceivesWebhooks")
async def arbitrary_bytes(bench: Bench) -> None:
    """Anybody can post to a webhook's address."""
    async with bench.rig() as rig:
        adapter = receiver(rig.adapter())
        try:
            unknown = rig.sandbox.webhook_of_unknown_kind(at=SENT_AT)
        except NotApplicable as absent:
            bench.notes.append(f"unknown events: {absent.reason}")
        else:
            adapter.verify(unknown)
            result = adapter.parse(unknown)
            require(not result.records and not result.fetch, f"an unknown event yields {result}")
        good = rig.sandbox.webhook(at=SENT_AT).request
        for body in _bodies(good.body):
            request = replace(good, body=body)
            try:
                adapter.verify(request)
            except AuthError:
                pass
            except Exception as error:
                raise Broken(
                    f"verify() of {body[:80]!r} raises {type(error).__name__} ({error}): raise AuthError"
                ) from error
            try:
                adapter.parse(request)
            except (Invalid, InvalidRecord):
                pass
            except Exception as error:
                raise Broken(
                    f"parse() of {body[:120]!r} raises {type(error).__name__} ({error}): raise Invalid"
                ) from error


def _bodies(good: bytes) -> Iterator[bytes]:
    """Noise, truncations, and the good body with each of its values replaced in turn; always the same ones."""
    dice = random.Random(30)  # noqa: S311 - repeats the same noise, protects nothing
    yield from (b"", b"null", b"[]", b"{}", b'"text"', b"0", b"\xff\xfe", b"{" * 2_000, b"[" * 2_000, good[:-1])
    yield from (dice.randbytes(dice.randrange(1, 200)) for _ in range(50))
    yield from (good[: dice.randrange(len(good) + 1)] for _ in range(20))
    try:
        document = json.loads(good)
    except ValueError:
        return
    places = list(spots(document))
    dice.shuffle(places)
    count = 0
    for spot in places:
        for value in (None, 0, -1.5, "", "x", [], {}, [None], {"id": None}, True, "2026-13-45T99:99:99Z"):
            count += 1
            if count > MOST_MUTATIONS:
                return
            yield json.dumps(replaced(document, spot, value)).encode()
        yield json.dumps(removed(document, spot)).encode()


@check(31, "a webhook's record is the pulled record of the same object", "ReceivesWebhooks")
async def same_as_pulled(bench: Bench) -> None:
    """Two ways in, one truth; otherwise each pull undoes what the webhook said."""
    async with bench.rig() as rig:
        if not bench.streams():
            raise NotApplicable("the adapter does not pull, so there is nothing to compare with")
        sent = rig.sandbox.webhook(at=SENT_AT)
        pulled = await _pulled(bench, rig, sent.ref)
        require(pulled is not None, f"{sent.ref}, of which a webhook told, is in no stream")
        told = _about(receiver(rig.adapter()).parse(sent.request), sent.ref)
        if told is None:
            adapter = rig.adapter()
            if not isinstance(adapter, Fetches):
                raise Broken("the webhook names what to fetch, and the adapter cannot fetch: implement Fetches")
            told = await adapter.fetch(sent.ref)
        require(told == pulled, f"the webhook says {told!r}, a pull says {pulled!r}")


async def _pulled(bench: Bench, rig: Rig, ref: SourceRef) -> Record | None:
    for stream in bench.streams():
        found = records_of(await pull(rig.adapter(), stream))
        if ref in found:
            return found[ref]
    return None


CHECKS: tuple[Check, ...] = (signatures, parse_is_pure, versions, arbitrary_bytes, same_as_pulled)
