"""What an adapter is: its settings, its capabilities, and the batches it pulls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from connector.model.errors import InvalidRecord
from connector.model.records import Record, Tombstone
from connector.model.refs import EntityKind, IdempotencyKey, SourceRef
from connector.sdk.client import SourceClient
from connector.sdk.config import AdapterConfig
from connector.sdk.operations import (
    AddNote,
    BuyLabel,
    CancelPickup,
    LabelReceipt,
    OrderPickup,
    Parcel,
    PickupReceipt,
    Quote,
    Receipt,
    SetTicketFields,
    SetTicketState,
    TrackShipment,
    VoidLabel,
)
from connector.sdk.ordering import CancelOrder, OrderParts, OrderReceipt, RequestReplacement
from connector.sdk.swapping import RecordSwap, SwapReceipt
from connector.sdk.webhook import WebhookRequest, WebhookResult

API_VERSION = 1
"""Version of this interface; an adapter states the one that it was written for."""

Cursor: TypeAlias = str
"""Where a pull goes on: JSON text of at most 4 KiB, made and read only by the adapter."""

MIN_DIGEST_BYTES = 16
"""With fewer, two contents of one thing might have one digest."""


class Clock(Protocol):
    """Tells the time; tests move it."""

    def now(self) -> datetime:
        """The current instant, aware, UTC."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A source record that could not be normalised; kept whole, never dropped.

    reason: what, where, why, what to do. path: JSON pointer into raw.
    """

    ref: SourceRef | None
    raw: bytes
    reason: str
    path: str | None = None


@dataclass(slots=True, eq=False)
class Deferred:
    """A record that is made only when its digest is new: for long streams in which little changes.

    updated_at: as the record has it. digest: 16 bytes or more, of everything that the record is made from: the
    source's row, names that were looked up, settings, and a version of the mapping. What is left out of it is a
    change that is never seen. raw: the source's row, for the quarantine. make: pure, called at most once or twice;
    raises InvalidRecord, and makes no Tombstone. Not for shipments, whose old reports still bring scans.
    """

    ref: SourceRef
    updated_at: datetime | None
    digest: bytes
    raw: bytes
    make: Callable[[], Record]

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be deferred."""
        if self.ref.kind is EntityKind.SHIPMENT:
            raise ValueError(f"{self.ref} cannot be deferred: its old reports still bring scans")
        if len(self.digest) < MIN_DIGEST_BYTES:
            raise ValueError(f"the digest of {self.ref} has {len(self.digest)} bytes, not {MIN_DIGEST_BYTES} or more")

    def made(self) -> Record | Rejected:
        """The record, or why there is none. Raises ValueError when it is not the one that was announced."""
        try:
            record = self.make()
        except InvalidRecord as error:
            return Rejected(ref=self.ref, raw=self.raw, reason=str(error), path=error.path)
        if record.ref != self.ref or record.updated_at != self.updated_at or isinstance(record, Tombstone):
            raise ValueError(
                f"{self.ref} of {self.updated_at} was announced, a {type(record).__name__} of {record.ref} of "
                f"{record.updated_at} was made"
            )
        return record


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that become durable together with `resume`.

    resume: `pull(since=resume)` goes on after this batch. complete: a snapshot has shown everything there is,
    what it did not show may be retired. total: how many records the pull will have brought at its end, where the source
    says so; for estimates alone.
    """

    records: tuple[Record | Deferred, ...]
    rejected: tuple[Rejected, ...] = ()
    resume: Cursor | None = None
    complete: bool = False
    total: int | None = None

    def made(self) -> Batch:
        """The same batch with every deferred record made, or rejected."""
        made = [item.made() if isinstance(item, Deferred) else item for item in self.records]
        refused = tuple(item for item in made if isinstance(item, Rejected))
        records = tuple(item for item in made if not isinstance(item, Rejected))
        return replace(self, records=records, rejected=(*self.rejected, *refused))


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record that can be pulled.

    overlap: window that is read again for late commits; the hub removes duplicates. Streams are pulled in
    the order in which `streams()` lists them: what others refer to comes first.
    """

    name: str
    record: type[Record]
    mode: Literal["incremental", "snapshot"]
    overlap: timedelta = timedelta(minutes=5)
    batch_limit: int = 500


