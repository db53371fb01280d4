"""Questions for people: which device is a record about? With all that speaks for and against each candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.ingest.work import Question, Work
from connector.model.refs import EntityKind
from connector.rules.identity.facts import DeviceFacts, Fact, KnownDevice
from connector.rules.identity.matching import Attempt
from connector.storage.sources.macs import macs_of
from connector.storage.sources.reviews import NewCandidate, NewReview, note_separated, put_reviews


async def ask_people(work: Work, entries: Mapping[str, int]) -> None:
    """Ask about the records that the match rules left unclear. entries: reference -> its entry in the quarantine."""
    asked = [(problem.arrival.key[1], problem.question) for problem in work.problems if problem.question is not None]
    if not asked:
        return
    devices = {device.id for _, question in asked for device in question.candidates}
    known = {i: frozenset[str]().union(*macs.values()) for i, macs in (await macs_of(work.tx, devices)).items()}
    reviews = [
        NewReview(
            external_id=external_id,
            quarantine_id=entries[f"{EntityKind.ASSET.value}:{external_id}"],
            name=question.name,
            reason=question.verdict.reason,
            stated=told_facts(question.facts),
            attempts=[told_attempt(attempt) for attempt in question.verdict.attempts],
            candidates=[_candidate(question, device, known) for device in question.candidates],
        )
        for external_id, question in asked
    ]
    await put_reviews(work.tx, work.source_id, reviews, actor=work.actor, at=work.at)


async def keep_separated(work: Work) -> None:
    """Note in their reviews which devices the records have become that are devices of their own."""
    landed = {
        name: work.landings[EntityKind.ASSET, name].draft.id
        for name in work.separated
        if (EntityKind.ASSET, name) in work.landings
    }
    if landed:
        await note_separated(work.tx, work.source_id, landed, actor=work.actor, at=work.at)


def told_facts(facts: DeviceFacts) -> dict[str, Any]:
    """What is stated of a device, as JSON; several addresses are a list."""
    return {fact.value: _told(fact, facts) for fact in Fact if facts.stated(fact)}


def told_attempt(attempt: Attempt) -> dict[str, Any]:
    """What a rule came to, as JSON."""
    return {
        "rule": attempt.rule,
        "compared": {fact.value: list(values) for fact, values in attempt.compared.items()},
        "found": list(attempt.found),
        "left_out": [{"asset_id": left.id, "reason": left.reason} for left in attempt.left_out],
        "note": attempt.note,
    }


def told_comparison(record: DeviceFacts, device: KnownDevice) -> list[dict[str, Any]]:
    """Each fact of which one of the two states something, with both and whether they agree, as JSON."""
    return [
        {
            "fact": fact.value,
            "stated": _told(fact, record),
            "known": _told(fact, device.facts),
            "agreement": agreement.value,
        }
        for fact, agreement in device.compared(record).items()
        if record.stated(fact) or device.facts.stated(fact)
    ]


def _candidate(question: Question, device: KnownDevice, macs: Mapping[int, frozenset[str]]) -> NewCandidate:
    whole = device.with_macs(macs.get(device.id, frozenset()))
    rules: Sequence[str] = [attempt.rule for attempt in question.verdict.attempts if device.id in attempt.found]
    return NewCandidate(device.id, rules, told_comparison(question.facts, whole))


def _told(fact: Fact, facts: DeviceFacts) -> Any:
    values = sorted(facts.stated(fact), key=str)
    return values if fact is Fact.MAC and values else next(iter(values), None)
