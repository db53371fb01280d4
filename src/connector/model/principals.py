"""Who asks for something, and what they may do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from connector.model.errors import Forbidden

ADMIN: Final = "admin"
"""The role that has every other one."""
ANYBODY: Final = "api"
"""Name of whoever shows the one token, or comes in where none is configured."""
COMMAND_LINE: Final = "cli:"
"""What the names of people begin with who have the database in hand."""
KEPT_KEY: Final = "key:"
"""What the names of keys begin with that the hub keeps in its database."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a program.

    name: of its key in the configuration, `key:` and the name of one that is kept, `cli:` and the account, or as an
    identity provider has it.

    It is what the change log calls it.

    roles: `viewer`, `technician`, `dispatcher`, `approver`, `planner`, `admin`, `machine`, or names of the customer's.
    regions: what it sees and works on is limited to these, whatever its roles; None for everything.
    """

    name: str
    roles: frozenset[str]
    regions: frozenset[str] | None = None

    def has_any(self, roles: Collection[str]) -> bool:
        """Whether it has one of the roles; `admin` has them all."""
        return ADMIN in self.roles or not self.roles.isdisjoint(roles)

    def require(self, roles: Collection[str], what: str) -> None:
        """Refuse unless it has one of the roles. what: for the message, `reserve a unit`. Raises Forbidden."""
        if self.has_any(roles):
            return
        wanted = " or ".join(repr(role) for role in sorted({*roles, ADMIN}))
        have = ", ".join(repr(role) for role in sorted(self.roles)) or "none"
        raise Forbidden(
            f"{self.name!r} may not {what}: that needs the role {wanted}, and its roles are {have}",
            hint="Use a key that has the role, or have it added under [auth] in connector.toml.",
        )

    def require_everywhere(self, what: str) -> None:
        """Refuse when it is limited to some regions. what: for the message. Raises Forbidden."""
        if self.regions is None:
            return
        listed = ", ".join(repr(region) for region in sorted(self.regions))
        raise Forbidden(
            f"{self.name!r} may not {what}: that is about all regions, and it is limited to {listed}",
            hint="Use a key that is not limited to regions.",
        )

    def require_all(self, roles: Collection[str], what: str) -> None:
        """Refuse unless it has all of the roles. Raises Forbidden naming the first that is missing."""
        for role in roles:
            self.require((role,), f"{what} {role!r}")


def at_the_command_line(account: str) -> Principal:
    """Somebody who has the database in hand: may do everything, under the name of the account."""
    return Principal(f"{COMMAND_LINE}{account}", frozenset({ADMIN}))
