"""The hub's fulfilment in processes that are killed at chosen points; run as a script by the kill tests.

The script imports everything once and then makes a process for each line that it reads: `{"number": 1, "config": {...},
"kill_at": 7, "after": 3, "wanted": {...}}`, and answers with the number. The process runs the hub until the wanted
receipts are there, or kills itself (SIGKILL) at the seventh point that concerns a reservation with an id above 3; with
`"only": "after push"` of the points with that name. Points are set from outside by wrapping: around every call of an
adapter that has an effect, before and after every commit of a step, around decisions and starts.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import dbos  # noqa: F401 - imported once, here, and not in every process
from sqlalchemy import select
from tests.fulfilment.world import connections

from connector.fulfilment import swapping
from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.keys import Step
from connector.fulfilment.options import Backoff, FulfilmentOptions
from connector.fulfilment.ordering import Ordering
from connector.fulfilment.reactions import Reactions
from connector.fulfilment.watching import Watch
from connector.fulfilment.work import Work
from connector.fulfilment.workflows import Workflows
from connector.model.public_holidays import check_region
from connector.rules.policy.reading import default_policy, read_policy
from connector.sdk import Connection, connect
from connector.storage.database.engine import open_engine, reading, wake_on_commit
from connector.storage.tables import step_receipt

ACTING = (Step.LABEL, Step.TRACK, Step.NOTE, Step.UNDO_LABEL, Step.UNDO_NOTE, Step.OFFER, Step.FIELDS, Step.STATE)
"""Steps that act outside: the point after the effect lies before their commit already, or they write nothing else."""
EFFECTS = ("buy_label", "void_label", "track", "push")
ORDERS = ("order", "cancel_order")
DEADLINE = 120


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Killer:
    """Counts the points that were passed, and kills the process at one of them."""

    def __init__(self, kill_at: int | None, after: int, trace: Path, only: str | None = None) -> None:
        self._kill_at = kill_at
        self._after = after
        self._only = only
        self._count = 0
        self._trace = trace

    def point(self, name: str, reservation_id: int | None) -> None:
        """A point is passed; None concerns no reservation yet and always counts."""
        if reservation_id is not None and reservation_id <= self._after:
            return
        if self._only is not None and name != self._only:
            return
        self._count += 1
        if self._count == self._kill_at:
            self._trace.write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str, concerns: Callable[..., int | None]) -> None:
        """Set a point before and one after a method of an object or class."""
        method = getattr(owner, name)

        @wraps(method)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.point(f"before {name}", concerns(*args))
            result = await method(*args, **kwargs)
            self.point(f"after {name}", concerns(*args))
            return result

        setattr(owner, name, wrapped)


def set_points(killer: Killer, sources: dict[str, Connection]) -> None:
    for connection in sources.values():
        for name in EFFECTS:
            if hasattr(connection.adapter, name):
                killer.around(connection.adapter, name, lambda op: int(re.findall(r"\d+", op.key)[0]))
    killer.around(Workflows, "start_fulfilment", lambda _self, reservation_id: reservation_id)
    killer.around(Workflows, "start_undo", lambda _self, reservation_id: reservation_id)

    react, record = Reactions.on_tickets, Work.record

    async def on_tickets(self: Reactions, tx: Any, tickets: Any) -> Any:
        unknown = await react(self, tx, tickets)
        killer.point("decided, not committed", None)
        return unknown

    async def recorded(self: Work, reservation_id: int, step: Any, write: Callable[..., Awaitable[Any]]) -> None:
        async def written(tx: Any, at: datetime) -> Any:
            result = await write(tx, at)
            if step not in ACTING:
                killer.point(f"{step.value} written, not committed", reservation_id)
            return result

        await record(self, reservation_id, step, written)
        killer.point(f"{step.value} committed", reservation_id)

    act = Watch._act

    async def acted(self: Watch, *args: Any) -> None:
        await act(self, *args)
        killer.point("recovery written, not committed", None)

    Watch._act = acted  # type: ignore[method-assign]
    killer.around(Workflows, "start_recovery", lambda *_: None)
    Reactions.on_tickets = on_tickets  # type: ignore[method-assign]
    Work.record = recorded  # type: ignore[method-assign]


def set_points_of_orders(killer: Killer, sources: dict[str, Connection]) -> None:
    """Points around everything that places an order or calls it off; none of them concerns a reservation."""
    for connection in sources.values():
        for name in ORDERS:
            killer.around(connection.adapter, name, lambda *_: None)
    killer.around(Ordering, "_begin", lambda *_: None)
    killer.around(Ordering, "_settle", lambda *_: None)


def set_points_of_swaps(killer: Killer, sources: dict[str, Connection]) -> None:
    """Points around what tells a source of a swap, and before it is committed that it was told."""
    for connection in sources.values():
        if hasattr(connection.adapter, "record_swap"):
            killer.around(connection.adapter, "record_swap", lambda *_: None)
    killer.around(swapping.Swapping, "plan", lambda *_: None)
    settle = swapping.settle_swap

    async def settled(*args: Any, **kwargs: Any) -> None:
        await settle(*args, **kwargs)
        killer.point("settled, not committed", None)

    swapping.settle_swap = settled


def set_points_at_requests(killer: Killer, sources: dict[str, Connection]) -> None:
    """A point after each request that changes something over there, before its answer is seen."""
    for connection in sources.values():
        request = connection.http.request

        async def requested(method: str, path: str, *, _request: Any = request, **kwargs: Any) -> Any:
            if method == "GET":
                return await _request(method, path, **kwargs)
            response = await _request(method, path, **kwargs)
            killer.point(f"after {kwargs['operation']}", None)
            return response

        connection.http.request = requested  # type: ignore[method-assign]


def connected(config: dict[str, Any], clock: SystemClock) -> dict[str, Connection]:
    """Connections to the tests' own world, or to sandboxes through the real adapters."""
    if "world" in config:
        return connections(config["world"], clock)
    return {
        name: connect(name, source["adapter"], source["settings"], clock=clock)
        for name, source in config["sources"].items()
    }


