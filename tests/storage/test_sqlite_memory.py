"""SQLite's count of its memory is switched off before anything uses it, and never while something does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COUNTED = """
import ctypes, _sqlite3
library = ctypes.CDLL(_sqlite3.__file__)
library.sqlite3_memory_used.restype = ctypes.c_int64
def counted(): return library.sqlite3_memory_used()
"""
SPARED = "from connector.storage.database.sqlite_memory import spare_memory_count\n"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the count stays")


def answers(*lines: str) -> list[str]:
    """What a process of its own prints."""
    program = COUNTED + SPARED + "import sqlite3\n" + "\n".join(lines)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_it_is_off_for_all_connections_of_a_process_and_they_work():
    said = answers(
        "print(spare_memory_count(), spare_memory_count())",
        "connection = sqlite3.connect(':memory:')",
        "print(connection.execute('SELECT group_concat(value) FROM json_each(?)', ['[1, 2]']).fetchone()[0])",
        "print(counted())",
    )

    assert said == ["True", "True", "1,2", "0"]


def test_it_stays_while_a_connection_is_open_which_goes_on():
    said = answers(
        "connection = sqlite3.connect(':memory:')",
        "connection.execute('CREATE TABLE kept (x)')",
        "before = counted()",
        "print(spare_memory_count() is (before == 0))",
        "print(connection.execute('SELECT count(*) FROM kept').fetchone()[0])",
        "print((counted() > 0) is (before > 0))",
    )

    assert said == ["True", "0", "True"]


def test_a_hub_on_sqlite_has_it_off(tmp_path: Path):
    said = answers(
        "from connector.storage.database.engine import open_engine",
        f"open_engine('sqlite:///{tmp_path}/hub.db')",
        "connection = sqlite3.connect(':memory:')",
        "connection.execute('CREATE TABLE kept (x)')",
        "print(counted())",
    )

    assert said == ["0"]
