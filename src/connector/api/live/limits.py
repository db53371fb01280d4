"""What a connection that lives on may have, and how long it may be silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """operations: under way on one WebSocket.

    queue, queue_size: events, and bytes of them, that wait for one client. recent, recent_size: events, and bytes of
    them, that a stream keeps for those who are a little behind. init: within which a client introduces itself.
    patience: how long a client whose queue is full may take nothing of it. heartbeat: after so much silence a client is
    asked whether it is there, and a server-sent event says that the hub is; after twice as much it is taken for dead.
    recheck: how often a token is checked again.
    """

    operations: int = 100
    queue: int = 1_000
    queue_size: int = 1024 * 1024
    recent: int = 500
    recent_size: int = 1024 * 1024
    init: timedelta = timedelta(seconds=10)
    patience: timedelta = timedelta(seconds=10)
    heartbeat: timedelta = timedelta(seconds=15)
    recheck: timedelta = timedelta(minutes=5)
