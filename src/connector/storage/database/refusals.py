"""What a database did not do."""

from connector.model.errors import InvalidInput


class NotAnswered(Exception):  # noqa: N818 - named by what is wrong
    """It did not answer a statement that was sent by itself; asked in a transaction, it may, or says why."""


class TooDeep(InvalidInput):
    """A query and its filters lie too deep within each other: SQLite reads a hundred brackets, not more."""

    code = "QUERY_TOO_DEEP"


class UnknownZone(InvalidInput):
    """A time zone that the database has not heard of."""


def unknown_zone() -> UnknownZone:
    """For a statement with a time zone that Python knows and PostgreSQL does not: their lists are of different days."""
    return UnknownZone(
        "the database does not know a time zone that is asked for", hint="Name another one whose clocks go alike."
    )


def too_deep() -> TooDeep:
    """For a statement that SQLite's parser gave up."""
    return TooDeep(
        "the query and its filters are nested more deeply than SQLite can read",
        hint="Ask for the inner things first, and filter by their ids with `in`; PostgreSQL has no such limit.",
    )
