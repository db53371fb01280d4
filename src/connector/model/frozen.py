"""Values that nobody changes, for what is made anew with every decision: dataclasses that types keep as they are.

Python's own frozen dataclasses check at run time, and making one takes nearly three times as long as making one that
does not. Here mypy refuses whoever assigns to a field, and no decision pays for it. They are compared and hashed by
their fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a dataclass with slots whose fields are only ever set when it is made."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
