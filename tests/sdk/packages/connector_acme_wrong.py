"""Adapters that look right and each break the contract in one way, as real ones were seen to do."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connector_acme import Acme
from connector_acme.adapter import SITES, TICKETS
from connector_acme.config import AcmeConfig
from connector_acme.mapping import ticket_of
from pydantic import Field

from connector.sdk import (
    Adapter,
    AdapterError,
    AddNote,
    AuthError,
    Batch,
    BuyLabel,
    CancelOrder,
    Conflict,
    Cursor,
    Health,
    Invalid,
    InvalidRecord,
    NotFound,
    OrderParts,
    OrderReceipt,
    OrderRecord,
    OutcomeUnknown,
    RateLimited,
    Receipt,
    Record,
    RecordSwap,
    RequestReplacement,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    Stream,
    SwapReceipt,
    TicketRecord,
    Tombstone,
    Transient,
    UnexpectedResponse,
    VoidLabel,
    WebhookRequest,
    WebhookResult,
    require_hmac,
)

log = logging.getLogger(__name__)


class UndescribedSettings(Acme):
    class Config(AcmeConfig):
        region: str = "eu"

    @classmethod
    def config_type(cls) -> type[AcmeConfig]:
        return cls.Config


class PlainSecret(Acme):
    class Config(AcmeConfig):
        proxy_password: str = Field(default="", description="For the proxy.", examples=["secret"])

    @classmethod
    def config_type(cls) -> type[AcmeConfig]:
        return cls.Config


class TalksWhenBuilt(Acme):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.started_at = self.clock.now()


class ChecksNothing(Acme):
    async def check(self) -> Health:
        return Health(version="2.1")


class WrongCredentialsAreOutages(Acme):
    async def check(self) -> Health:
        try:
            return await super().check()
        except AuthError as error:
            raise Transient(error.message) from error


class DownMeansMisconfigured(Acme):
    async def check(self) -> Health:
        try:
            return await super().check()
        except Transient as error:
            raise Invalid(error.message) from error


class _OwnPages(Acme):
    """Tickets page by page, for those who page wrongly."""

    async def page(self, **params: str) -> tuple[list[dict[str, Any]], bool]:
        params.setdefault("limit", str(self.config.page_size))
        answer = await self._ask("GET", "/api/tickets", "pull tickets", params=params)
        if not isinstance(answer.get("items"), list) or "more" not in answer:
            raise UnexpectedResponse("pull tickets: no items", operation="pull tickets")
        self._last(answer["items"], "updated", "pull tickets")
        return answer["items"], answer["more"]

    async def tickets(self, since: Cursor | None) -> AsyncIterator[Batch]:
        raise NotImplementedError
        yield

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        batches = self.tickets(since) if stream.name == "tickets" else super().pull(stream, since)
        async for batch in batches:
            yield batch


class StopsAtTheFirstPage(_OwnPages):
    """Asks for one page with whatever it holds and takes it for the whole list."""

    async def tickets(self, since: Cursor | None) -> AsyncIterator[Batch]:
        position: dict[str, str] = json.loads(since) if since else {}
        items, _ = await self.page(**position)
        records, refused = self._mapped(TICKETS, items)
        if items:
            position = {"from": items[-1]["updated"], "after": items[-1]["id"]}
        yield Batch(records, refused, resume=self._resume(position, self.clock.now(), more=False))


class LosesTheBoundaryRecord(_OwnPages):
    """Goes on behind the last time instead of behind the last record."""

    async def tickets(self, since: Cursor | None) -> AsyncIterator[Batch]:
        position: dict[str, str] = json.loads(since) if since else {}
        while True:
            items, more = await self.page(**position)
            records, refused = self._mapped(TICKETS, items)
            if items:
                position = {"from": items[-1]["updated"], "after": "~"}
            yield Batch(records, refused, resume=self._resume(position, self.clock.now(), more=more))
            if not more:
                return


class ForgetsTheOverlap(Acme):
    """The next pull goes on exactly behind the newest change."""

    def _back(self, position: dict[str, str]) -> dict[str, str]:
        return position


class GoesBackEachTime(Acme):
    """Applies the overlap in the middle of a pull."""

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        async for batch in super().pull(stream, since):
            position = json.loads(batch.resume) if batch.resume else {}
            middle = "after" in position
            yield replace(batch, resume=json.dumps(self._back(position))) if middle else batch


class ReadsAllFirst(Acme):
    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        for batch in [batch async for batch in super().pull(stream, since)]:
            yield batch


class BatchesOverTheLimit(Acme):
    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        return (SITES, replace(TICKETS, batch_limit=4))


class SilentWhenEmpty(Acme):
    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        async for batch in super().pull(stream, since):
            if batch.records or batch.rejected or stream.name == "sites":
                yield batch


class MissesTheFullPage(_OwnPages):
    """Takes a page that is full for the last one when the count is a multiple of the page."""

    async def tickets(self, since: Cursor | None) -> AsyncIterator[Batch]:
        position: dict[str, str] = json.loads(since) if since else {}
        while True:
            items, more = await self.page(**position)
            size = self.config.page_size
            if len(items) == size and not more:
                items = items[:-1]
            records, refused = self._mapped(TICKETS, items)
            if items:
                position = {"from": items[-1]["updated"], "after": items[-1]["id"]}
            yield Batch(records, refused, resume=self._resume(position, self.clock.now(), more=more))
            if not more:
                return


class KeepsStateBetweenPulls(Acme):
    """Continues from its own memory, so that only the process that began can go on."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.pages: dict[str, str] = {}

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        known = self.pages.get(since or "", since)
        if since is not None and since not in self.pages:
            known = since if "after" not in since else json.dumps({"from": "9999-12-31T00:00:00+00:00"})
        async for batch in super().pull(stream, known):
            if batch.resume:
                self.pages[batch.resume] = batch.resume
            yield batch


