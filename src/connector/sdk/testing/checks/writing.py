"""What is done in other systems: checks 32 to 36. One key, one effect, whatever breaks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from connector.sdk.errors import Conflict, Invalid, OutcomeUnknown, Transient
from connector.sdk.operations import AddNote, BuyLabel, SetTicketFields
from connector.sdk.ordering import RequestReplacement
from connector.sdk.testing.bench import Bench, Broken, Rig, raised_by, require
from connector.sdk.testing.check import Check, check
from connector.sdk.testing.faults import Fault, cut_after, cut_before
from connector.sdk.testing.operating import EVERY_KIND, can_be_found, found_by, kinds_of, perform, recover
from connector.sdk.testing.sandbox import NotApplicable, Operation, OperationKind, WithText

WRITES = ("WritesTickets", "Ships", "TracksShipments", "Procures", "WritesAssets")
SAMPLE = "<b>Zoë & Łukasz</b> \"quoted\" 'single' %s {0} \\n \U0001d518\U0001f600 末"
"""Markup, quotes, placeholders, letters beyond Latin-1 and beyond the basic plane."""


async def each_kind(
    bench: Bench,
    body: Callable[[OperationKind, Rig], Awaitable[None]],
    among: tuple[OperationKind, ...] = EVERY_KIND,
) -> None:
    """Run `body` for each operation that the adapter takes."""
    await bench.each([(kind.__name__, partial(body, kind)) for kind in kinds_of(bench) if kind in among])


def require_effects(rig: Rig, operation: Operation, expected: int, when: str) -> None:
    """Refuse another number of effects in the system. Raises Broken."""
    count = rig.sandbox.effects(operation)
    require(count == expected, f"{when} the system shows {count} effects where {expected} is right")


def require_found(rig: Rig, found: object, *, expected: bool, otherwise: str) -> None:
    """Refuse that find says something else than the system shows, if it can be asked. Raises Broken."""
    if why := rig.sandbox.not_asked():
        require(found is None, f"find says {found}, and the system cannot be asked: {why}")
    else:
        require((found is not None) == expected, otherwise)


@check(32, "the same key twice -> one effect", *WRITES)
async def once_per_key(bench: Bench) -> None:
    """A step may run twice; its effect may not."""

    async def body(kind: OperationKind, rig: Rig) -> None:
        operation = rig.sandbox.operation(kind, "contract-32")
        is_searched = can_be_found(operation)
        if is_searched:
            before = await found_by(rig.adapter(), operation)
            require(before is None, f"before the operation was asked for, it is found: {before}")
        first = await perform(rig.adapter(), operation)
        require_effects(rig, operation, 1, "after it was asked for once")
        require(first.key == operation.key, f"the receipt's key is {first.key!r}, the operation's is {operation.key!r}")
        if is_searched:
            found = await found_by(rig.adapter(), operation)
            require_found(rig, found, expected=True, otherwise="after it succeeded, it is not found")
        again = await perform(rig.adapter(), operation)
        require_effects(rig, operation, 1, "after it was asked for twice with the same key")
        require(again.key == first.key, f"the second receipt's key is {again.key!r}, the first's {first.key!r}")
        if is_searched and (why := rig.sandbox.not_asked()) and why not in bench.notes:
            bench.notes.append(why)

    await each_kind(bench, body)


@check(33, "connection cut before and after the effect: find tells the truth, one effect in the end", *WRITES)
async def cut_connection(bench: Bench) -> None:
    """At each request of the operation in turn."""
    missing: list[str] = []
    for kind in kinds_of(bench):
        try:
            await cut_everywhere(bench, partial(_of_kind, kind))
        except NotApplicable as absent:
            missing.append(f"{kind.__name__}: {absent.reason}")
        except Broken as broken:
            raise Broken(f"{kind.__name__}: {broken}") from broken
    if len(missing) == len(kinds_of(bench)):
        raise NotApplicable("; ".join(missing))
    bench.notes.extend(missing)


def _of_kind(kind: OperationKind, rig: Rig) -> Operation:
    return rig.sandbox.operation(kind, "contract-33")


async def cut_everywhere(bench: Bench, make: Callable[[Rig], Operation]) -> None:
    """Cut the connection at each request of an operation in turn, before and after its effect. Raises Broken."""
    async with bench.rig() as rig:
        operation = make(rig)
        before = len(rig.server().requests)
        await perform(rig.adapter(), operation)
        requests = len(rig.server().requests) - before
    for request in range(1, requests + 1):
        for fault in (cut_before(), cut_after()):
            async with bench.rig() as rig:
                await _cut_once(rig, make(rig), request, fault)


async def _cut_once(rig: Rig, operation: Operation, request: int, fault: Fault) -> None:
    wire = rig.server()
    when = f"with the {fault.name} at request {request}"
    wire.fail(fault, request=request, only_once=True)
    failure: Exception | None = None
    try:
        await perform(rig.adapter(), operation)
    except (OutcomeUnknown, Transient) as error:
        failure = error
    except Exception as error:
        raise Broken(f"{when} it raises {type(error).__name__} ({error}) where OutcomeUnknown is right") from error
    wire.heal()
    count = rig.sandbox.effects(operation)
    if can_be_found(operation):
        found = await found_by(rig.adapter(), operation)
        otherwise = f"{when} the system shows {count} effects, and find says {found}"
        require_found(rig, found, expected=count > 0, otherwise=otherwise)
    await recover(rig.adapter(), operation, failure)
    require_effects(rig, operation, 1, f"{when} and after the hub's recovery")


@check(34, "what the system refuses -> Invalid naming the field", *WRITES)
async def refused_operations(bench: Bench) -> None:
    """A person sees what to correct; nobody tries again."""

    async def body(kind: OperationKind, rig: Rig) -> None:
        refused = rig.sandbox.refused_operation(kind, "contract-34")
        error = await raised_by(
            perform(rig.adapter(), refused.operation), Invalid, when=f"when the system refuses {refused.field!r}"
        )
        require(
            refused.field in error.fields,
            f"Invalid names the fields {sorted(error.fields)}, the system refuses {refused.field!r}",
        )

    await each_kind(bench, body)


@check(35, "a used label cannot be voided -> Conflict", "Ships")
async def used_label(bench: Bench) -> None:
    """The parcel is under way; the hub has to decide anew. That an unused label can be voided is in check 32."""
    async with bench.rig() as rig:
        operation = rig.sandbox.void_of_used_label("contract-35")
        await raised_by(perform(rig.adapter(), operation), Conflict, when="when the label was used already")
        require_effects(rig, operation, 0, "after the cancellation was refused")


@check(36, "text with markup, 4-byte characters and maximum length survives", "WritesTickets", "Ships", "Procures")
async def text_survives(bench: Bench) -> None:
    """What people read there is what was written here."""

    async def body(kind: OperationKind, rig: Rig) -> None:
        for variant in ("sample", "longest"):
            operation = rig.sandbox.operation(kind, f"contract-36-{variant}")
            if not isinstance(operation, AddNote | SetTicketFields | BuyLabel | RequestReplacement):
                raise Broken(f"the sandbox was asked for {kind.__name__} and gives {type(operation).__name__}")
            limit = rig.sandbox.longest_text(operation)
            text = SAMPLE[:limit] if variant == "sample" else (SAMPLE * (limit // len(SAMPLE) + 1))[:limit].rstrip()
            if isinstance(operation, AddNote | RequestReplacement):
                text = text.replace(" ", "\n", 1)
            written = _with_text(operation, text)
            await perform(rig.adapter(), written)
            stored = rig.sandbox.stored_text(written)
            require(
                stored == text,
                f"of {len(text)} characters the system holds {len(stored)}; they differ from character "
                f"{_first_difference(stored, text)} on: {stored[_first_difference(stored, text) :][:40]!r}",
            )

    await each_kind(bench, body, among=(AddNote, SetTicketFields, BuyLabel, RequestReplacement))


def _with_text(operation: WithText, text: str) -> WithText:
    match operation:
        case AddNote():
            return replace(operation, body=text)
        case SetTicketFields():
            return replace(operation, fields=dict.fromkeys(operation.fields, text))
        case RequestReplacement():
            return replace(operation, fault=text)
        case BuyLabel():
            recipient = replace(operation.parcel.recipient, name=text)
            return replace(operation, parcel=replace(operation.parcel, recipient=recipient))


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


CHECKS: tuple[Check, ...] = (once_per_key, cut_connection, refused_operations, used_label, text_survives)
