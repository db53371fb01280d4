"""One check of the contract, and how it is run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from connector.sdk.errors import ConfigError
from connector.sdk.registry import AdapterType
from connector.sdk.testing.bench import Bench, Broken
from connector.sdk.testing.contract import CheckResult, Contract, Outcome
from connector.sdk.testing.sandbox import NotApplicable, NotTold

SEEN_IN = re.compile(r"\b[\w.-]+/[\w.-]+#\d+")
LONGEST_SECONDS = 120
"""A check that takes longer than this hangs."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of the contract.

    number, title: as in the quality table. needs: the adapter must have one of these capabilities, or nothing
    is to be checked; empty means that it concerns every adapter. run: raises Broken, NotApplicable or NotTold.
    """

    number: int
    title: str
    needs: tuple[str, ...]
    run: Callable[[Bench], Awaitable[None]]

    @property
    def name(self) -> str:
        """Name for a test: number and function."""
        return f"{self.number:02}-{getattr(self.run, '__name__', 'check')}"

    @property
    def seen_in(self) -> tuple[str, ...]:
        """Public threads, as `owner/repository#number`, in which others told of such a loss."""
        return tuple(SEEN_IN.findall(self.run.__doc__ or ""))


def check(number: int, title: str, *needs: str) -> Callable[[Callable[[Bench], Awaitable[None]]], Check]:
    """Make a function into a check."""

    def make(run: Callable[[Bench], Awaitable[None]]) -> Check:
        return Check(number, title, needs, run)

    return make


async def run_check(contract: Contract, check: Check, loaded: AdapterType | None = None) -> CheckResult:
    """Run one check; whatever the adapter or the sandbox does, the answer is a result.

    loaded: the adapter's class where it is known; finding it takes a while.
    """
    bench = Bench(contract, loaded)
    try:
        if check.needs and not any(bench.has(capability) for capability in check.needs):
            raise NotApplicable(f"the adapter does not implement {' or '.join(check.needs)}")
        async with asyncio.timeout(LONGEST_SECONDS):
            await check.run(bench)
    except NotApplicable as absent:
        return CheckResult(check.number, check.title, Outcome.NOT_APPLICABLE, absent.reason)
    except NotTold as missing:
        reason = f"the sandbox does not implement {missing}; implement it, or raise NotApplicable with the reason"
    except (Broken, ConfigError) as broken:
        reason = str(broken)
    except Exception as error:  # noqa: BLE001 - an adapter may fail in any way; each is a failed check
        reason = f"unexpected {type(error).__name__}: {error} ({_place(error)})"
    else:
        return CheckResult(check.number, check.title, Outcome.PASSED, "; ".join(bench.notes))
    return CheckResult(check.number, check.title, Outcome.FAILED, reason)


def _place(error: BaseException) -> str:
    """File and line where the error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "at an unknown place"
    return f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
