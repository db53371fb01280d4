"""What the processes behind one address have counted together, whichever of them is asked.

Each writes its counts into a file of a folder that their parent made, about once a second. What a process counted
before it was started again still counts; how much there was of something then does not.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from connector.telemetry.tally import Counted, Tally

log = logging.getLogger("connector")


class Shelf:
    """The counts of one process beside those of the others. folder: None where there are no others. number: its own."""

    def __init__(self, tally: Tally, folder: Path | None = None, number: int = 1) -> None:
        self._tally = tally
        self._folder = folder
        self._file = None if folder is None else folder / f"{number}.json"
        self._before = Counted()
        self._is_told = False
        if self._file is not None:
            pid, counted = _read(self._file)
            if pid is not None:
                self._before.add(counted, levels=False)

    def put(self) -> None:
        """Have the others see what is counted up to now."""
        if self._file is None:
            return
        beside = self._file.with_suffix(".new")
        try:
            beside.write_text(json.dumps({"pid": os.getpid(), **self._own().plain()}), encoding="utf-8")
            beside.replace(self._file)
        except OSError as error:
            if not self._is_told:
                log.warning("metrics of this process are missing where another one is asked: %s", error)
            self._is_told = True
        else:
            self._is_told = False

    def together(self) -> Counted:
        """What all of them have counted, the others up to a second ago."""
        sum_ = self._own()
        for file in [] if self._folder is None else sorted(self._folder.glob("*.json")):
            if file != self._file:
                pid, counted = _read(file)
                sum_.add(counted, levels=pid is not None and _is_there(pid))
        return sum_

    def _own(self) -> Counted:
        counted = self._tally.counted()
        counted.add(self._before)
        return counted


def _read(file: Path) -> tuple[int | None, Counted]:
    """What a process has written, and its id; None before it wrote anything."""
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, Counted()
    return plain["pid"], Counted.from_plain(plain)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
