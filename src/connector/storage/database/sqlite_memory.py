"""SQLite without its count of the memory that it uses, which costs a tenth of what it does.

Each piece of memory that SQLite takes or gives back is counted under a lock of the process, for limits that nobody
sets here; a page takes thousands. Its makers advise against the count
(https://sqlite.org/compile.html#recommended_compile_time_options), distributions have it as it comes. It can be
switched off only while SQLite is not in use (https://sqlite.org/c3ref/config.html), and Python has no function for it.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Final

_MEMSTATUS: Final = 9
"""`SQLITE_CONFIG_MEMSTATUS` (https://sqlite.org/c3ref/c_config_covering_index_scan.html)."""
_OK: Final = 0


@cache
def spare_memory_count() -> bool:
    """Switch the count off, before the first connection of the process; whether it is.

    It stays as it is where a connection is open already, and where SQLite is a part of Python's own module or the
    system calls its functions in another way.
    """
    if sys.platform != "linux":
        return False
    try:
        import _sqlite3

        library = ctypes.CDLL(_sqlite3.__file__)
        used, shutdown, config, initialize = (
            getattr(library, f"sqlite3_{name}") for name in ("memory_used", "shutdown", "config", "initialize")
        )
    except (ImportError, OSError, AttributeError):
        return False
    if library.sqlite3_compileoption_used(b"DEFAULT_MEMSTATUS=0"):
        return True
    used.restype = ctypes.c_int64
    config.argtypes = [ctypes.c_int, ctypes.c_int]
    if used() or shutdown() != _OK:
        return False
    is_off: bool = config(_MEMSTATUS, 0) == _OK
    return initialize() == _OK and is_off
