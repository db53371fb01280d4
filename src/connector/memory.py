"""How the interpreter looks for garbage in a process that lives long or takes many records in."""

from __future__ import annotations

import gc

YOUNG = 10_000
"""Objects that are made, less those that are freed, before the young are looked through."""


def calm_garbage_collection() -> None:
    """Take what is loaded by now out of the collector's sight, and have it look less often.

    Modules, classes and the schema stay for as long as the process; looking through them again and again takes an
    eighth of the time of a sync. Call it once, when everything is imported.
    """
    gc.freeze()
    gc.set_threshold(YOUNG)
