"""Values of GLPI's rows: times without a zone, texts that some versions keep encoded. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationInfo

from connector.sdk.cursors import read_instant
from connector.sdk.markup import text_of_html

FORM = "%Y-%m-%d %H:%M:%S"
NOT_ENCODED = re.compile(r"[<>]|&(?!#?[a-z0-9]+;)", re.IGNORECASE)
"""What no text has that was encoded as a whole."""
ENTITIES = {"&#62;": ">", "&#60;": "<", "&#38;": "&"}
OLD_ENTITIES = {"&gt;": ">", "&lt;": "<"}
"""Those of texts that were kept before GLPI 10."""


def decoded(text: str) -> str:
    """A text as it was entered: before GLPI 11 the characters `&`, `<` and `>` are kept encoded."""
    if NOT_ENCODED.search(text):
        return text
    for entity, plain in (ENTITIES if any(entity in text for entity in ENTITIES) else OLD_ENTITIES).items():
        text = text.replace(entity, plain)
    return text


def read_markup(content: str) -> str:
    """What a person reads of a ticket's or followup's content, which is HTML, encoded before GLPI 11."""
    return text_of_html(decoded(content))


def instant(told: str, zone: str, *, latest: bool = False) -> datetime:
    """A time of GLPI's. latest: of the two that it may mean where clocks are set back. Raises ValueError."""
    if "T" in told:
        return read_instant(told)
    return datetime.strptime(told, FORM).replace(tzinfo=ZoneInfo(zone), fold=1 if latest else 0)


def local(at: datetime, zone: str) -> str:
    """A time as GLPI writes it."""
    return at.astimezone(ZoneInfo(zone)).strftime(FORM)


def _text(value: Any) -> Any:
    return (decoded(value).strip() or None) if isinstance(value, str) else value


def _number(value: Any) -> Any:
    return None if value in (0, "0", "", None) else value


def _time(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    context: dict[str, str] = info.context or {}
    return instant(value, context.get("zone", "UTC"))


Text = Annotated[str | None, BeforeValidator(_text)]
Reference = Annotated[Annotated[int, Field(gt=0)] | None, BeforeValidator(_number)]
"""An id; 0 is none."""
Time = Annotated[AwareDatetime | None, BeforeValidator(_time)]
