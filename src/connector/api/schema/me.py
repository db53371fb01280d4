"""Who asks."""

import strawberry

from connector.model.principals import Principal


@strawberry.type(description="Who asks, and what they may do.")
class Me:
    """The holder of the token."""

    name: str = strawberry.field(description="Name of the key, or of the person; the change log has it.")
    roles: list[str] = strawberry.field(description="Its roles; `admin` may do everything.")
    regions: list[str] | None = strawberry.field(description="Regions that it is limited to; null for everything.")
    hidden_fields: list[str] = strawberry.field(
        description="Fields that read as missing for it, because of its roles: `Product.unitCostCents`."
    )

    @classmethod
    def of(cls, principal: Principal, hidden_fields: list[str]) -> "Me":
        """The holder of a key."""
        regions = None if principal.regions is None else sorted(principal.regions)
        return cls(name=principal.name, roles=sorted(principal.roles), regions=regions, hidden_fields=hidden_fields)
