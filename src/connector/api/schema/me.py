"""Who asks."""

import strawberry

from connector.model.principals import Principal


@strawberry.type(description="Who asks, and what they may do.")
class Me:
    """The holder of the token."""

    name: str = strawberry.field(description="Name of the key, or of the person; the change log has it.")
    roles: list[str] = strawberry.field(description="Its roles; `admin` may do everything.")

    @classmethod
    def of(cls, principal: Principal) -> "Me":
        """The holder of a key."""
        return cls(name=principal.name, roles=sorted(principal.roles))
