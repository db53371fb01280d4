"""Errors of the product, as a tree.

ConnectorError
├── InvalidInput            what somebody gave is wrong; nothing was done
│   ├── InvalidConfiguration    connector.toml, all problems at once; its InvalidPolicy a policy document
│   ├── InvalidDraft            a draft of a ticket, all problems at once
│   └── InvalidRecord           a record that cannot be normalised
├── NotKnown                no such site, ticket, source ...
├── IllegalTransition       a lifecycle refuses the move
├── Forbidden               whoever asks does not have the role for it
├── OutOfStock              nobody can claim what is not there
├── StaleWrite              somebody else changed it first
└── Unavailable             a part of the hub itself is not reachable

Errors of external systems are in `connector.sdk.errors`. HTTP and GraphQL codes belong to `connector.api`.
"""

from __future__ import annotations

from typing import ClassVar


class ConnectorError(Exception):
    """Base of every error that a user may see.

    message: what is wrong, where, and why, with the offending values quoted.
    hint: what to do next, or "" when the message says it.
    code: stable, for programs.
    """

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        if not self.hint:
            return self.message
        end = "" if self.message.endswith((".", "!", "?", ":", ";")) else "."
        return f"{self.message}{end} {self.hint}"


class InvalidInput(ConnectorError):
    """What was given is wrong; nothing was changed."""

    code = "INVALID_INPUT"


class InvalidConfiguration(InvalidInput):
    """Configuration that cannot be used; carries every problem that was found."""

    code = "INVALID_CONFIGURATION"

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class InvalidDraft(InvalidInput):
    """A draft that cannot be decided about. problems: each with its place, `draft.siteId: what is wrong`."""

    code = "INVALID_DRAFT"

    def __init__(self, message: str, *, problems: tuple[str, ...], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class InvalidRecord(InvalidInput):
    """A source record that cannot be normalised. path: JSON pointer into the record."""

    code = "INVALID_RECORD"

    def __init__(self, message: str, *, path: str | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class NotKnown(ConnectorError):
    """Something was named that the hub does not hold."""

    code = "NOT_FOUND"


class IllegalTransition(ConnectorError):
    """A lifecycle refuses the move; the message names the legal ones."""

    code = "ILLEGAL_TRANSITION"


class Forbidden(ConnectorError):
    """Whoever asks does not have the role that it needs; the message names the role."""

    code = "FORBIDDEN"


class OutOfStock(ConnectorError):
    """The unit that was asked for is not free."""

    code = "OUT_OF_STOCK"


class StaleWrite(ConnectorError):
    """The object changed between reading and writing it."""

    code = "CONFLICT"


class Unavailable(ConnectorError):
    """A part of the hub (database, workflow engine) cannot be reached now; trying again is right."""

    code = "UNAVAILABLE"


class Overloaded(Unavailable):
    """More is asked of the hub than it can do in time; nothing of this was begun."""

    code = "OVERLOADED"