class StartsOverEachTime(Acme):
    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        mid = since is not None and "after" in since
        async for batch in super().pull(stream, since if mid else None):
            yield batch


class HidesDeletions(Acme):
    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        async for batch in super().pull(stream, since):
            yield replace(batch, records=tuple(r for r in batch.records if not isinstance(r, Tombstone)))


class CompleteAlthoughAborted(Acme):
    """Says that it has seen everything, however the pull ends."""

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        try:
            async for batch in super().pull(stream, since):
                yield batch
        except AdapterError:
            if stream.name == "sites":
                yield Batch((), complete=True)
            raise


class OffsetPaging(Acme):
    """Sites by page number: a deletion moves the next page's first row to a page that was read."""

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        if stream.name != "sites":
            async for batch in super().pull(stream, since):
                yield batch
            return
        offset = 0
        while True:
            params = {"limit": str(self.config.page_size), "offset": str(offset)}
            answer = await self._ask("GET", "/api/sites", "pull sites", params=params)
            if not isinstance(answer.get("items"), list):
                raise UnexpectedResponse("pull sites: no items", operation="pull sites")
            records, refused = self._mapped(stream, answer["items"])
            offset += len(answer["items"])
            yield Batch(records, refused, complete=not answer.get("more"))
            if not answer.get("more"):
                return


class DropsMalformed(Acme):
    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        async for batch in super().pull(stream, since):
            known = tuple(item for item in batch.rejected if "/subject" not in (item.path or ""))
            yield replace(batch, rejected=known)


class FetchesWhatItCannotRead(Acme):
    async def fetch(self, ref: SourceRef) -> Record:
        try:
            return await super().fetch(ref)
        except UnexpectedResponse as error:
            raise InvalidRecord(error.message) from error


class _ChangesRecords(Acme):
    """Records of all ways in are changed alike."""

    def changed(self, record: Record) -> Record:
        raise NotImplementedError

    def _mapped(self, stream: Stream, items: list[Any]) -> Any:
        records, refused = super()._mapped(stream, items)
        return tuple(self.changed(record) for record in records), refused

    def parse(self, request: WebhookRequest) -> WebhookResult:
        return WebhookResult(tuple(self.changed(record) for record in super().parse(request).records))


