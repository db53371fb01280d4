"""Policies: every version that was ever taken in, and which is active."""

from datetime import datetime

import strawberry

from connector.api.schema.fields import column, related
from connector.api.schema.lazy import AnyPolicy
from connector.api.schema.nodes import Node
from connector.model.kinds import ActivationKind


@strawberry.type(description="A policy was made the active one.")
class PolicyActivation(Node):
    """An activation."""

    policy: AnyPolicy = related("policy", "Which policy.")
    kind: ActivationKind = column("How it came to be active.")
    activated_by: str = column("Who did it.")
    activated_at: datetime = column("When.")
    comment: str | None = column("Why.")
    forced_because: str | None = column("Why it was activated although tests in its document failed.")


@strawberry.type(description="A version of the policy that decides which ticket gets which unit.")
class Policy(Node):
    """A policy."""

    version: str = column("Its name and the hash of its text; decisions name it as `policyVersion`.")
    name: str = column("What its author calls it.")
    text: str = column("The document, as it was written.")
    author: str = column("Who brought it in.")
    comment: str | None = column("What that was for.")
    created_at: datetime = column("When that was.")
    is_active: bool = column("Whether the hub decides by it now.")
    activations: list[PolicyActivation] = related("activations", "When it was made the active one, the oldest first.")
