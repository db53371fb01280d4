"""What a policy says about facts that are missing: a stated default, or a person's task.

Pure data here; `connector.rules.sourcing` asks what it says.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connector.rules.values import Part


class Missing(Part):
    """What follows where a fact is missing.

    product: `person` asks somebody which device has failed, `nothing` takes it that no hardware is needed.
    service_class: `default` takes `default_service_class`, or no due time where there is none; `person` asks somebody
    which one the site has.
    """

    product: Annotated[Literal["person", "nothing"], Field(examples=["person"])] = "person"
    service_class: Annotated[Literal["default", "person"], Field(examples=["default"])] = "default"
