"""What a database did not do."""


class NotAnswered(Exception):  # noqa: N818 - named by what is wrong
    """It did not answer a statement that was sent by itself; asked in a transaction, it may, or says why."""
