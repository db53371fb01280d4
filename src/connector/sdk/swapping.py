"""What the hub tells a system of assets about a swap: which device stands where now, and what failed.

As every operation, it carries the key that makes it happen once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from connector.model.lifecycle import AssetState
from connector.model.records import ProductKey
from connector.model.refs import IdempotencyKey, SourceRef


@dataclass(frozen=True, slots=True)
class RecordSwap:
    """A failed device was replaced at its site.

    failed: the failed device's record there, None when there is none. replacement: the record that the replacement
    has there of its own, None when it has none. With one, that record moves to the site and is in use, and the failed
    device's record goes to the state that is configured for it. Without one, the failed device's record, which stands
    for the position, gets what is known of the replacement.
    failed_serial: of the failed unit; a record that shows another one by now is not overwritten. None when the hub
    knows none. serial, asset_tag, revision, warranty_ends_on: of the replacement. product: what it is; product_ref:
    what that system calls it, None when it does not know it. site: the site there, None when it does not know it.
    reference: the number of the ticket, for people.
    """

    key: IdempotencyKey
    failed: SourceRef | None
    replacement: SourceRef | None
    failed_serial: str | None
    serial: str | None
    asset_tag: str | None
    product: ProductKey
    product_ref: SourceRef | None
    site: SourceRef | None
    reference: str
    revision: str | None = None
    warranty_ends_on: date | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a swap of which there is nothing to record."""
        if self.failed is None and self.replacement is None:
            raise ValueError(f"swap {self.key!r} names no record: neither of the failed device nor of its replacement")
        if self.replacement is None and self.serial is None:
            raise ValueError(f"swap {self.key!r} names no serial for record {self.failed}")
        if self.failed == self.replacement:
            raise ValueError(f"swap {self.key!r} names {self.failed} both as failed and as its replacement")

    @property
    def record(self) -> SourceRef:
        """What stands for the replacement there, once the swap is recorded."""
        ref = self.replacement or self.failed
        if ref is None:
            raise ValueError(f"swap {self.key!r} names no record")
        return ref


@dataclass(frozen=True, slots=True)
class SwapReceipt:
    """A swap that a system has recorded. record: what stands for the replacement there now.

    updated_at: the version that the record has by that, None when the system keeps none. failed_state,
    failed_updated_at: what the failed device's own record says now, and its version; None when it has none any more.
    """

    key: IdempotencyKey
    record: SourceRef
    updated_at: datetime | None = None
    failed_state: AssetState | None = None
    failed_updated_at: datetime | None = None
