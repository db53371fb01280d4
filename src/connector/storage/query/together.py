"""What many want to read at one moment is read together.

When something happens, everyone who follows it asks for its rows in the same turn of the event loop. What is equal is
read once. SQLite answers all of it in one visit to a connection's thread, in one snapshot; PostgreSQL is sent each
statement by itself, and the answers are handed on together, since what is made of them goes to the same clients. What
took long the last time is read apart from the others, two at a time, so that nobody waits for it who has not asked for
it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any, Final, TypeAlias

from sqlalchemy.ext.asyncio import AsyncEngine

from connector.storage.database.engine import direct_connections
from connector.storage.database.one_visit import in_one_visit
from connector.storage.database.refusals import NotAnswered
from connector.storage.query.rows_by_id import RowsByIds
from connector.storage.query.selection import Selection
from connector.storage.query.sight import Sight

SLOW: Final = timedelta(milliseconds=50)
SLOW_AT_A_TIME: Final = 2
MOST_KEPT: Final = 1_000

_Asked: TypeAlias = tuple[RowsByIds, tuple[int, ...]]
_Answer: TypeAlias = "asyncio.Future[list[list[Any]]]"


class Together:
    """Reads for all who follow something. longest: after that a read is broken off."""

    def __init__(self, engine: AsyncEngine, longest: timedelta) -> None:
        self._engine = engine
        self._longest = longest.total_seconds()
        self._kept = lru_cache(MOST_KEPT)(self._written)
        self._waiting: dict[_Asked, _Answer] = {}
        self._slow = asyncio.Semaphore(SLOW_AT_A_TIME)
        self._tasks: set[asyncio.Task[None]] = set()

    def read_of(self, selections: Sequence[Selection], sight: Sight) -> RowsByIds:
        """A read, the same one for all who want the same. Raises InvalidInput for what can never be read."""
        try:
            return self._kept(tuple(selections), sight)
        except TypeError:  # a filter that holds a list cannot be looked up
            return self._written(tuple(selections), sight)

    async def rows(self, read: RowsByIds, ids: Sequence[int]) -> list[list[Any]]:
        """For each selection its rows of these ids, as the database wrote them.

        Raises NotAnswered, and TimeoutError when it took too long.
        """
        asked = read, tuple(ids)
        answer = self._waiting.get(asked)
        if answer is None:
            loop = asyncio.get_running_loop()
            if not self._waiting:
                loop.call_soon(self._read)
            answer = self._waiting[asked] = loop.create_future()
        return await asyncio.shield(answer)

    async def aclose(self) -> None:
        """Break off what is being read."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _written(self, selections: tuple[Selection, ...], sight: Sight) -> RowsByIds:
        read = RowsByIds(selections, sight)
        read.sent(self._engine.dialect, ())
        return read

    def _read(self) -> None:
        """Read what is waited for."""
        waiting, self._waiting = self._waiting, {}
        direct = direct_connections(self._engine)
        quick = {asked: answer for asked, answer in waiting.items() if not asked[0].is_slow}
        if quick:
            self._begin(self._visit(quick) if direct is None else self._at_once(direct.row, quick))
        for asked in waiting.keys() - quick.keys():
            if direct is None:
                self._begin(self._apart(self._visit({asked: waiting[asked]})))
            else:
                self._begin(self._directly(direct.row, asked, waiting[asked]))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="rows")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _apart(self, work: Coroutine[Any, Any, None]) -> None:
        async with self._slow:
            await work

    async def _at_once(self, row: Callable[..., Any], wanted: Mapping[_Asked, _Answer]) -> None:
        """Hand on all answers in one turn, but those that are slow by themselves."""
        loop = asyncio.get_running_loop()
        found: dict[_Answer, _Answer] = {loop.create_future(): answer for answer in wanted.values()}
        for asked, one in zip(wanted, found, strict=True):
            self._begin(self._directly(row, asked, one))
        try:
            await asyncio.wait(found, timeout=SLOW.total_seconds())
        finally:
            for one, answer in found.items():
                one.add_done_callback(partial(_hand_on, answer))

    async def _directly(self, row: Callable[..., Any], asked: _Asked, answer: _Answer) -> None:
        read, ids = asked
        try:
            if read.is_slow:
                async with self._slow:
                    await self._ask(row, read, ids, answer)
            else:
                await self._ask(row, read, ids, answer)
        except BaseException as error:
            _fail(answer, error)
            if not isinstance(error, Exception):
                raise

    async def _ask(self, row: Callable[..., Any], read: RowsByIds, ids: tuple[int, ...], answer: _Answer) -> None:
        begin = time.perf_counter()
        try:
            async with asyncio.timeout(self._longest):
                found = await row(*read.sent(self._engine.dialect, ids))
        finally:
            read.is_slow = time.perf_counter() - begin > SLOW.total_seconds()
        answer.set_result(read.answers(found))

    async def _visit(self, wanted: Mapping[_Asked, _Answer]) -> None:
        """One visit; what it did not come to since another read took too long is asked for again."""
        try:
            visit = _Visit([(read, read.sent(self._engine.dialect, ids)) for read, ids in wanted])
            await self._made(visit)
        except BaseException as error:
            for answer in wanted.values():
                _fail(answer, error)
            if not isinstance(error, Exception):
                raise
            return
        for answer, found in zip(wanted.values(), visit.answers, strict=False):
            if isinstance(found, Exception):
                _fail(answer, found)
            elif not answer.done():
                answer.set_result(found)
        rest = dict(list(wanted.items())[len(visit.answers) :])
        if rest:
            await self._visit(rest)

    async def _made(self, visit: _Visit) -> None:
        """Make the visit. Its read that is under way is broken off when it takes too long, and the visit ends there."""
        async with self._engine.connect() as connection:
            visit.begun_at = time.perf_counter()
            making = asyncio.ensure_future(in_one_visit(connection, visit.make))
            try:
                while not making.done():
                    left = visit.begun_at + self._longest - time.perf_counter()
                    await asyncio.wait([making], timeout=max(left, 0.001))
                    if time.perf_counter() - visit.begun_at > self._longest and not making.done():
                        making.cancel()
                        await asyncio.wait([making])
                        visit.break_off()
                        return
            finally:
                if not making.done():
                    making.cancel()
                    await asyncio.wait([making])
            making.result()