async def run_hub(config: dict[str, Any], order: dict[str, Any]) -> None:
    """Run until as many receipts of each wanted step are there as are wanted."""
    clock = SystemClock()
    sources = connected(config, clock)
    killer = Killer(order["kill_at"], order["after"], Path(config["trace"]), order.get("only"))
    if config.get("orders"):
        set_points_of_orders(killer, sources)
    elif config.get("swaps"):
        set_points_of_swaps(killer, sources)
    elif config.get("requests"):
        set_points_at_requests(killer, sources)
    else:
        set_points(killer, sources)
    database = open_engine(config["database"], pool_size=5)
    quick = Backoff(first=timedelta(milliseconds=20), longest=timedelta(milliseconds=200))
    hub = FulfilmentEngine(
        database,
        config["database"],
        sources,
        clock=clock,
        policy=read_policy(config["policy"]) if "policy" in config else default_policy(),
        options=FulfilmentOptions(courier="courier", backoff=quick),
    )
    wake_on_commit(database, hub.reactor.wake)
    await hub.launch()
    async with asyncio.timeout(DEADLINE):
        while not await has_receipts(database, order["wanted"]):  # noqa: ASYNC110 - it happens in a database
            await asyncio.sleep(0.03)
    await hub.close()
    for connection in sources.values():
        await connection.aclose()
    await database.dispose()


async def has_receipts(database: Any, wanted: dict[str, int]) -> bool:
    async with reading(database) as tx:
        keys = [row.key for row in await tx.execute(select(step_receipt.c.key))]
    return all(sum(key.endswith(f":{step}") for key in keys) >= count for step, count in wanted.items())


def main() -> None:
    default_policy()  # builds the models that policies are checked by: once, here, and not in every process
    check_region("DE")  # reads which countries have public holidays
    warm: set[str] = set()
    for line in sys.stdin:
        order = json.loads(line)
        config = order["config"]
        adapters = ",".join(sorted(source["adapter"] for source in config.get("sources", {}).values()))
        if adapters not in warm:
            warm.add(adapters)
            connected(config, SystemClock())  # imports them, and reads whom to trust
            gc.collect()
            gc.freeze()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                asyncio.run(run_hub(config, order))
                status = 0
            except BaseException:
                traceback.print_exc()
                raise
            finally:
                os._exit(status)
        _, code = os.waitpid(child, 0)
        died = os.WTERMSIG(code) if os.WIFSIGNALED(code) else 0
        answer = {"number": order["number"], "died": died, "status": os.waitstatus_to_exitcode(code)}
        print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
