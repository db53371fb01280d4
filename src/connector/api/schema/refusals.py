"""Why a mutation was refused: one type per reason, all with the same fields."""

from collections.abc import Mapping

import strawberry

from connector.model.errors import (
    ConnectorError,
    Forbidden,
    IllegalTransition,
    InvalidConfiguration,
    InvalidDraft,
    InvalidInput,
    NotKnown,
    OutOfStock,
    StaleWrite,
)
from connector.rules.checks.policy_tests import PolicyTestsFailed
from connector.sdk.errors import AdapterError
from connector.storage.database.engine import DatabaseRefusal


@strawberry.interface(description="Why something was refused. Nothing was changed.")
class Refusal:
    """A refusal."""

    message: str = strawberry.field(description="What is wrong, where and why.")
    hint: str = strawberry.field(description="What to do next; empty when the message says it.")
    code: str = strawberry.field(description="Stable, for programs.")


@strawberry.type(description="The unit that was asked for is not free.")
class OutOfStockRefusal(Refusal):
    """OUT_OF_STOCK."""


@strawberry.type(description="A lifecycle does not allow it; the message names the legal moves.")
class IllegalTransitionRefusal(Refusal):
    """ILLEGAL_TRANSITION."""


@strawberry.type(description="Whoever asks does not have the role that it needs; the message names it.")
class ForbiddenRefusal(Refusal):
    """FORBIDDEN."""


@strawberry.type(description="There is no such thing.")
class NotFoundRefusal(Refusal):
    """NOT_FOUND."""


@strawberry.type(description="What was given is wrong.")
class InvalidInputRefusal(Refusal):
    """INVALID_INPUT."""


@strawberry.type(description="A draft of a policy or of a ticket has mistakes.")
class InvalidDraftRefusal(Refusal):
    """INVALID_POLICY, INVALID_CONFIGURATION, INVALID_DRAFT."""

    problems: list[str] = strawberry.field(
        default_factory=list, description="Every mistake: its place, what is wrong, and what is expected there."
    )


@strawberry.type(description="Tests in a policy document fail; it can be activated all the same, with a reason.")
class PolicyTestsFailedRefusal(Refusal):
    """POLICY_TESTS_FAILED."""

    problems: list[str] = strawberry.field(
        default_factory=list, description="Each test that failed: what was expected, and what came out."
    )


@strawberry.type(description="Somebody else changed it first; read it again.")
class ConflictRefusal(Refusal):
    """CONFLICT."""


@strawberry.type(description="An external system failed.")
class SourceRefusal(Refusal):
    """SOURCE_..."""


REFUSALS: Mapping[type[ConnectorError], type[Refusal]] = {
    OutOfStock: OutOfStockRefusal,
    IllegalTransition: IllegalTransitionRefusal,
    Forbidden: ForbiddenRefusal,
    NotKnown: NotFoundRefusal,
    InvalidConfiguration: InvalidDraftRefusal,
    InvalidDraft: InvalidDraftRefusal,
    PolicyTestsFailed: PolicyTestsFailedRefusal,
    InvalidInput: InvalidInputRefusal,
    StaleWrite: ConflictRefusal,
    AdapterError: SourceRefusal,
}
"""Error -> how it is told, the narrower first; errors that are not here are faults, not refusals."""


def refusal_of(error: ConnectorError) -> Refusal:
    """The refusal that an error means. Raises the error when it is a fault of the hub."""
    if isinstance(error, DatabaseRefusal):  # it holds what the database says
        raise error
    if isinstance(error, InvalidConfiguration | InvalidDraft):
        return InvalidDraftRefusal(
            message=error.message, hint=error.hint, code=error.code, problems=list(error.problems)
        )
    if isinstance(error, PolicyTestsFailed):
        return PolicyTestsFailedRefusal(
            message=error.message, hint=error.hint, code=error.code, problems=list(error.problems)
        )
    for kind, refusal in REFUSALS.items():
        if isinstance(error, kind):
            return refusal(message=error.message, hint=error.hint, code=error.code)
    raise error
