"""How the interpreter looks for garbage while it loads, and in a process that lives long or takes many records in."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 50_000
"""Objects that are made, less those that are freed, before the young are looked through: more than a batch makes."""


@contextmanager
def loading() -> Iterator[None]:
    """Import within: what is loaded stays for as long as the process, so nobody looks through it, now or later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def calm_garbage_collection() -> None:
    """Take what is loaded by now out of the collector's sight, and have it look less often.

    Looking through modules, classes and the schema again and again takes an eighth of the time of a sync. Call it
    once, when everything is imported.
    """
    gc.freeze()
    gc.set_threshold(YOUNG)
