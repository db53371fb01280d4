"""What a run saw: counts and times, told at its end and kept beside the systems' state."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field

from tests.real.server import home


@dataclass(slots=True)
class Observed:
    """Counts and times by what they are of, in the order in which they were seen."""

    _counts: dict[str, int] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)

    def count(self, what: str, number: int) -> None:
        """A number of things."""
        self._counts[what] = number

    def seconds(self, what: str, duration: float) -> None:
        """How long something took."""
        self._seconds[what] = round(duration, 1)

    def has(self, what: str) -> bool:
        """Whether there is a count of it already."""
        return what in self._counts

    def tell(self) -> None:
        """Print everything, and write it to `observed.json`."""
        lines = [f"  {number:>10,}  {what}" for what, number in self._counts.items()]
        lines += [f"  {duration:>8.1f} s  {what}" for what, duration in self._seconds.items()]
        sys.stdout.write("\nobserved, on a machine with {} cores:\n{}\n".format(os.cpu_count(), "\n".join(lines)))
        kept = {"cores": os.cpu_count(), "counts": self._counts, "seconds": self._seconds}
        (home() / "observed.json").write_text(json.dumps(kept, indent=2), encoding="utf-8")
