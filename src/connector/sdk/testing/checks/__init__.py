"""The checks, by what they are about."""

from connector.sdk.testing.check import Check
from connector.sdk.testing.checks import (
    connecting,
    declaring,
    failing,
    hygiene,
    losing,
    procuring,
    pulling,
    receiving,
    restarting,
    swapping,
    writing,
)

ALL_CHECKS: tuple[Check, ...] = tuple(
    sorted(
        (
            *declaring.CHECKS,
            *connecting.CHECKS,
            *pulling.CHECKS,
            *restarting.CHECKS,
            *failing.CHECKS,
            *receiving.CHECKS,
            *writing.CHECKS,
            *hygiene.CHECKS,
            *procuring.CHECKS,
            *swapping.CHECKS,
            *losing.CHECKS,
        ),
        key=lambda check: check.number,
    )
)
"""Every check, by number."""