class TakesLocalTimeForUtc(_ChangesRecords):
    """Reads the digits of a time and leaves out its zone."""

    def changed(self, record: Record) -> Record:
        if record.updated_at is None:
            return record
        return record.model_copy(update={"updated_at": record.updated_at + timedelta(hours=1)})


class NaiveTimes(_ChangesRecords):
    def changed(self, record: Record) -> Record:
        if not isinstance(record, TicketRecord):
            return record
        return record.model_copy(update={"opened_at": datetime(2026, 3, 1, 8, 0)})  # noqa: DTZ001 - the fault


class CrashesOnUnknownValue(Acme):
    def _mapped(self, stream: Stream, items: list[Any]) -> Any:
        for item in items:
            if item.get("status", "open") == "pondering":
                raise KeyError("pondering")
        return super()._mapped(stream, items)


class LeavesATaskBehind(Acme):
    """Reads ahead in a task that nobody ends."""

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        self.ahead = asyncio.ensure_future(asyncio.Event().wait())
        async for batch in super().pull(stream, since):
            yield batch
        self.ahead.cancel()


class RetriesInside(Acme):
    async def check(self) -> Health:
        try:
            return await super().check()
        except Transient:
            return await super().check()


class SleepsInside(Acme):
    async def check(self) -> Health:
        await asyncio.sleep(0.2)
        return await super().check()


class ForgetsHowLongToWait(Acme):
    async def _ask(self, *args: Any, **options: Any) -> dict[str, Any]:
        try:
            return await super()._ask(*args, **options)
        except RateLimited as error:
            raise RateLimited(error.message, operation=error.operation) from error


class TakesHtmlForEmpty(Acme):
    """Reads an answer that is no JSON as "nothing there"."""

    async def check(self) -> Health:
        response = await self.http.request("GET", "/api/version", operation="check")
        try:
            return Health(version=response.json()["version"])
        except ValueError:
            return Health()


class EndsQuietlyOnExpiredToken(Acme):
    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        try:
            async for batch in super().pull(stream, since):
                yield batch
        except AuthError:
            return


class AcceptsAnyBody(Acme):
    """Looks whether there is a signature."""

    def verify(self, request: WebhookRequest) -> None:
        if len(request.headers.get("x-acme-signature", "")) != 64:
            raise AuthError("no signature", operation="verify webhook")


class AcceptsOldWebhooks(Acme):
    def verify(self, request: WebhookRequest) -> None:
        secret = self.config.webhook_secret.get_secret_value()
        require_hmac(request, header="x-acme-signature", secret=secret, algorithm="sha256")


class StampsTheTimeOfReading(Acme):
    def parse(self, request: WebhookRequest) -> WebhookResult:
        result = super().parse(request)
        return WebhookResult(tuple(r.model_copy(update={"category": str(request.received_at)}) for r in result.records))


class WebhookWithoutVersion(Acme):
    def parse(self, request: WebhookRequest) -> WebhookResult:
        result = super().parse(request)
        return WebhookResult(tuple(r.model_copy(update={"updated_at": None}) for r in result.records))


class CrashesOnStrangeBytes(Acme):
    def parse(self, request: WebhookRequest) -> WebhookResult:
        body = json.loads(request.body)
        known = body["event"] in ("ticket.created", "ticket.updated")
        return WebhookResult((ticket_of(body["ticket"]),)) if known else WebhookResult()


class WebhookSaysLess(Acme):
    def parse(self, request: WebhookRequest) -> WebhookResult:
        result = super().parse(request)
        return WebhookResult(tuple(r.model_copy(update={"priority": None}) for r in result.records))


