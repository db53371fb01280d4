"""The night on which clocks are set back, for check 50: what was 02:55 is followed by 02:00.

A system that writes local times without a zone then shows times that go back by an hour, while its rows change on.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connector.sdk.adapter import Stream
from connector.sdk.testing.bench import Rig, end_of, listed, pull, records_of, require
from connector.sdk.testing.checks.pulling import SECOND, require_same

TURNED_BACK = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
"""When clocks in Berlin go back from 03:00 to 02:00."""
MINUTE = timedelta(minutes=1)


async def whole_night(rig: Rig, stream: Stream) -> None:
    """Objects that changed before, in both hours and after are all there, each no later than it changed."""
    is_vague = bool(rig.sandbox.times_twice(stream.name))
    rig.clock.at = TURNED_BACK + 120 * MINUTE
    count, start = 2 * rig.sandbox.page_size(stream.name) + 1, TURNED_BACK - 70 * MINUTE
    step = timedelta(seconds=int((140 * MINUTE).total_seconds()) // count)
    refs = rig.sandbox.seed(stream.name, count, at=start, step=step)
    batches = await pull(rig.adapter(), stream)
    found = records_of(batches)
    require_same(refs, found, "of a pull on a night with an hour twice")
    told = [(ref, start + step * number, found[ref].updated_at) for number, ref in enumerate(refs)]
    for ref, right, at in told:
        is_right = at is None or (at <= right if is_vague else abs(at - right) < SECOND)
        require(is_right, f"{ref} changed at {right}, its updated_at is {at}")
    require(
        not is_vague or any(at is None or right - at > SECOND for _, right, at in told),
        f"times_twice({stream.name!r}) says that two instants have the same time, and all times are told exactly: let "
        "the sandbox's clocks be set back with those of Berlin, or say nothing",
    )
    late = set(rig.sandbox.seed(stream.name, 1, at=TURNED_BACK + 80 * MINUTE, step=timedelta(0)))
    lost = late - records_of(await pull(rig.adapter(), stream, end_of(batches))).keys()
    require(not lost, f"of a pull after a night with an hour twice these are missing: {listed(lost)}")


async def change_in_the_second_hour(rig: Rig, stream: Stream) -> None:
    """What changed at 02:55 and changes again at 02:10, fifteen minutes later, is in the next pull and is no older."""
    rig.clock.at = TURNED_BACK - 2 * MINUTE
    [ref] = rig.sandbox.seed(stream.name, 1, at=TURNED_BACK - 5 * MINUTE, step=timedelta(0))
    batches = await pull(rig.adapter(), stream)
    before = records_of(batches)[ref]
    rig.sandbox.touch(ref, at=TURNED_BACK + 10 * MINUTE)
    rig.clock.at = TURNED_BACK + 12 * MINUTE
    after = records_of(await pull(rig.adapter(), stream, end_of(batches))).get(ref)
    require(after is not None and after != before, f"{ref} changed when clocks had gone back, and is not told anew")
    require(
        after is None or after.updated_at is None or before.updated_at is None or after.updated_at >= before.updated_at,
        f"{ref} changed when clocks had gone back, and is told as older than it was: its updated_at was "
        f"{before.updated_at}, and is {after and after.updated_at}",
    )
