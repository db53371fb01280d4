"""Values of GLPI's rows: times without a zone (docs/decisions/0170), texts that some versions keep encoded. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationInfo

from connector.sdk import InvalidRecord
from connector.sdk.facts import Spelling
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


def spelling(told: str, zone: str) -> Spelling:
    """How a time is written: by v2 with its zone, by v1 without."""
    return Spelling() if "T" in told else Spelling(FORM, zone)


def _text(value: Any) -> Any:
    return (decoded(value).strip() or None) if isinstance(value, str) else value


def _number(value: Any) -> Any:
    return None if value in (0, "0", "", None) else value


def _read(value: Any, info: ValidationInfo, read: Callable[[Spelling, object], Any]) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    context: dict[str, str] = info.context or {}
    try:
        return read(spelling(value, context.get("zone", "UTC")), value)
    except InvalidRecord as error:
        raise ValueError(error.message) from None


def _time(value: Any, info: ValidationInfo) -> Any:
    return _read(value, info, Spelling.read)


def _change(value: Any, info: ValidationInfo) -> Any:
    return _read(value, info, Spelling.read_change)


Text = Annotated[str | None, BeforeValidator(_text)]
Reference = Annotated[Annotated[int, Field(gt=0)] | None, BeforeValidator(_number)]
"""An id; 0 is none."""
Time = Annotated[AwareDatetime | None, BeforeValidator(_time)]
ChangeTime = Annotated[AwareDatetime | None, BeforeValidator(_change)]
"""By which versions are compared: never later than it was."""
