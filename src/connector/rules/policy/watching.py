"""The section `watching` of a policy: when a parcel counts as in trouble, and what is done about it.

A single parcel is judged by `connector.rules.events.parcels`. Every field is explained in docs/rules.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connector.rules.policy.values import Part

Act = Annotated[Literal["source", "task", "nothing"], Field(examples=["source"])]
"""source: a second unit where that still helps, else a task; task: a person is asked; nothing: it is not looked at."""
SilentHours = Annotated[float, Field(gt=0, le=24 * 60, examples=[24])]
GainMinutes = Annotated[int, Field(ge=0, le=43_200, examples=[60])]


class ClassWatching(Part):
    """What is different for one service class; what is left out is as for all."""

    act: Act | None = None
    silent_hours: SilentHours | None = None
    gain_minutes: GainMinutes | None = None


class Watching(Part):
    """Parcels under way are looked at once a minute.

    silent_hours: without a scan for so long, counted on days that couriers deliver on, a parcel is silent. slow_share:
    a parcel is late once it has travelled longer than this share of its lane's deliveries did; minimum_deliveries: how
    many make a lane's own statistics, fewer leave it to the bands under `courier`. gain_minutes: how much sooner a
    second unit must arrive to be worth it. take_back: the second one is called back when the first turns up before it
    has left.
    """

    act: Act = "task"
    silent_hours: SilentHours = 24
    slow_share: Annotated[float, Field(gt=0.5, le=0.999, examples=[0.95])] = 0.95
    minimum_deliveries: Annotated[int, Field(ge=2, le=100_000, examples=[10])] = 10
    gain_minutes: GainMinutes = 60
    take_back: bool = True
    service_classes: Annotated[dict[str, ClassWatching], Field(examples=[{"critical": {"act": "source"}}])] = Field(
        default_factory=dict
    )

    def of(self, service_class: str | None) -> Watching:
        """What counts for a service class."""
        own = self.service_classes.get(service_class or "")
        if own is None:
            return self
        return self.model_copy(update={name: value for name, value in own if value is not None})