@dataclass(frozen=True, slots=True)
class Health:
    """Result of a successful check. version: of the external system, if it says."""

    version: str | None = None
    detail: str = ""


ConfigT = TypeVar("ConfigT", bound=AdapterConfig)


class Adapter(ABC, Generic[ConfigT]):
    """Connection to one external system.

    Must not keep state between calls, sleep, retry, log secrets, read the environment or the clock: the hub
    does that. One instance serves many concurrent calls.
    """

    api_version: ClassVar[int] = API_VERSION

    def __init__(self, config: ConfigT, http: SourceClient, clock: Clock) -> None:
        self.config = config
        self.http = http
        self.clock = clock

    @classmethod
    @abstractmethod
    def config_type(cls) -> type[ConfigT]:
        """The class of this adapter's settings."""

    @abstractmethod
    async def check(self) -> Health:
        """The cheapest authenticated call. Raises AuthError, ConfigError, Transient."""


@runtime_checkable
class Pulls(Protocol):
    """Reads records, all or those that changed."""

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """What can be pulled, referred-to kinds first."""

    def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        """Batches after `since`, all of them when it is None. Lazy: a page is asked for when it is wanted."""


@runtime_checkable
class Backfills(Protocol):
    """Can begin anywhere in the past, whatever its settings say of how far a pull from the beginning goes back."""

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:
        """From where a pull shows everything that has changed since an instant, and what came later; pure.

        None for a stream of which only everything can be asked for.
        """


@runtime_checkable
class Fetches(Protocol):
    """Reads one object again."""

    async def fetch(self, ref: SourceRef) -> Record:
        """The object as it is now. Raises NotFound, UnexpectedResponse for one that cannot be read."""


@runtime_checkable
class ReceivesWebhooks(Protocol):
    """Understands what the system posts to the hub."""

    def verify(self, request: WebhookRequest) -> None:
        """Refuse what the system did not send. Raises AuthError."""

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """What a verified request says; pure. Raises Invalid when it cannot be read."""


@runtime_checkable
class WritesTickets(Protocol):
    """Writes to tickets."""

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        """Do it once per key. Raises OutcomeUnknown when the answer was lost."""

    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        """Whether an earlier attempt with the operation's key took effect."""


@runtime_checkable
class Ships(Protocol):
    """Has parcels carried."""

    async def quote(self, parcel: Parcel) -> tuple[Quote, ...]:
        """Offers for a parcel, cheapest first; empty when the courier does not serve the way."""

    async def buy_label(self, op: BuyLabel) -> LabelReceipt:
        """Buy once per key. Raises OutcomeUnknown when the answer was lost, Invalid naming the field."""

    async def void_label(self, op: VoidLabel) -> Receipt:
        """Cancel an unused label. Raises Conflict when the parcel is already under way.

        Raises NotOffered where the courier takes no label back: the hub then has a person destroy it.
        """

    async def find_label(self, key: IdempotencyKey) -> LabelReceipt | None:
        """The label that an earlier attempt with this key bought, if it did."""


@runtime_checkable
class OrdersPickups(Protocol):
    """Has drivers come for parcels whose labels it bought."""

    async def order_pickup(self, op: OrderPickup) -> PickupReceipt:
        """Order it. Raises Invalid when nobody comes then, OutcomeUnknown when the answer was lost."""

    def is_pickup_found_again(self, op: OrderPickup) -> bool:
        """Whether the same order, sent again after a lost answer, is the same pickup; pure.

        Where it is not, a second order may be a second driver, and the hub sends none.
        """


