"""How the hub logs: one JSON object a line, or plain lines on a terminal; secrets are cut out of both."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TextIO

import orjson

QUIET = ("httpx", "httpcore", "alembic", "uvicorn.access", "uvicorn.error", "dbos", "aiosqlite", "asyncio")
"""Loggers whose details are not for operators; httpx would write whole URLs."""


def configure_logging(
    level: str, *, secrets: Iterable[str] = (), stream: TextIO | None = None, process: int | None = None
) -> None:
    """Send all logs to `stream` (stderr by default) from `level` on, without the given secrets.

    process: number of the process that writes them, where there are several.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(_Redacting(secrets, as_json=not target.isatty(), process=process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))


class _Redacting(logging.Formatter):
    def __init__(self, secrets: Iterable[str], *, as_json: bool, process: int | None) -> None:
        super().__init__()
        self._secrets = tuple(sorted({s for s in secrets if len(s) >= 4}, key=len, reverse=True))
        self._as_json = as_json
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = record.getMessage()
        trace = self.formatException(record.exc_info) if record.exc_info else None
        if self._as_json:
            entry: dict[str, object] = {"at": at, "level": record.levelname, "logger": record.name, "message": message}
            if self._process is not None:
                entry["process"] = self._process
            line = orjson.dumps(entry | ({"trace": trace} if trace else {})).decode()
        else:
            name = record.name if self._process is None else f"{record.name}[{self._process}]"
            line = f"{at} {record.levelname:<7} {name}: {message}" + (f"\n{trace}" if trace else "")
        for secret in self._secrets:
            line = line.replace(secret, "[redacted]")
        return line
