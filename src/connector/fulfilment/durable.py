"""Durable execution: workflows that go on after a crash where they stopped, and schedules that tick once.

The one place that knows DBOS. A workflow here is a coroutine function `(run, number)`: what it does, it does in
named steps through `run`, and each step's result is remembered. After a kill the function runs again from its
beginning, finished steps being answered from memory; **a step may therefore run twice**, so every effect needs a
key of its own (see `connector.fulfilment.keys`).

DBOS keeps its own tables: beside a SQLite database in `<name>.workflows.db`, on PostgreSQL in schema `workflow`.
It is imported when it is launched (two thirds of a second), and reports to nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final, Protocol, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from connector.fulfilment.errands import answered
from connector.fulfilment.workflow_tables import POOL_SIZE, configuration, make_tables
from connector.model.errors import Unavailable
from connector.storage.database.outages import DatabaseAway, outage_of, outages
from connector.telemetry.metrics import WORKFLOWS_ENDED
from connector.telemetry.tally import Tally

log = logging.getLogger("connector.fulfilment")

POLL_SECONDS: Final = 0.05
RETRIES: Final = {"retries_allowed": True, "interval_seconds": 0.5, "max_attempts": 12}
"""For what a step does not handle itself, beside the hub's own database being away: half an hour of patience."""
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 2.0
WRITTEN_S: Final = 5.0
"""By when what a workflow came to is written down."""
MOST_LISTED: Final = 500
WAKE: Final = "wake"
SCHEDULED: Final = "scheduled"
ERRAND: Final = "errand"
ERRANDS: Final = "errands"
"""Queue of what processes that run no workflows ask those for that do."""
T = TypeVar("T")
KEPT: Final = timedelta(days=2)
"""How long the history of scheduled runs is kept."""

