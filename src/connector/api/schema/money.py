"""Amounts of money, exact."""

from decimal import Decimal
from typing import Any

import strawberry

from connector.api.schema.fields import derived
from connector.model.errors import InvalidInput
from connector.storage.query import Row

_HUNDRED = Decimal(100)
_MOST_CENTS = 2**31 - 1
"""What tables hold."""


@strawberry.type(description="An amount of money.")
class Money:
    """Exact."""

    amount: Decimal = strawberry.field(description="In units of the currency, with two decimals: `12.50`.")
    currency: str | None = strawberry.field(description="ISO 4217; null when nobody said.")


def money(cents: str, description: str) -> Any:
    """An amount that the table keeps in hundredths, beside its currency; null where it keeps none."""

    def resolve(root: Row) -> Money | None:
        value = root.values[cents]
        return None if value is None else Money(amount=of_cents(value), currency=root.values["currency"])

    return derived(resolve, description, columns=(cents, "currency"))


def of_cents(cents: int) -> Decimal:
    """The amount in units, with two decimals."""
    return (Decimal(cents) / _HUNDRED).quantize(Decimal("0.01"))


def in_cents(amount: Decimal, what: str) -> int:
    """The amount in hundredths. Raises InvalidInput for what is no whole number of them, negative or too large."""
    cents = amount * _HUNDRED
    if cents != cents.to_integral_value() or not 0 <= cents <= _MOST_CENTS:
        raise InvalidInput(
            f"{what} {amount} cannot be kept",
            hint=f"Give an amount between 0 and {of_cents(_MOST_CENTS)} with two decimals at most.",
        )
    return int(cents)