class _Visit:
    """Some statements that are sent one after the other in one snapshot. begun_at: when the one under way was sent."""

    def __init__(self, reads: Sequence[tuple[RowsByIds, tuple[str, Any]]]) -> None:
        self.answers: list[list[list[Any]] | Exception] = []
        self.begun_at = time.perf_counter()
        self._reads = reads
        self._begun = 0

    def break_off(self) -> None:
        """Note that the one under way took too long."""
        if len(self.answers) < self._begun:
            self.answers.append(TimeoutError())

    def make(self, connection: sqlite3.Connection, is_given_up: Callable[[], bool]) -> None:
        """In the thread of the connection."""
        connection.execute("BEGIN")
        try:
            for read, (sql, parameters) in self._reads:
                if is_given_up():
                    return
                self._begun += 1
                self.begun_at = begun_at = time.perf_counter()
                try:
                    row = connection.execute(sql, parameters).fetchone()
                except sqlite3.Error as error:
                    if is_given_up():
                        return
                    self.answers.append(NotAnswered(str(error)))
                else:
                    self.answers.append(read.answers(row))
                read.is_slow = time.perf_counter() - begun_at > SLOW.total_seconds()
        finally:
            connection.execute("ROLLBACK")


def _hand_on(answer: _Answer, found: _Answer) -> None:
    if found.cancelled():
        answer.cancel()
    elif (error := found.exception()) is not None:
        _fail(answer, error)
    elif not answer.done():
        answer.set_result(found.result())


def _fail(answer: _Answer, error: BaseException) -> None:
    if not answer.done():
        if isinstance(error, Exception):
            answer.set_exception(error)
        else:
            answer.cancel()
