"""Workers in a yard, in processes that kill themselves; run as a script by the test of the workers.

For each line that it reads, `{"kill_at": 40, "seed": 3, "first_version": 20000}`, the script makes a process in which
sixteen workers do what they do until the fortieth statement that writes is about to be executed: then it is killed
(SIGKILL).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from typing import Any

from sqlalchemy import event
from tests.invariants.moves import known_yard

from connector.storage.database.engine import open_engine

WORKERS = 16


async def work(database: str, order: dict[str, int]) -> None:
    """Work until killed."""
    engine = open_engine(database, pool_size=WORKERS)
    yard = await known_yard(engine, "yard", first_version=order["first_version"])
    left = order["kill_at"]

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal left
        left -= statement.startswith(("INSERT", "UPDATE", "DELETE"))
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    async def worker(number: int) -> None:
        rng = random.Random(f"{order['seed']}-{number}")  # noqa: S311 - to be the same each time
        while True:
            await yard.at_random(rng)

    async with asyncio.timeout(60):
        await asyncio.gather(*(worker(number) for number in range(WORKERS)))


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(work(sys.argv[1], order))
            finally:
                os._exit(1)
        _, code = os.waitpid(child, 0)
        died = os.WTERMSIG(code) if os.WIFSIGNALED(code) else 0
        print(json.dumps({"died": died}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