@runtime_checkable
class CancelsPickups(Protocol):
    """Calls off the pickups that were ordered by it."""

    async def cancel_pickup(self, op: CancelPickup) -> Receipt:
        """Have no driver come. Raises NotFound, Conflict or Invalid when it is over or called off already."""


@runtime_checkable
class TracksShipments(Protocol):
    """Reports on parcels after being told of their number."""

    async def track(self, op: TrackShipment) -> Receipt:
        """Start reports on a parcel; telling twice is one report."""


@runtime_checkable
class Procures(Protocol):
    """Takes orders. What becomes of them comes back as `OrderRecord`, from a pull, a webhook or `fetch`."""

    async def order(self, op: RequestReplacement | OrderParts) -> OrderReceipt:
        """Order once per key. Raises OutcomeUnknown when the answer was lost, Invalid when the supplier refuses."""

    async def cancel_order(self, op: CancelOrder) -> Receipt:
        """Call it off. Raises Conflict when it has been sent already, NotFound when there is none."""

    async def find_order(self, key: IdempotencyKey) -> OrderReceipt | None:
        """The order that an earlier attempt with this key placed, if it did, cancelled ones included."""


@runtime_checkable
class WritesAssets(Protocol):
    """Is told which device stands where after a swap."""

    def may_write_assets(self) -> bool:
        """Whether the settings allow it. While they do not, the hub writes nothing; pure."""

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        """Record it once per key.

        Raises OutcomeUnknown when the answer was lost, Invalid naming the field, NotFound when there is no such record,
        Conflict when the failed device's record shows another device by now, or another record the replacement.
        """

    async def find_swap(self, op: RecordSwap) -> SwapReceipt | None:
        """Whether the records show it already, by an earlier attempt or because somebody entered it."""


@runtime_checkable
class TakesSome(Protocol):
    """Takes only those operations that its settings say how to do; what has no such method takes all of its class."""

    def takes(self, operation: type[object]) -> bool:
        """Whether an operation of this class can be done; pure. One that cannot is left out, and nobody is alarmed."""


@runtime_checkable
class ReadsHeaders(Protocol):
    """Understands webhooks by their headers, too. Of an adapter without this method, body and query say everything."""

    def telling(self, request: WebhookRequest) -> Mapping[str, str]:
        """Those headers that say what happened: deliveries that differ in one of them are two; pure."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A row as the system sent it, and what became of it. raw: JSON. outcome: what is said where there is no record."""

    raw: bytes
    record: Record | None
    outcome: str = ""


@runtime_checkable
class Previews(Protocol):
    """Shows what a stream's first rows become, for whoever writes the settings."""

    async def preview(self, stream: Stream) -> tuple[Shown, ...]:
        """The rows of the first page, in its order. Reads only."""


@runtime_checkable
class Watches(Protocol):
    """Sees by itself, and at no cost to anybody, that something is new: a directory of files is an example."""

    async def glance(self) -> Mapping[str, str]:
        """What there is, by stream: a text that is another one whenever the stream may have changed. Reads no content.

        A stream that is left out is not watched. Raises ConfigError, Transient.
        """


@runtime_checkable
class ShowsPages(Protocol):
    """Receives webhooks that people send from a page, for example one that a code on a label leads to."""

    async def page(self, request: WebhookRequest) -> str:
        """HTML for whoever opens the webhook's address; of one that was sent and taken in, what is said to the sender.

        It changes nothing. Raises AuthError when the address is not one that was given to people.
        """


CAPABILITIES: tuple[type, ...] = (
    Pulls, Backfills, Fetches, ReceivesWebhooks, WritesTickets, Ships, TracksShipments, Procures, WritesAssets,
)  # fmt: skip


def capabilities(adapter: type[Adapter[AdapterConfig]]) -> frozenset[str]:
    """Names of the capability protocols that the adapter's class implements."""
    return frozenset(protocol.__name__ for protocol in CAPABILITIES if issubclass(adapter, protocol))
