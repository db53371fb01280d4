"""What mutations about rollouts are given."""

from datetime import datetime
from typing import Any

import strawberry

from connector.api.schema.filters import FILTERS
from connector.api.schema.inputs import KEY
from connector.model.kinds import RolloutOutcome, Success

_DEFAULT = "As the policy has it when null."


@strawberry.input(description="What one site is to get; named by its id, or by its code or name.")
class RolloutSiteInput:
    """A site of `createRollout`."""

    site_id: strawberry.ID | None = strawberry.field(default=None, description="Which site; or else `code`.")
    code: str | None = strawberry.field(default=None, description="Its code, or its name where it has none.")
    quantity: int = strawberry.field(default=1, description="How many units.")
    wave: int | None = strawberry.field(
        default=None, description="In which wave; for all sites or for none. The plan chooses by risk when null."
    )
    ticket_id: strawberry.ID | None = strawberry.field(
        default=None, description="A change or request for this site alone, whose end says what became of its lines."
    )


@strawberry.input(description="Keep a rollout as a draft; nothing is claimed.")
class CreateRolloutInput:
    """Input of `createRollout`."""

    name: str = strawberry.field(description="What people call it; unique.")
    product_id: strawberry.ID = strawberry.field(description="What is sent.")
    sites: list[RolloutSiteInput] | None = strawberry.field(
        default=None, description="Where it goes; or else `filter`."
    )
    filter: Any = strawberry.field(
        default=None, graphql_type=FILTERS["site"] | None, description="All sites that satisfy this get `quantity`."
    )
    quantity: int = strawberry.field(default=1, description="Units for each site of `filter`.")
    ticket_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The change or request that it is done under; the hub makes a ticket of its own when null.",
    )
    preparation: str | None = strawberry.field(
        default=None, description="What is done to each unit before it leaves: an image and its version, for example."
    )
    starts_at: datetime | None = strawberry.field(default=None, description="The first wave does not begin before.")
    first_wave_size: int | None = strawberry.field(default=None, description=f"Lines of the first wave. {_DEFAULT}")
    wave_size: int | None = strawberry.field(default=None, description=f"Lines of each further wave. {_DEFAULT}")
    keep_free_percent: int | None = strawberry.field(
        default=None, description=f"Share of what a hub could give that is left to incidents. {_DEFAULT}"
    )
    success: Success | None = strawberry.field(default=None, description=f"What counts as success. {_DEFAULT}")
    success_percent: int | None = strawberry.field(
        default=None, description=f"Share of a wave that must succeed before the next one. {_DEFAULT}"
    )
    soak_minutes: int | None = strawberry.field(
        default=None, description=f"How long a wave must have been done before the next one. {_DEFAULT}"
    )
    halt_percent: int | None = strawberry.field(
        default=None, description=f"Share of failures among finished lines that halts it. {_DEFAULT}"
    )
    halt_sample: int | None = strawberry.field(
        default=None, description=f"Lines that must be finished before failures can halt it. {_DEFAULT}"
    )
    delivery_days: int | None = strawberry.field(
        default=None, description=f"Days until all parcels of a wave should be there. {_DEFAULT}"
    )
    idempotency_key: str = KEY


@strawberry.input(description="Decide what comes from where in which wave.")
class PlanRolloutInput:
    """Input of `planRollout`."""

    rollout_id: strawberry.ID = strawberry.field(description="Which rollout.")
    dry_run: bool = strawberry.field(default=False, description="Only look: nothing is changed.")
    idempotency_key: str = KEY


@strawberry.input(description="Begin a rollout.")
class StartRolloutInput:
    """Input of `startRollout`."""

    rollout_id: strawberry.ID = strawberry.field(description="Which rollout.")
    idempotency_key: str = KEY


@strawberry.input(description="Stop a rollout, or have it go on.")
class MoveRolloutInput:
    """Input of `pauseRollout`, `resumeRollout`, `haltRollout`, `cancelRollout`."""

    rollout_id: strawberry.ID = strawberry.field(description="Which rollout.")
    reason: str = strawberry.field(description="Why; kept with it, and told to its ticket.")
    idempotency_key: str = KEY


@strawberry.input(description="Say what became of a parcel of a rollout.")
class ReportRolloutLineInput:
    """Input of `reportRolloutLine`."""

    rollout_line_id: strawberry.ID = strawberry.field(description="Which line.")
    outcome: RolloutOutcome = strawberry.field(description="What became of it.")
    reason: str | None = strawberry.field(default=None, description="Why, when it failed or was refused; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="Let the end of a ticket say what became of a site's lines.")
class AssignRolloutTicketInput:
    """Input of `assignRolloutTicket`."""

    rollout_id: strawberry.ID = strawberry.field(description="Which rollout.")
    site_id: strawberry.ID = strawberry.field(description="Which of its sites.")
    ticket_id: strawberry.ID | None = strawberry.field(
        default=None, description="A change or request for this site alone; null to let none say it."
    )
    idempotency_key: str = KEY


@strawberry.input(description="Say that a task of a wave is done.")
class ConfirmWaveTaskInput:
    """Input of `confirmStaging` and `confirmHandover`."""

    task_id: strawberry.ID = strawberry.field(description="The task.")
    idempotency_key: str = KEY
