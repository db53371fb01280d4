"""Check digits for numbers that people type and scanners read."""

from connector.model.codes import check_digits, digits_fit

__all__ = ["check_digits", "digits_fit"]
