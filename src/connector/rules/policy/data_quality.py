"""How good the data must be for a rule to decide alone: standardise before automating.

Below it a person looks: by an approval that what is claimed or ordered waits for, or by a task before anything is.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from connector.rules.policy.values import Part

Percent = Annotated[int, Field(ge=1, le=100, examples=[90])]


class MinDataQuality(Part):
    """The least percent of records without a defect behind the needed product, and behind the ticket's site.

    What nobody has measured counts as below. approval: one of `approvals` that is asked for then; without it the
    decision is for review.
    """

    product: Percent | None = None
    site: Percent | None = None
    approval: Annotated[str, Field(examples=["data-check"])] | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.product is None and self.site is None:
            raise ValueError("asks for nothing: state the least percent of `product`, of `site`, or of both")
        return self
