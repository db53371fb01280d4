"""Errors of external systems. How the hub recovers is decided by the class alone.

AdapterError
├── ConfigError         402, bad URL, unknown project, adapter not entitled: the source stops, the operator is shown it
├── AuthError           401, 403, bad signature, expired token: the source pauses, said once
├── RateLimited         429, 503 with Retry-After: waits, no attempt counted
├── Transient           connect error, time-out of a read, 5xx: backoff with jitter, then the circuit opens
├── OutcomeUnknown      time-out or reset after a write was sent: `find(key)`, only then again
├── NotFound            404, 410: tombstone on fetch, a failed step on push
├── Conflict            409, 412: fetch again, decide anew
├── Invalid             400, 413, 422, 424 on our request: dead letter, compensate; never retried
├── NotOffered          the system has no such operation: what it leaves behind is given to a person
└── UnexpectedResponse  not JSON, a field missing, an unknown value: their API changed or our mapping is wrong

Everything else that escapes an adapter is a bug and is treated as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from connector.model.errors import ConnectorError
from connector.model.records import Record
from connector.model.refs import SourceRef

DETAIL_LIMIT = 2048
"""Characters of `detail` that are kept."""


class AdapterError(ConnectorError):
    """An external system, or the way to it, failed.

    summary, hint: for users. operation: what was tried, for example "pull tickets". ref: which object.
    detail: for logs, already redacted, at most 2 KiB.
    """

    code: ClassVar[str] = "SOURCE_FAILED"

    def __init__(
        self,
        summary: str,
        *,
        operation: str = "",
        ref: SourceRef | None = None,
        hint: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(summary, hint=hint)
        self.operation = operation
        self.ref = ref
        self.detail = detail[:DETAIL_LIMIT]


class ConfigError(AdapterError):
    """The source is configured in a way that cannot work."""

    code = "SOURCE_CONFIG"


class AuthError(AdapterError):
    """The system does not accept the credentials, or a webhook's signature is wrong."""

    code = "SOURCE_AUTH"


class RateLimited(AdapterError):
    """The system asks to slow down. retry_after: None when it did not say for how long."""

    code = "SOURCE_RATE_LIMITED"

    def __init__(
        self,
        summary: str,
        *,
        retry_after: timedelta | None = None,
        operation: str = "",
        ref: SourceRef | None = None,
        hint: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(summary, operation=operation, ref=ref, hint=hint, detail=detail)
        self.retry_after = retry_after


class Transient(AdapterError):
    """Trying again later is right; nothing was changed by the failed try."""

    code = "SOURCE_UNAVAILABLE"


class OutcomeUnknown(AdapterError):
    """A write was sent and no answer came: it may or may not have taken effect.

    known_after: how long after that the system tells which; None where it does at once.
    """

    code = "SOURCE_OUTCOME_UNKNOWN"

    def __init__(
        self,
        summary: str,
        *,
        known_after: timedelta | None = None,
        operation: str = "",
        ref: SourceRef | None = None,
        hint: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(summary, operation=operation, ref=ref, hint=hint, detail=detail)
        self.known_after = known_after


class NotFound(AdapterError):
    """The object does not exist there, or no longer."""

    code = "SOURCE_NOT_FOUND"


class Conflict(AdapterError):
    """The object changed meanwhile, or its state forbids the operation. current: what it is now, if told."""

    code = "SOURCE_CONFLICT"

    def __init__(
        self,
        summary: str,
        *,
        current: Record | None = None,
        operation: str = "",
        ref: SourceRef | None = None,
        hint: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(summary, operation=operation, ref=ref, hint=hint, detail=detail)
        self.current = current


class Invalid(AdapterError):
    """The system refuses what we sent. fields: field -> reason."""

    code = "SOURCE_REFUSED"

    def __init__(
        self,
        summary: str,
        *,
        fields: Mapping[str, str] | None = None,
        operation: str = "",
        ref: SourceRef | None = None,
        hint: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(summary, operation=operation, ref=ref, hint=hint, detail=detail)
        self.fields = dict(fields or {})


class NotOffered(AdapterError):
    """The system has no such operation at all, whatever is asked of it: trying again, or otherwise, is of no use."""

    code = "SOURCE_NOT_OFFERED"


class UnexpectedResponse(AdapterError):
    """The answer is not what their API describes."""

    code = "SOURCE_UNEXPECTED"
