"""The kit passes what is right, and finds what is wrong by the check that is meant for it."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO

import pytest

from connector.sdk import Batch, ConfigError, Cursor, Pulls, SourceRef, Stream
from connector.sdk.registry import load_adapter
from connector.sdk.testing import (
    AdapterContract,
    CheckResult,
    MovableClock,
    NotApplicable,
    Outcome,
    Sandbox,
    find_contract,
    run_contract,
)
from connector.sdk.testing.bench import NOW
from connector.sdk.testing.check import Check, run_check
from connector.sdk.testing.suite import ALL_CHECKS
from tests.sdk.plugins import PACKAGES, importable, name_of

with importable(PACKAGES):
    from connector_acme import Acme
    from connector_acme.contract import CONTRACT
    from connector_acme.sandbox import AcmeSandbox
    from connector_acme_wrong import WRONG, SleepsInside

IN_A_PROCESS_OF_THEIR_OWN = {4, 5}
"""Checks that start Python or mypy: only those wrong adapters run them that should fail them."""
SHIPPED = sorted(path.name.removeprefix("connector_") for path in Path("adapters").glob("connector_*"))
OF_THE_PACKAGE = {2, 5, 6, 39, 57}
"""Checks of the folder that the entry point names: the wrong adapters share a single module."""


class TestAcme(AdapterContract):
    contract = CONTRACT


def failures(results: list[CheckResult]) -> dict[int, str]:
    return {result.number: result.reason for result in results if result.outcome is Outcome.FAILED}


async def test_a_correct_adapter_passes_every_check_and_leaves_none_out():
    told: list[int] = []

    results = await run_contract(find_contract("acme"), on_result=lambda result: told.append(result.number))

    assert failures(results) == {}
    assert {result.number for result in results if result.outcome is Outcome.NOT_APPLICABLE} == set()
    assert [result.number for result in results] == told == list(range(1, 58))


@pytest.mark.parametrize("kind", WRONG, ids=name_of)
async def test_a_wrong_adapter_fails_exactly_the_check_that_is_meant_for_it(kind: type[object]):
    """A sixth of the other checks look on; all of them take a tenth of the time of all tests."""
    expected = WRONG[kind]
    others = {check.number for check in ALL_CHECKS} - IN_A_PROCESS_OF_THEIR_OWN - OF_THE_PACKAGE - set(expected)
    chosen = {*expected, *random.sample(sorted(others), len(others) // 6)}

    results = await run_contract(
        replace(CONTRACT, adapter=name_of(kind)), checks=[c for c in ALL_CHECKS if c.number in chosen]
    )

    found = failures(results)
    assert found.keys() == expected.keys(), found
    for number, part in expected.items():
        assert part in found[number]


async def test_a_record_that_keeps_its_serial_must_be_left_alone():
    class Keeping(AcmeSandbox):
        def keeps_serials(self) -> str:
            return "Acme's serials are the devices' own"

    swaps = [check for check in ALL_CHECKS if check.number in (42, 43)]

    results = await run_contract(replace(CONTRACT, sandbox=Keeping), checks=swaps)

    assert failures(results).keys() == {43}  # Acme writes it all the same
    assert "where Invalid is right" in failures(results)[43]
    assert results[0].reason == "Acme's serials are the devices' own"


class WithLocalTimes(AcmeSandbox):
    def times_twice(self, stream: str) -> str:
        return "Acme's times are local"


@pytest.mark.parametrize(
    ("adapter", "why"),
    [
        ("acme", "all times are told exactly: let the sandbox's clocks be set back with those of Berlin"),
        ("takes_the_first_of_two", "and is told as older than it was: its updated_at was 2026-10-25 00:55:00+00:00"),
    ],
)
async def test_where_times_are_local_what_changes_in_the_second_hour_must_not_look_older(adapter: str, why: str):
    result = await run_check(replace(CONTRACT, adapter=adapter, sandbox=WithLocalTimes), check_of(50))

    assert result.outcome is Outcome.FAILED
    assert why in result.reason


def test_each_adapter_that_is_told_the_zone_of_what_it_pulls_is_checked_with_an_hour_that_comes_twice():
    """Records of files have no time of change. Documents of `rest` name their zones themselves."""
    kinds = {name: load_adapter(name) for name in SHIPPED}
    told = {name for name, kind in kinds.items() if "time_zone" in kind.config_type().model_fields}
    pulling = {name: kind.streams() for name, kind in kinds.items() if name in told and issubclass(kind, Pulls)}

    checked = {
        name
        for name, streams in pulling.items()
        if name != "file"
        and any(find_contract(name).sandbox(MovableClock(NOW)).times_twice(stream.name) for stream in streams)
    }

    assert pulling.keys() == {"file", "glpi", "itop", "snipe_it"}
    assert checked == {"glpi", "itop", "snipe_it"}


def test_what_the_sandbox_leaves_out_is_not_applicable_with_its_reason_and_what_it_forgets_fails():
    class Forgetful(AcmeSandbox):
        delete = Sandbox.delete

    class Keeping(AcmeSandbox):
        def delete(self, ref: SourceRef, *, at: datetime) -> None:
            raise NotApplicable("Acme keeps everything")

    class KeepingWithoutSites(Keeping):
        def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
            if stream == "sites":
                raise NotApplicable("Acme has no sites here")
            return super().seed(stream, count, at=at, step=step)

    forgotten = asyncio.run(run_check(replace(CONTRACT, sandbox=Forgetful), check_of(18)))
    kept = asyncio.run(run_check(replace(CONTRACT, sandbox=Keeping), check_of(18)))
    partly = asyncio.run(run_check(replace(CONTRACT, sandbox=KeepingWithoutSites), check_of(10)))

    assert (forgotten.outcome, forgotten.reason) == (
        Outcome.FAILED,
        "the sandbox does not implement delete(ref, ...); implement it, or raise NotApplicable with the reason",
    )
    assert (kept.outcome, kept.reason) == (Outcome.PASSED, "deletions: Acme keeps everything")
    assert (partly.outcome, partly.reason) == (Outcome.PASSED, "stream 'sites': Acme has no sites here")


def test_checks_of_capabilities_that_an_adapter_lacks_are_not_applicable():
    result = asyncio.run(run_check(replace(CONTRACT, adapter="only_checks"), check_of(27)))

    assert (result.outcome, result.reason) == (
        Outcome.NOT_APPLICABLE,
        "the adapter does not implement ReceivesWebhooks",
    )


def test_an_adapter_that_is_not_installed_fails_instead_of_crashing():
    result = asyncio.run(run_check(replace(CONTRACT, adapter="nowhere"), check_of(1)))

    assert result.outcome is Outcome.FAILED
    assert result.reason.startswith("adapter 'nowhere' is not installed. Installed are: ")


def test_an_adapter_without_contract_is_told_where_to_declare_it():
    with pytest.raises(ConfigError) as raised:
        find_contract("only_checks")

    assert str(raised.value) == (
        "adapter 'only_checks' declares no contract: there is no module 'connector_acme_wrong.contract'. "
        "See connector.sdk.testing for the few lines that it takes."
    )


def test_the_sdk_and_the_kit_import_no_test_tool():
    code = (
        "import sys, connector.sdk, connector.sdk.testing; print(sorted({'pytest', 'hypothesis'} & set(sys.modules)))"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


async def test_threads_that_sleep_beside_the_adapter_are_not_taken_for_it():
    """A process that runs tests has other threads, for example of a library that polls its database."""
    ends, slept = threading.Event(), []

    def poll() -> None:
        while not ends.is_set():
            time.sleep(0.0005)
            slept.append(1)

    poller = threading.Thread(target=poll)
    poller.start()
    try:
        found = [await run_check(CONTRACT, check_of(26), kind) for kind in (Acme, SleepsInside)]
    finally:
        ends.set()
        poller.join()

    assert [each.reason for each in found] == ["", "check() sleeps 0.2 s: leave waiting to the hub"]
    assert slept


@pytest.mark.parametrize(("leaks", "outcome"), [(1, Outcome.PASSED), (99, Outcome.FAILED)], ids=["once", "each time"])
async def test_a_file_that_something_else_opened_is_not_the_adapters(leaks: int, outcome: Outcome):
    path, opened = Path(__file__), list[TextIO]()

    def open_one() -> None:
        if len(opened) < leaks:
            opened.append(path.open(encoding="utf-8"))

    class Opens(Acme):
        async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
            async for batch in super().pull(stream, since):
                open_one()
                yield batch

    try:
        found = await run_check(CONTRACT, check_of(22), Opens)
    finally:
        for each in opened:
            each.close()

    assert found.outcome is outcome
    assert found.reason in ("", f"stream 'sites': still open after aclose(): {path}")


def check_of(number: int) -> Check:
    return next(check for check in ALL_CHECKS if check.number == number)
