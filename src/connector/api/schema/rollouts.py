"""Rollouts, and the parcels that they consist of."""

from datetime import datetime

import strawberry

from connector.api.schema.fields import column, derived, paged, related
from connector.api.schema.lazy import AnyHub, AnyProduct, AnyReservation, AnySite, AnyTask, AnyTicket
from connector.api.schema.nodes import Node
from connector.api.schema.paging import Connection
from connector.model.kinds import Success
from connector.model.lifecycle import RolloutLineState, RolloutState
from connector.rules.policy.document import Mode
from connector.storage.query import Row


@strawberry.type(description="How many lines of a rollout are in a state.")
class RolloutCount:
    """A number of lines."""

    state: RolloutLineState = strawberry.field(description="The state.")
    lines: int = strawberry.field(description="How many are in it.")


@strawberry.type(description="How far a wave of a rollout is.")
class RolloutWave:
    """A wave."""

    number: int = strawberry.field(description="1 is the first.")
    counts: list[RolloutCount] = strawberry.field(description="Its lines by state; states without lines are left out.")


@strawberry.type(description="What the newest plan of a rollout expects of a hub.")
class RolloutHub:
    """A hub in a plan."""

    hub: str = strawberry.field(description="What people call it.")
    free: int = strawberry.field(description="Units that nobody had claimed.")
    protected: int = strawberry.field(description="Of those, safety stock and emergency buffer.")
    kept: int = strawberry.field(description="Of the rest, what rollouts leave to incidents.")
    promised: int = strawberry.field(description="Units that lines are to come from here.")


def _counts(states: dict[str, int]) -> list[RolloutCount]:
    return [RolloutCount(state=state, lines=states[state]) for state in RolloutLineState if states.get(state)]


def _in_all(root: Row) -> list[RolloutCount]:
    return _counts(root.values["progress"]["states"])


def _waves(root: Row) -> list[RolloutWave]:
    return [
        RolloutWave(number=wave["wave"], counts=_counts(wave["states"])) for wave in root.values["progress"]["waves"]
    ]


def _hubs(root: Row) -> list[RolloutHub] | None:
    plan = root.values["plan"]
    if plan is None:
        return None
    return [
        RolloutHub(
            hub=hub["hub"],
            free=hub["free"],
            protected=hub["protected"],
            kept=hub["kept"],
            promised=hub["promised"],
        )
        for hub in plan.get("hubs", ())
    ]


@strawberry.type(description="One parcel of a rollout.")
class RolloutLine(Node):
    """A line of a rollout."""

    rollout: "Rollout | None" = related("rollout", "The rollout; null where it lies outside of one's regions.")
    line: int = column("The line of the ticket that its claims are made on.")
    site: AnySite | None = related("site", "Where it goes; null where it lies outside of one's regions.")
    ticket: AnyTicket | None = related(
        "ticket", "A ticket of its own, whose end says what became of it; null for none."
    )
    quantity: int = column("How many units; 1 for serialised products.")
    risk: int = column("How much is at stake at the site, 0 to 100; low ones go first.")
    risk_rule: str = column("What of the policy says so.")
    asked_wave: int | None = column("The wave that was asked for; null when the plan chooses.")
    wave: int | None = column("The wave that it is in, or is planned for; null while it is short.")
    state: RolloutLineState = column("Where it stands.")
    hub: AnyHub | None = related("hub", "Where its unit is, or is to come from.")
    distance_km: int | None = column("From the hub to the site, great circle.")
    mode: Mode | None = column("How it travels; null while it is short.")
    estimated_arrival_at: datetime | None = column(
        "When it should be there: as planned, then as the courier says; null while it is short."
    )
    reason: str | None = column("Why it is short, failed or was given back.")
    expected_at: datetime | None = column("When a short line may get a unit, as far as that is known.")
    reservation: AnyReservation | None = related("reservation", "Its newest claim; null before the first.")
    reservations: list[AnyReservation] = related("reservations", "All its claims, the oldest first.")
    finished_at: datetime | None = column("When it succeeded or failed.")
    created_at: datetime = column("When it was made.")
    updated_at: datetime = column("When it last changed.")


@strawberry.type(description="Many units of one product for many sites, sent in waves.")
class Rollout(Node):
    """A rollout."""

    name: str = column("What people call it.")
    state: RolloutState = column("Where it stands.")
    reason: str | None = column("Why it is in that state, in the words of whoever or whatever moved it.")
    ticket: AnyTicket | None = related(
        "ticket", "The change or request that it is done under; null where it lies outside of one's regions."
    )
    product: AnyProduct = related("product", "What is sent.")
    preparation: str | None = column("What is done to each unit before it leaves.")
    author: str = column("Who made it.")
    starts_at: datetime | None = column("The first wave does not begin before.")
    first_wave_size: int = column("Lines of the first wave.")
    wave_size: int = column("Lines of each further wave.")
    keep_free_percent: int = column("Share of what a hub could give that is left to incidents.")
    success: Success = column("What counts as success of a line.")
    success_percent: int = column("Share of a wave that must succeed before the next one.")
    soak_minutes: int = column("How long a wave must have been done before the next one.")
    halt_percent: int = column("Share of failures among finished lines that halts it.")
    halt_sample: int = column("Lines that must be finished before failures can halt it.")
    delivery_days: int = column("Days until all parcels of a wave should be there.")
    approval: str | None = column("Name of the approval that it needs before it begins; null when it needs none.")
    policy_version: str = column("The policy that its defaults and risks come from.")
    wave: int = column("The newest wave; 0 before the first.")
    opened_at: datetime | None = column("When that wave began.")
    settled_at: datetime | None = column("Since when that wave is done; null while it is not.")
    counts: list[RolloutCount] = derived(_in_all, "Its lines by state.", columns=("progress",))
    waves: list[RolloutWave] = derived(_waves, "Its lines by wave and state.", columns=("progress",))
    hubs: list[RolloutHub] | None = derived(
        _hubs,
        "What the newest plan expects of each hub; null for whoever is limited to regions.",
        columns=("plan",),
    )
    lines: Connection[RolloutLine] = paged("rollout_line", "lines", "Its parcels, by line.")
    tasks: list[AnyTask] = related("tasks", "Work for people because of it, the oldest first.")
    created_at: datetime = column("When it was made.")
    updated_at: datetime = column("When it last changed.")
