"""Values in a statement that are told when it is sent."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.types import TypeEngine

from connector.storage.query.selection import Parameter

ESCAPE: Final = "/"
"""Takes their meaning from the signs of a pattern."""


class Literally(TypeDecorator[str]):
    """A text within the pattern of a LIKE, every sign of which is meant as it stands."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """As `autoescape` does with a text that is known beforehand."""
        if value is None:
            return None
        for sign in (ESCAPE, "%", "_"):
            value = value.replace(sign, ESCAPE + sign)
        return value


def told(value: Any, type_: TypeEngine[Any]) -> Any:
    """The value as a statement takes it; a `Parameter` as one of the statement's own. type_: of what it is held to."""
    if not isinstance(value, Parameter):
        return value
    return bindparam(value.name, value.value, type_=type_)
