"""Who units come from that no hub has: makers that replace in advance, suppliers that are ordered from.

The part of a policy document; what a supplier offers for a ticket is worked out in `connector.rules.sourcing.offers`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr

from connector.model.calendars import check_time_zone
from connector.rules.policy.conditions import Condition, compile_condition
from connector.rules.policy.days import ClosedDates, DaysOff, LocalHolidays, Place, days_off
from connector.rules.policy.values import ConditionText, Hours, Part, not_empty

Offering = Literal["vendor_replacement", "purchase"]


class Supplier(Part):
    """Somebody outside who sends units, what for, how fast and at what price.

    offers: `vendor_replacement`, a unit ahead of the return of the failed one; `purchase`. when: only tickets of which
    this is true. manufacturers: whose products; all when left out. lead_hours: from order to delivery, counted in
    `hours` of `time_zone`, without days off. holidays: whose public holidays those are; those of `default_country` when
    left out, and none where hours are `24x7`. closed: further dates. cost_cents: per order; a purchase costs the
    product's unit cost as well. delivers_to: `site`, or the code of the hub that the goods go to, to be sent on from
    there. contact: how a person orders there. via: the source that takes orders there; a person places them when left
    out.
    """

    offers: Annotated[tuple[Offering, ...], Field(examples=[["purchase"]]), AfterValidator(not_empty)]
    when: ConditionText | None = None
    manufacturers: Annotated[tuple[str, ...], Field(examples=[["Acme"]])] = ()
    lead_hours: Annotated[float, Field(gt=0, le=24 * 365, examples=[24])]
    hours: Hours = "24x7"
    time_zone: Annotated[str, AfterValidator(check_time_zone), Field(examples=["Europe/Berlin"])] | None = None
    holidays: LocalHolidays = None
    closed: ClosedDates = ()
    cost_cents: Annotated[int, Field(ge=0, examples=[30_000])] = 0
    delivers_to: Annotated[str, Field(min_length=1, examples=["site"])] = "site"
    contact: Annotated[str, Field(max_length=500, examples=["+49 30 1234, contract 4711"])] = ""
    via: Annotated[str, Field(min_length=1, examples=["buyers"])] | None = None
    _condition: Condition | None = PrivateAttr(default=None)

    def model_post_init(self, _context: Any) -> None:
        """Keep the compiled condition."""
        if self.when is not None:
            self._condition = compile_condition(self.when)

    @property
    def condition(self) -> Condition | None:
        """The compiled `when`; None where every ticket may be served."""
        return self._condition

    def days_off(self, default_country: str | None) -> DaysOff:
        """The days on which its lead time does not pass."""
        return days_off(self.holidays, frozenset(self.closed), self.hours, Place("supplier"), default_country)

    def makes(self, manufacturer: str) -> bool:
        """Whether it deals in the products of a manufacturer."""
        return not self.manufacturers or manufacturer.casefold() in {name.casefold() for name in self.manufacturers}