class WritesWithoutKey(Acme):
    """A repeated step writes again, and looking for it finds nothing."""

    async def push(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt:
        return replace(await super().push(replace(op, key="")), key=op.key)


class FindKnowsNothing(Acme):
    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        await super().find(op)
        return None


class FindSaysYes(Acme):
    async def find(self, op: AddNote | SetTicketState | SetTicketFields) -> Receipt | None:
        return await super().find(op) or Receipt(op.key, "surely")


class LostAnswerIsRefusal(Acme):
    """Takes a connection that broke for a refusal, so that nobody looks for the effect."""

    async def track(self, op: Any) -> Receipt:
        try:
            return await super().track(op)
        except OutcomeUnknown as error:
            if "ReadError" in error.message:
                raise Conflict(error.message) from error
            raise


class RefusalWithoutField(Acme):
    def _named(self, error: Invalid) -> Invalid:
        return error


class VoidsAnything(Acme):
    """Takes a refused cancellation for a success."""

    async def void_label(self, op: VoidLabel) -> Receipt:
        try:
            return await super().void_label(op)
        except Conflict:
            return Receipt(op.key, "void")


class LosesLetters(Acme):
    """Sends what fits into Latin-1."""

    async def buy_label(self, op: BuyLabel) -> Any:
        recipient = op.parcel.recipient
        plain = replace(recipient, name=recipient.name.encode("latin-1", "replace").decode("latin-1"))
        return await super().buy_label(replace(op, parcel=replace(op.parcel, recipient=plain)))


class OrdersWithoutKey(Acme):
    """A repeated step orders parts a second time; looking for the first order finds nothing."""

    async def order(self, op: RequestReplacement | OrderParts) -> OrderReceipt:
        if isinstance(op, RequestReplacement):
            return await super().order(op)
        return replace(await super().order(replace(op, key="")), key=op.key)


class CancelsAnything(Acme):
    """Takes it for cancelled whatever the supplier says."""

    async def cancel_order(self, op: CancelOrder) -> Receipt:
        try:
            return await super().cancel_order(op)
        except (Conflict, NotFound):
            return Receipt(op.key, "cancelled")


class KeepsTheParcelToItself(Acme):
    async def fetch(self, ref: SourceRef) -> Record:
        record = await super().fetch(ref)
        return record.model_copy(update={"tracking_number": None}) if isinstance(record, OrderRecord) else record


class LeavesTheFailedDeviceInUse(Acme):
    """Puts the replacement in and forgets what was there."""

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        return await super().record_swap(op if op.replacement is None else replace(op, failed=None))


class RenewsTheRecordAgain(Acme):
    """A repeated step writes again where the replacement has no record of its own."""

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        if op.replacement is not None:
            return await super().record_swap(op)
        try:
            written = await super().record_swap(replace(op, key=""))
        except Conflict:
            written = await super().record_swap(replace(op, key="", failed_serial=op.serial))
        return replace(written, key=op.key)


class OverwritesAnotherDevice(Acme):
    """Does not look at what the record shows by now."""

    async def record_swap(self, op: RecordSwap) -> SwapReceipt:
        try:
            return await super().record_swap(op)
        except Conflict:
            return await super().record_swap(replace(op, failed_serial="SN1"))


class WritesUninvited(Acme):
    def may_write_assets(self) -> bool:
        return True


class LeaksTheTokenInAnError(Acme):
    async def check(self) -> Health:
        try:
            return await super().check()
        except AuthError as error:
            raise AuthError(f"token {self.config.token.get_secret_value()} is refused") from error


class LogsItsHeaders(Acme):
    async def check(self) -> Health:
        log.debug("asking with %s", self.config.headers())
        return await super().check()


class TokenInTheAddress(Acme):
    async def check(self) -> Health:
        token = self.config.token.get_secret_value()
        response = await self.http.request("GET", "/api/version", operation="check", params={"token": token})
        answer = self.http.json(response, operation="check")
        if not isinstance(answer, dict) or "version" not in answer:
            raise UnexpectedResponse("check: no version", operation="check")
        return Health(version=answer["version"])


class AvoidsTheLimits(Acme):
    """Raises its own limit."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.http._slots = asyncio.Semaphore(32)


class OnlyChecks(Adapter[AcmeConfig]):
    """Not wrong: it has no capability."""

    @classmethod
    def config_type(cls) -> type[AcmeConfig]:
        return AcmeConfig

    async def check(self) -> Health:
        await self.http.request("GET", "/api/version", operation="check")
        return Health()


class BackfillsEverything(Acme):
    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:
        return "{}" if stream.name == "tickets" else None


class BackfillsTooLittle(Acme):
    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:
        return super().cursor_since(stream, at + timedelta(seconds=1))


class TakesAShortPageForTheLast(_OwnPages):
    """Looks at how many rows a page has, not at what it says."""

    async def tickets(self, since: Cursor | None) -> AsyncIterator[Batch]:
        position: dict[str, str] = json.loads(since) if since else {}
        while True:
            items, _ = await self.page(**position)
            is_last = len(items) < self.config.page_size
            records, refused = self._mapped(TICKETS, items)
            if items:
                position = {"from": items[-1]["updated"], "after": items[-1]["id"]}
            yield Batch(records, refused, resume=self._resume(position, self.clock.now(), more=not is_last))
            if is_last:
                return


class TakesAnEmptyPageForTheLast(_OwnPages):
    async def tickets(self, since: Cursor | None) -> AsyncIterator[Batch]:
        position: dict[str, str] = json.loads(since) if since else {}
        while True:
            items, more = await self.page(**position)
            is_last = not items or not more
            records, refused = self._mapped(TICKETS, items)
            if items:
                position = {"from": items[-1]["updated"], "after": items[-1]["id"]}
            yield Batch(records, refused, resume=self._resume(position, self.clock.now(), more=not is_last))
            if is_last:
                return


class CountsUpForEver(_OwnPages):
    """Leaves out what it has shown, and asks for the next page as long as there is one."""

    async def tickets(self, since: Cursor | None) -> AsyncIterator[Batch]:
        position: dict[str, str] = json.loads(since) if since else {}
        shown: set[str] = set()
        while True:
            items, more = await self.page(**position)
            fresh = [item for item in items if not isinstance(item, dict) or str(item.get("id")) not in shown]
            shown |= {item["id"] for item in fresh if isinstance(item, dict) and isinstance(item.get("id"), str)}
            records, refused = self._mapped(TICKETS, fresh)
            if items:
                position = {"from": items[-1]["updated"], "after": items[-1]["id"]}
            if records or refused or not more:
                yield Batch(records, refused, resume=self._resume(position, self.clock.now(), more=more))
            if not more:
                return


class GoesByItsOwnClock(Acme):
    """The next pull begins when this one did, by the hub's clock."""

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        began = self.clock.now() - TICKETS.overlap
        async for batch in super().pull(stream, since):
            position = json.loads(batch.resume) if batch.resume else {}
            is_end = position and "after" not in position
            yield replace(batch, resume=json.dumps({"from": began.isoformat()})) if is_end else batch


class FollowsTheFuture(Acme):
    """Goes on behind the newest change, whatever its time."""

    def _resume(self, position: dict[str, str], began: datetime, *, more: bool) -> Cursor:
        return super()._resume(position, datetime.max.replace(tzinfo=UTC), more=more)


class LivesInLocalTime(_ChangesRecords):
    """Reads a time as the machine's clock shows it."""

    def changed(self, record: Record) -> Record:
        if record.updated_at is None:
            return record
        naive = datetime.fromtimestamp(record.updated_at.timestamp())  # noqa: DTZ006 - the fault
        return record.model_copy(update={"updated_at": naive.replace(tzinfo=UTC)})


class TakesTheFirstOfTwo(_ChangesRecords):
    """Reads local times without a zone; of one that comes twice it takes the first."""

    def changed(self, record: Record) -> Record:
        if record.updated_at is None:
            return record
        local = record.updated_at.astimezone(ZoneInfo("Europe/Berlin")).replace(fold=0)
        return record.model_copy(update={"updated_at": local.astimezone(UTC)})


class LeavesItToWebhooks(Acme):
    """What is told by a webhook is not pulled again: it came already."""

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        async for batch in super().pull(stream, since):
            fresh = () if since == "{}" else batch.records
            yield replace(batch, records=fresh)


class GoesOnBehindTheHighestId(_OwnPages):
    """Leaves out, after a restart, what has a lower identifier than it has seen, in a list that is sorted by time."""

    async def tickets(self, since: Cursor | None) -> AsyncIterator[Batch]:
        position = json.loads(since) if since else {}
        top = position.pop("top", "")
        async for batch in Acme.pull(self, TICKETS, json.dumps(position) if position else None):
            position = json.loads(batch.resume or "{}")
            if "after" in position:
                position["top"] = max((record.ref.external_id for record in batch.records), default="")
            fresh = tuple(record for record in batch.records if record.ref.external_id > top)
            yield replace(batch, records=fresh, resume=json.dumps(position))


class SaysOtherwiseTheSecondTime(Acme):
    """Rows of the list of changes are mapped by another piece of code."""

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        async for batch in super().pull(stream, since):
            if since is None or "after" in since or stream.name == "sites":
                yield batch
            else:
                yield replace(batch, records=tuple(_without_priority(record) for record in batch.records))


def _without_priority(record: Any) -> Any:
    return record.model_copy(update={"category": "changed"}) if isinstance(record, TicketRecord) else record


class ResumesASnapshot(Acme):
    """Goes on in the middle of a snapshot, and calls the rest of it complete."""

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:
        last = None
        async for batch in super().pull(stream, since):
            if stream.name == "sites" and batch.records:
                last = json.dumps({"after": batch.records[-1].ref.external_id})
            yield replace(batch, resume=last) if stream.name == "sites" else batch


class TrustsEveryValue(Acme):
    """Looks into rows before anything has been made sure of."""

    def _mapped(self, stream: Stream, items: list[Any]) -> Any:
        sorted(item["id"] for item in items)
        return super()._mapped(stream, items)


WRONG: dict[type[Acme], dict[int, str]] = {
    UndescribedSettings: {3: "setting Config.region has no description"},
    PlainSecret: {3: "setting Config.proxy_password is named like a secret"},
    TalksWhenBuilt: {4: "it asks for the time"},
    ChecksNothing: {7: "check() sends no request", 8: "it returns", 9: "it returns"},
    WrongCredentialsAreOutages: {8: "it raises Transient"},
    DownMeansMisconfigured: {9: "it raises Invalid", 24: "it raises Invalid"},
    StopsAtTheFirstPage: {
        10: "of a full pull these are missing",
        11: "these are missing",
        13: "of 6 records on pages of 5",
        14: "after a restart behind batch 1 of 1",
        15: "old records again",
        16: "these are missing",
        17: "these are missing",
        25: "on a 401 in the middle of a pull it returns",
        45: "are missing",
        46: "are missing",
        47: "are missing",
        49: "are missing",
        50: "are missing",
        52: "are missing",
        56: "are missing",
    },
    LosesTheBoundaryRecord: {16: "these are missing"},
    ForgetsTheOverlap: {16: "half an overlap earlier, these are missing"},
    GoesBackEachTime: {14: "cut off after each batch the pull gets nowhere", 16: "gets nowhere"},
    ReadsAllFirst: {11: "of four pages it asks for 0 after the first batch was taken", 48: "it is asked for"},
    BatchesOverTheLimit: {11: "a batch has 6 records, the stream's batch_limit is 4"},
    SilentWhenEmpty: {12: "an empty source yields 0 batches", 18: "yields no batch", 51: "yields no batch"},
    MissesTheFullPage: {13: "of 5 records on pages of 5 these are missing", 19: "these are missing"},
    KeepsStateBetweenPulls: {
        14: "after a restart behind batch",
        16: "gets nowhere",
        52: "after a restart",
        56: "gone on later",
    },
    StartsOverEachTime: {15: "old records again", 45: "as well, which changed long before", 56: "reads again"},
    BackfillsEverything: {45: "as well, which changed long before"},
    BackfillsTooLittle: {45: "on these are missing"},
    HidesDeletions: {18: "is not seen: yield a Tombstone, or a complete snapshot"},
    CompleteAlthoughAborted: {18: "a snapshot that broke at request 1 of 3 says complete"},
    OffsetPaging: {17: "a snapshot taken while a record was deleted says complete and lacks"},
    DropsMalformed: {19: "a malformed object is dropped"},
    FetchesWhatItCannotRead: {19: "fetch of a malformed object raises InvalidRecord", 24: "it raises InvalidRecord"},
    TakesLocalTimeForUtc: {20: "check the zone in which the source writes times", 50: "its updated_at is"},
    NaiveTimes: {20: "which is not aware and UTC"},
    CrashesOnUnknownValue: {21: "unexpected KeyError", 55: "reject the record"},
    LeavesATaskBehind: {22: "1 tasks still run after aclose()"},
    ForgetsHowLongToWait: {23: "retry_after is None where 0:00:17 is right"},
    TakesHtmlForEmpty: {24: "meets an HTML page with status 200 it returns"},
    EndsQuietlyOnExpiredToken: {25: "it returns"},
    RetriesInside: {26: "check() sends 2 requests where request 1 fails"},
    SleepsInside: {26: "check() sleeps 0.2 s"},
    AcceptsAnyBody: {27: "a webhook with character 0 of its proof changed is accepted"},
    AcceptsOldWebhooks: {27: "a webhook that is older than 0:05:00 is accepted"},
    StampsTheTimeOfReading: {28: "read again five hours later, give another result", 31: "the webhook says"},
    WebhookWithoutVersion: {29: "has no updated_at", 31: "the webhook says"},
    CrashesOnStrangeBytes: {30: "raise Invalid"},
    WebhookSaysLess: {31: "the webhook says"},
    WritesWithoutKey: {32: "after it succeeded, it is not found", 33: "1 effects, and find says None"},
    FindKnowsNothing: {32: "after it succeeded, it is not found", 33: "1 effects, and find says None"},
    FindSaysYes: {32: "before the operation was asked for, it is found", 33: "0 effects, and find says"},
    LostAnswerIsRefusal: {33: "it raises Conflict"},
    RefusalWithoutField: {34: "Invalid names the fields []"},
    VoidsAnything: {35: "it returns"},
    LosesLetters: {36: "they differ from character"},
    OrdersWithoutKey: {32: "after it succeeded, it is not found", 33: "1 effects, and find says None"},
    CancelsAnything: {40: "it returns"},
    KeepsTheParcelToItself: {41: "of an order that was sent by dhl as"},
    LeavesTheFailedDeviceInUse: {42: "the failed device's record says deployed"},
    RenewsTheRecordAgain: {43: "the system shows 2 effects where 1 is right"},
    OverwritesAnotherDevice: {44: "it returns"},
    WritesUninvited: {44: "may_write_assets() is true although the settings do not allow it"},
    LeaksTheTokenInAnError: {37: "a secret leaks into"},
    LogsItsHeaders: {37: "a secret leaks into"},
    TokenInTheAddress: {37: "carries a secret in its address"},
    TakesAShortPageForTheLast: {
        46: "where pages are cut to 2 of 5 these are missing",
        47: "has no rows and says that more follow",
    },
    TakesAnEmptyPageForTheLast: {47: "has no rows and says that more follow"},
    CountsUpForEver: {48: "it is asked for"},
    GoesByItsOwnClock: {
        16: "these are missing",
        18: "is not seen",
        49: "by a clock that is two hours fast",
        50: "these are missing",
    },
    FollowsTheFuture: {56: "behind a record from the future does not see"},
    LivesInLocalTime: {50: "its updated_at is"},
    TakesTheFirstOfTwo: {50: "its updated_at is"},
    LeavesItToWebhooks: {51: "is not in the next pull"},
    GoesOnBehindTheHighestId: {52: "after a restart behind batch"},
    SaysOtherwiseTheSecondTime: {53: "the overlap says something else"},
    ResumesASnapshot: {
        17: "seen neither now nor next time",
        18: "are reported as deleted and are not",
        50: "changed when clocks had gone back, and is not told anew",
        54: "it says complete and has not shown",
    },
    TrustsEveryValue: {55: "reject the record, or raise UnexpectedResponse"},
    AvoidsTheLimits: {38: "requests are under way at once, max_concurrency is 3"},
}
"""Each with the checks that it fails, and a part of what they say."""
