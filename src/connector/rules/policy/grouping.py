"""The section `grouping` of a policy: tickets that belong together, and what is done about them as one.

Which tickets form an event is judged by `connector.rules.events.events`; which ticket another one follows by
`connector.rules.events.following`. Every field is explained in docs/rules.md.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from connector.model.kinds import GroupKind, Priority
from connector.rules.policy.conditions import Condition, compile_condition
from connector.rules.policy.values import ConditionText, Part


class Links(Part):
    """Links that the ticket system states. follow: no unit of its own while the other ticket is dealt with."""

    duplicates: Annotated[Literal["follow", "decide"], Field(examples=["follow"])] = "follow"
    children: Annotated[Literal["follow", "decide"], Field(examples=["decide"])] = "decide"


class Watch(Part):
    """What all kinds of event have in common.

    when: tickets that count. hold: which further tickets of a proposed event wait for a person, `beyond` meaning those
    after `units` that have one. exempt: priorities that never wait. confirmed: what tickets get once a person has
    confirmed it. timeout_minutes: how long a proposal waits for that, before on_timeout happens by itself.
    """

    when: ConditionText = "ticket.type == 'incident'"
    hold: Annotated[Literal["all", "none", "beyond"], Field(examples=["beyond"])] = "all"
    units: Annotated[int, Field(ge=0, le=100_000, examples=[5])] | None = None
    exempt: Annotated[tuple[Priority, ...], Field(examples=[["P1"]])] = ()
    confirmed: Annotated[Literal["nothing", "serve"], Field(examples=["nothing"])] = "serve"
    timeout_minutes: Annotated[int, Field(gt=0, le=43_200, examples=[120])] = 120
    on_timeout: Annotated[Literal["dismiss", "confirm"], Field(examples=["dismiss"])] = "dismiss"
    _condition: Condition = PrivateAttr()

    def model_post_init(self, _context: object) -> None:
        """Keep the compiled condition."""
        self._condition = compile_condition(self.when)

    @model_validator(mode="after")
    def _units_belong_to_beyond(self) -> Self:
        if (self.hold == "beyond") != (self.units is not None):
            raise ValueError("units goes with hold: beyond, and only with that; example: {hold: beyond, units: 5}")
        return self

    @property
    def condition(self) -> Condition:
        """The compiled `when`."""
        return self._condition


class SiteEvent(Watch):
    """Several devices of one site fail at once: power, cooling, a cut line. devices: how many, within the window."""

    devices: Annotated[int, Field(ge=2, le=100_000, examples=[3])] = 3
    window_minutes: Annotated[int, Field(gt=0, le=10_080, examples=[30])] = 30
    confirmed: Annotated[Literal["nothing", "serve"], Field(examples=["nothing"])] = "nothing"


class BatchDefect(Watch):
    """Devices of one product fail at several sites.

    devices, sites: how many within the window. share_percent: and that many of all devices of the product in the field,
    so that a product that is everywhere is not suspected for its number.
    """

    devices: Annotated[int, Field(ge=2, le=100_000, examples=[5])] = 5
    sites: Annotated[int, Field(ge=1, le=100_000, examples=[2])] = 2
    share_percent: Annotated[float, Field(ge=0, le=100, examples=[0.5])] = 0.5
    window_minutes: Annotated[int, Field(gt=0, le=43_200, examples=[1440])] = 1440


class Burst(Watch):
    """More tickets of one region than usual.

    tickets: at least that many within the window, and more than `times` the median of the same window in each of the
    last `weeks` weeks.
    """

    tickets: Annotated[int, Field(ge=2, le=1_000_000, examples=[20])] = 20
    times: Annotated[float, Field(ge=1, le=1_000, examples=[5])] = 5
    weeks: Annotated[int, Field(ge=1, le=26, examples=[4])] = 4
    window_minutes: Annotated[int, Field(gt=0, le=10_080, examples=[60])] = 60


class Grouping(Part):
    """Tickets that belong together. A kind of event that is left out is not looked for."""

    links: Annotated[Links, Field(examples=[{"duplicates": "follow"}])] = Links()
    site_event: Annotated[SiteEvent, Field(examples=[{"devices": 3, "window_minutes": 30}])] | None = None
    batch_defect: Annotated[BatchDefect, Field(examples=[{"devices": 5, "sites": 2}])] | None = None
    burst: Annotated[Burst, Field(examples=[{"tickets": 20, "times": 5}])] | None = None

    @property
    def watches(self) -> dict[GroupKind, SiteEvent | BatchDefect | Burst]:
        """The kinds of event that are looked for."""
        found = {
            GroupKind.SITE_EVENT: self.site_event,
            GroupKind.BATCH_DEFECT: self.batch_defect,
            GroupKind.BURST: self.burst,
        }
        return {kind: watch for kind, watch in found.items() if watch is not None}
