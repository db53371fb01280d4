"""Assertions are rewritten once, before the workers begin, and not by each of them: half of the time of collecting.

What is rewritten is kept where pytest looks for it, beside the tests, whether or not Python may write bytecode.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

ROOT = Path(__file__).parents[1]


def rewrite_assertions(config: pytest.Config) -> None:
    """Rewrite what has changed among the tests and the plugins that are loaded."""
    found = [file for file in rewritten_files() if rewrite._read_pyc(file, _kept(file)) is None]
    in_processes(found, lambda files: _rewrite(files, config))


def in_processes(files: Sequence[Path], work: Callable[[Iterable[Path]], None]) -> None:
    """Work on a part of the files in a process for each core; what fails there, a worker meets again and tells."""
    parts = os.cpu_count() or 1
    children = []
    for part in range(parts):
        child = os.fork()
        if child == 0:
            try:
                work(files[part::parts])
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def rewritten_files() -> list[Path]:
    """Files whose assertions pytest rewrites: of tests, and of plugins."""
    tests = [file for name in ("test_*.py", "conftest.py") for file in ROOT.glob(f"tests/**/{name}")]
    adapters = ROOT.glob("adapters/*/tests/test_*.py")
    loaded = [module.__spec__ for module in list(sys.modules.values()) if getattr(module, "__spec__", None)]
    plugins = [
        Path(spec.origin) for spec in loaded if spec.origin and isinstance(spec.loader, rewrite.AssertionRewritingHook)
    ]
    return sorted({*tests, *adapters, *plugins})


def _rewrite(files: Iterable[Path], config: pytest.Config) -> None:
    for file in files:
        kept = _kept(file)
        if rewrite.try_makedirs(kept.parent):
            source_hash, code = rewrite._rewrite_test(file, config)
            rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, source_hash, kept)


def _kept(file: Path) -> Path:
    return rewrite.get_cache_dir(file) / f"{file.stem}{rewrite.PYC_TAIL}"
