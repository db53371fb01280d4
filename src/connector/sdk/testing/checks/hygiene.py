"""Secrets, concurrency and recorded payloads: checks 37 to 39, and 57."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter

from connector.model.records import Record
from connector.sdk.client import secrets_of
from connector.sdk.errors import AdapterError
from connector.sdk.testing.bench import Bench, Broken, Rig, require
from connector.sdk.testing.check import Check, check
from connector.sdk.testing.checks.failing import reads
from connector.sdk.testing.faults import Fault, answers, html_page, refused, truncated
from connector.sdk.testing.operating import kinds_of, perform
from connector.sdk.testing.payloads import payloads_in, require_sources
from connector.sdk.testing.sandbox import NotApplicable

CONCURRENT_CALLS = 32
SHORTEST_CANARY = 12


@check(37, "secrets never in logs, errors, repr or addresses")
async def no_leaks(bench: Bench) -> None:
    """The system itself repeats the credential in its answer, and everything fails."""
    async with bench.rig() as rig:
        canaries = secrets_of(rig.config)
        if not canaries:
            raise NotApplicable("the adapter's settings hold no secret")
        short = [canary for canary in canaries if len(canary) < SHORTEST_CANARY]
        require(
            not short,
            f"the sandbox's secrets need {SHORTEST_CANARY} characters each: one has {len(short[0]) if short else 0}",
        )
        with _logged() as texts:
            texts += [repr(rig.adapter()), repr(vars(rig.adapter())), repr(rig.config), str(rig.config)]
            texts += await _provoke(bench, rig, canaries)
        for text in texts:
            leaked = next((canary for canary in canaries if canary in text), None)
            if leaked is not None:
                place = text.index(leaked)
                around = text[max(0, place - 80) : place + len(leaked) + 40].replace(leaked, "[THE SECRET]")
                raise Broken(f"a secret leaks into: {around!r}")
        if rig.wire is not None:
            for request in rig.wire.requests:
                require(
                    not any(canary in str(request.url) for canary in canaries),
                    f"{request.method} {request.url.path} carries a secret in its address: use a header",
                )


async def _provoke(bench: Bench, rig: Rig, canaries: Sequence[str]) -> list[str]:
    """Texts of all errors that faults bring about, chained ones included."""
    if rig.wire is None:
        await rig.adapter().check()
        return []
    echo = f"you sent {' '.join(canaries)} and headers {json.dumps(canaries)}"
    faults: list[Fault] = [
        *(answers(status, body=echo) for status in (400, 401, 403, 404, 409, 422, 429, 500, 503, 302)),
        answers(200, body=f"<p>{echo}</p>"),
        answers(200, body=json.dumps({"error": echo}), content_type="application/json"),
        answers(200, body=json.dumps([echo]), content_type="application/json"), html_page(), refused(), truncated(),
    ]  # fmt: skip
    texts: list[str] = []
    calls = [call for _, call in await reads(bench, rig)]
    operations = []
    for kind in kinds_of(bench):
        try:
            operations.append(rig.sandbox.operation(kind, "contract-37"))
        except NotApplicable:
            continue
    for fault in faults:
        rig.wire.fail(fault)
        for call in calls:
            try:
                texts.append(repr(await call(rig.adapter())))
            except Exception as error:  # noqa: BLE001 - whatever it is, its text is what matters here
                texts += _texts(error)
        for operation in operations:
            try:
                texts.append(repr(await perform(rig.adapter(), operation)))
            except Exception as error:  # noqa: BLE001 - as above
                texts += _texts(error)
    return texts


def _texts(error: Exception) -> list[str]:
    detail = [error.detail, error.hint] if isinstance(error, AdapterError) else []
    return ["".join(traceback.format_exception(error)), repr(error), str(error), *detail]


class _Kept(logging.Handler):
    """Keeps every line."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Everything that is logged meanwhile, at any level; complete when the block ends."""
    kept, root = _Kept(), logging.getLogger()
    level = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)
    try:
        yield kept.lines
    finally:
        root.removeHandler(kept)
        root.setLevel(level)


@check(38, "32 concurrent calls on one instance respect max_concurrency")
async def concurrency(bench: Bench) -> None:
    """One instance serves everybody, and no system is flooded."""
    async with bench.rig() as rig:
        wire = rig.server()
        most = rig.config.max_concurrency
        require(most < CONCURRENT_CALLS, f"the sandbox's max_concurrency is {most}: choose 4 or less")

        async def pause() -> None:
            for _ in range(10):
                await asyncio.sleep(0)

        wire.pause = pause
        adapter = rig.adapter()
        answered = await asyncio.gather(*(adapter.check() for _ in range(CONCURRENT_CALLS)))
        require(len(answered) == CONCURRENT_CALLS, "some calls were not answered")
        require(
            wire.most_in_flight <= most,
            f"{wire.most_in_flight} requests are under way at once, max_concurrency is {most}: "
            "send all requests through self.http",
        )


@check(39, "recorded payloads map exactly")
async def golden_payloads(bench: Bench) -> None:
    """What the real system once said, and what the hub must make of it."""
    golden = bench.contract.golden
    if isinstance(golden, NotApplicable):
        raise golden
    pairs = await asyncio.to_thread(_pairs, golden.folder)
    require(
        bool(pairs), f"there is no NAME.expected.json in {golden.folder.name!r}: record payloads of the real system"
    )
    for payload, expected in pairs:
        records = TypeAdapter(list[Record]).dump_python(
            list(golden.read(payload.name, payload.read_bytes())), mode="json", exclude_none=True
        )
        wanted = json.loads(expected.read_bytes())
        require(
            records == wanted,
            f"{payload.name} becomes {json.dumps(records)[:600]}, {expected.name} says {json.dumps(wanted)[:600]}",
        )


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Payloads with what is expected of them; a payload without is a mistake. Raises Broken."""
    pairs = []
    for payload in payloads_in(folder):
        expected = folder / f"{payload.stem}.expected.json"
        require(expected.is_file(), f"{payload.name} has no {expected.name} beside it")
        pairs.append((payload, expected))
    return pairs


@check(57, "each recorded payload has a source that can be looked up")
async def payloads_have_sources(bench: Bench) -> None:
    """A payload that nobody knows the source of proves what its author believed."""
    golden = bench.contract.golden
    if isinstance(golden, NotApplicable):
        raise golden
    await asyncio.to_thread(require_sources, golden.folder)


CHECKS: tuple[Check, ...] = (no_leaks, concurrency, golden_payloads, payloads_have_sources)