StepResult: TypeAlias = Mapping[str, Any]
Step: TypeAlias = Callable[[], Coroutine[Any, Any, StepResult]]
Tick: TypeAlias = Callable[[], Awaitable[object]]
Errand: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Something that is done once, for whoever waits for its result; both are plain JSON."""


class Run(Protocol):
    """What a workflow does its work through."""

    async def step(self, name: str, work: Step) -> StepResult:
        """Do the work, or answer with its remembered result when it was done before. Results are plain JSON.

        Work that raises is tried again for a while, then the workflow fails.
        """

    async def pause(self, duration: timedelta) -> None:
        """Wait, over restarts as well, until the time is over or somebody wakes the workflow."""

    async def start(self, name: str, workflow_id: str, number: int) -> None:
        """Start another workflow; starting the same id twice is once."""

    async def ended(self, workflow_id: str) -> None:
        """Wait until another workflow has ended, however it did; at once when it never began."""


Workflow: TypeAlias = Callable[[Run, int], Coroutine[Any, Any, str]]


@dataclass(frozen=True, slots=True)
class _Schedule:
    cron: str
    tick: Tick
    time_zone: str = "UTC"


class Durable:
    """Workflows and schedules on the hub's database.

    executor: name of this process among those that share the database, the same after a restart: it goes on with
    the workflows that it left. tally: how workflows end is counted there. owner: address of the database with the role
    that makes the tables. DBOS being global to a process, one instance can be launched at a time.
    """

    _launched_instance: ClassVar[Durable | None] = None

    def __init__(
        self,
        database: str,
        *,
        executor: str = "hub",
        tally: Tally | None = None,
        pool_size: int = POOL_SIZE,
        owner: str | None = None,
    ) -> None:
        self._database = database
        self._owner = owner or database
        self._tally = tally or Tally()
        self._executor = executor
        self._pool_size = pool_size
        self._errands: dict[str, Errand] = {}
        self._bodies: dict[str, Workflow] = {}
        self._schedules: dict[str, _Schedule] = {}
        self._registered: dict[str, Any] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._ended: dict[str, float] = {}
        """Workflows that have come to their end here, and when; DBOS may not have been able to write that down."""
        self._ticking: set[str] = set()
        self._dbos: Any = None

    def workflow(self, name: str, body: Workflow) -> None:
        """Name a workflow, before the launch. The name finds it again after a restart."""
        self._bodies[name] = body

    def schedule(self, name: str, cron: str, tick: Tick, *, time_zone: str = "UTC") -> None:
        """Call `tick` at the times of a cron expression (six fields begin with seconds), before the launch.

        Once per time over all processes that share the database. A time that comes while the previous call still
        runs in this process is left out. What a tick raises is logged, and the next one comes all the same.
        time_zone: IANA name. A time that its clocks skip is made up for when they have; one that they show twice counts
        once, unless it is meant for every hour.
        """
        self._schedules[name] = _Schedule(cron, tick, time_zone)

    def errand(self, name: str, do: Errand) -> None:
        """Name something that is done at once, before the launch; a process that runs no workflows may ask for it."""
        self._errands[name] = do

    async def run_errand(self, name: str, argument: Mapping[str, Any]) -> dict[str, Any]:
        """Do what is named so, here. Raises what it raises."""
        return await self._errands[name](argument)

    async def launch(self) -> None:
        """Create or open the workflow tables, resume what a previous process left, begin the schedules.

        Raises Unavailable when another instance runs in this process, and DatabaseAway; then it may be tried again.
        """
        dbos = await asyncio.to_thread(import_dbos)
        if Durable._launched_instance is not None:
            raise Unavailable("durable execution is launched already in this process: close the other instance first")
        logging.getLogger("dbos").setLevel(logging.WARNING)
        Durable._launched_instance, self._dbos = self, dbos
        try:
            with outages():
                await self._launch(dbos)
        except BaseException:
            await self.close()
            raise

    async def _launch(self, dbos: Any) -> None:
        config = configuration(self._database, self._executor, self._pool_size)
        await make_tables(dbos, self._owner)
        dbos.DBOS(config=config)
        for name, body in self._bodies.items():
            self._registered[name] = dbos.DBOS.workflow(name=name, max_recovery_attempts=None)(
                self._wrapped(name, body)
            )
        self._registered[SCHEDULED] = dbos.DBOS.workflow(name=SCHEDULED, max_recovery_attempts=None)(self._scheduled())
        self._registered[ERRAND] = dbos.DBOS.workflow(name=ERRAND, max_recovery_attempts=None)(self._errand())
        dbos.DBOS.launch()
        if not self._database.startswith("sqlite"):
            await dbos.DBOS.register_queue_async(ERRANDS, on_conflict="never_update")
        await self._apply_schedules()

    async def close(self) -> None:
        """Stop everything here; unfinished workflows go on at the next launch."""
        if self._dbos is None:
            return
        dbos, self._dbos = self._dbos, None
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        destroying = ThreadPoolExecutor(max_workers=1)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(destroying, partial(dbos.DBOS.destroy, destroy_registry=True))
        loop.set_default_executor(ThreadPoolExecutor())
        destroying.shutdown(wait=False)
        self._registered.clear()
        Durable._launched_instance = None

    async def start(self, name: str, workflow_id: str, number: int) -> None:
        """Start a workflow; starting the same id twice is once, also when it has ended long ago.

        Raises DatabaseAway when it could not be written down.
        """
        dbos = self._launched()
        with outages(), dbos.SetWorkflowID(workflow_id):
            await dbos.DBOS.start_workflow_async(self._registered[name], number)

    async def wake(self, workflow_id: str) -> None:
        """End the pause of a workflow; nothing happens when it does not run. Raises DatabaseAway."""
        dbos = self._launched()
        try:
            with outages():
                await dbos.DBOS.send_async(workflow_id, WAKE, topic=WAKE)
        except dbos.error.DBOSNonExistentWorkflowError:
            return

    async def wait(self, workflow_id: str, *, within: timedelta) -> bool:
        """Wait until a workflow has ended; False when it has not within the time, or never began."""
        deadline = asyncio.get_running_loop().time() + within.total_seconds()
        while True:
            if await self.has_ended(workflow_id):
                return True
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)

    async def has_ended(self, workflow_id: str) -> bool:
        """Whether a workflow began and is over."""
        with outages():
            status = await self._launched().DBOS.get_workflow_status_async(workflow_id)
        return status is not None and status.status not in ("PENDING", "ENQUEUED", "DELAYED")

    async def executors_at_work(self) -> set[str]:
        """Names of the other processes that have workflows under way, or had when they died."""
        with outages():
            pending = await self._launched().DBOS.list_workflows_async(
                status="PENDING", load_input=False, load_output=False
            )
        return {item.executor_id for item in pending if item.executor_id} - {self._executor}

    async def adopt(self, executor: str) -> int:
        """Go on with what a process left that is there no more; returns how many workflows that were."""
        dbos = self._launched()
        left = await dbos.DBOS.list_workflows_async(
            status="PENDING", executor_id=executor, load_input=False, load_output=False
        )
        if left:
            await dbos.DBOS.resume_workflows_async([item.workflow_id for item in left])
        return len(left)

    async def resume_broken_off(self) -> int:
        """Go on with what ended here while the database was away and was not told; returns how many that were.

        DBOS tries again what a server's connection failed at, but nothing else, such as a disk without room: then a
        workflow is over in memory and under way in the database, and would be until the next start.
        """
        if not self._ended:
            return 0
        dbos, now = self._launched(), asyncio.get_running_loop().time()
        due = [name for name, at in self._ended.items() if now - at >= WRITTEN_S]
        resumed = 0
        for first in range(0, len(due), MOST_LISTED):
            names = due[first : first + MOST_LISTED]
            left = await dbos.DBOS.list_workflows_async(
                workflow_ids=names, status="PENDING", executor_id=self._executor, load_input=False, load_output=False
            )
            if left:
                await dbos.DBOS.resume_workflows_async([item.workflow_id for item in left])
            resumed += len(left)
            for name in names:
                del self._ended[name]
        return resumed

    def _launched(self) -> Any:
        if self._dbos is None:
            raise Unavailable("durable execution is not launched", hint="Start the hub with `connector serve`.")
        return self._dbos

    def _wrapped(self, name: str, body: Workflow) -> Callable[[int], Coroutine[Any, Any, str]]:
        async def workflow(number: int) -> str:
            try:
                told = await self._tracked(body(_DbosRun(self), number))
            except Exception:
                self._tally.count(WORKFLOWS_ENDED, name, "failed")
                raise
            self._tally.count(WORKFLOWS_ENDED, name, "done")
            return told

        return workflow

    async def _tracked(self, body: Coroutine[Any, Any, T]) -> T:
        task = asyncio.current_task()
        if self._dbos is None or task is None:
            body.close()
            raise asyncio.CancelledError
        self._running.add(task)
        try:
            return await body
        except Exception as error:
            if outage_of(error) is None:
                raise
            log.warning("a workflow was broken off and goes on once the database is back: %s", outage_of(error))
            raise asyncio.CancelledError from error  # which DBOS does not take for its outcome
        finally:
            self._running.discard(task)
            if self._dbos is not None and (name := self._dbos.DBOS.workflow_id):
                self._ended[name] = asyncio.get_running_loop().time()

    def _scheduled(self) -> Callable[[datetime, str], Coroutine[Any, Any, str]]:
        async def scheduled(at: datetime, name: str) -> str:
            return await self._tracked(self._tick(name, at))

        return scheduled

    def _errand(self) -> Callable[[str, dict[str, Any]], Coroutine[Any, Any, dict[str, Any]]]:
        async def errand(name: str, argument: dict[str, Any]) -> dict[str, Any]:
            done: dict[str, Any] = await self._tracked(answered(self._errands[name], argument))
            return done

        return errand

    async def _tick(self, name: str, at: datetime) -> str:
        schedule = self._schedules.get(name)
        if schedule is None or name in self._ticking or is_repeated(schedule.cron, at, schedule.time_zone):
            return "left out"
        self._ticking.add(name)
        try:
            await schedule.tick()
        except Exception:  # the next tick must come, whatever went wrong in this one
            log.exception("schedule %r failed; it runs again at its next time", name)
            return "failed"
        finally:
            self._ticking.discard(name)
        return "done"

    async def _apply_schedules(self) -> None:
        dbos = self._launched()
        self._schedules.setdefault("workflow-history", _Schedule("17 3 * * *", self._forget_history))
        known = {item["schedule_name"]: item for item in await dbos.DBOS.list_schedules_async()}
        wanted = [
            {
                "schedule_name": name,
                "workflow_fn": self._registered[SCHEDULED],
                "schedule": item.cron,
                "context": name,
                "cron_timezone": item.time_zone,
            }
            for name, item in self._schedules.items()
            if not _is_as(known.get(name), name, item)
        ]
        if wanted:
            await dbos.DBOS.apply_schedules_async(wanted)
        for name in known.keys() - self._schedules.keys():
            await dbos.DBOS.delete_schedule_async(name)

    async def _forget_history(self) -> None:
        dbos = self._launched()
        before = (datetime.now(UTC) - KEPT).isoformat()
        while True:
            old = await dbos.DBOS.list_workflows_async(
                name=[SCHEDULED, ERRAND],
                status=["SUCCESS", "ERROR", "CANCELLED"],
                end_time=before,
                limit=500,
                load_input=False,
            )
            if not old:
                return
            await dbos.DBOS.delete_workflows_async([item.workflow_id for item in old])


class _DbosRun:
    """`Run` of a workflow that DBOS executes."""

    def __init__(self, durable: Durable) -> None:
        self._durable = durable
        self._dbos = durable._launched()

    async def step(self, name: str, work: Step) -> StepResult:
        result: StepResult = await self._dbos.DBOS.run_step_async({"name": name, **RETRIES}, partial(_outlast, work))
        return result

    async def pause(self, duration: timedelta) -> None:
        await self._dbos.DBOS.recv_async(WAKE, timeout_seconds=duration.total_seconds())

    async def start(self, name: str, workflow_id: str, number: int) -> None:
        await self._durable.start(name, workflow_id, number)

    async def ended(self, workflow_id: str) -> None:
        status = await self._dbos.DBOS.get_workflow_status_async(workflow_id)
        if status is None:
            return
        handle = await self._dbos.DBOS.retrieve_workflow_async(workflow_id)
        try:
            await handle.get_result(polling_interval_sec=0.1)
        except Exception as error:  # noqa: BLE001 - how it ended is its own matter; that it ended is asked here
            log.warning("workflow %s ended with %s: %s", workflow_id, type(error).__name__, error)


async def _outlast(work: Step) -> StepResult:
    """Do the work, over and over while the hub's database is away: that is no outcome of a step."""
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await work()
        except DatabaseAway:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def import_dbos() -> Any:
    """DBOS, which is imported by whoever needs it: it takes two thirds of a second."""
    import dbos

    return dbos


def is_repeated(cron: str, at: datetime, time_zone: str) -> bool:
    """Whether clocks of the zone show this time for the second time, having been put back, and it was done then.

    As cron does it on most systems: what is meant for every hour, or every second one, goes on through both.
    """
    fields = cron.split()
    hours = fields[2 if len(fields) > 5 else 1] if len(fields) > 1 else ""
    return "*" not in hours and at.astimezone(ZoneInfo(time_zone)).fold == 1


def _is_as(known: Mapping[str, Any] | None, name: str, wanted: _Schedule) -> bool:
    """Whether a schedule is stored as it is wanted: writing all of them takes half of the time of a launch."""
    stored = None if known is None else tuple(map(known.get, ("workflow_name", "schedule", "context", "cron_timezone")))
    return stored == (SCHEDULED, wanted.cron, name, wanted.time_zone)
