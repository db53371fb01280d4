"""The constants in the hub's own modules, which Hypothesis draws from, are gathered once and not by each worker.

Hypothesis keeps what it found in a file, by the text of the module; it reads that in a seventh of the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from hypothesis.configuration import storage_directory
from hypothesis.internal.constants_ast import constants_from_module

from tests.rewriting import ROOT, in_processes


def gather_constants() -> None:
    """Have Hypothesis look through what has changed."""
    kept = {file.name for file in storage_directory("constants").path.glob("*")}
    found = [file for name in ("src", "adapters") for file in (ROOT / name).rglob("*.py") if "tests" not in file.parts]
    in_processes([file for file in found if _name(file) not in kept], _gather)


def _name(file: Path) -> str:
    """Of the file in which the constants of a module are kept."""
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()[:16]


def _gather(files: Iterable[Path]) -> None:
    for file in files:
        module = ModuleType(file.stem)
        module.__file__ = str(file)
        constants_from_module(module)
