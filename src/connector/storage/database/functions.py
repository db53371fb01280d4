"""What SQLite does not know and is asked for in statements: functions in Python, known to every connection."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from typing import Any, Final

BASE64: Final = "connector_base64"
BASE64_URL: Final = "connector_base64_url"


def add_functions(connection: Any) -> None:
    """Make them known to a connection of SQLite's driver."""
    for name, function in ((BASE64, _base64), (BASE64_URL, _base64_url)):
        connection.create_function(name, 1, function, deterministic=True)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _base64_url(text: str) -> str:
    """For addresses, without padding (RFC 4648, 5)."""
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")
