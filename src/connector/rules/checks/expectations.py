"""What must hold of the tests inside a policy document: everything that they name is there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from pydantic import ValidationError

from connector.model.kinds import LaneScope
from connector.rules.policy.document import Mode
from connector.rules.policy.given import PolicyTest
from connector.rules.sourcing.decision import Outcome, Reason

Location: TypeAlias = tuple[int | str, ...]
Finding: TypeAlias = tuple[Location, str]
"""Path into the document, and what is wrong there."""


def findings_in_tests(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that the tests of a document name and that is not there, as far as they can be read."""
    tests, rules = content.get("tests"), content.get("rules")
    names = [rule.get("name") for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    known = {name for name in names if isinstance(name, str)}
    classes = content.get("service_classes")
    approvals, channels = content.get("approvals"), content.get("red_channels")
    approved = approvals if isinstance(approvals, dict) else {}
    seen: set[str] = set()
    for index, given in enumerate(tests if isinstance(tests, list) else ()):
        try:
            test = PolicyTest.model_validate(given)
        except ValidationError:
            continue
        if test.name in seen:
            yield ("tests", index, "name"), f"is {test.name!r}, which is the name of a test before it"
        seen.add(test.name)
        yield from _expectation(index, test, known)
        yield from _stock(index, test)
        yield from _ways(index, test)
        yield from _approvals(index, test, approved)
        yield from _channel(index, test, channels if isinstance(channels, dict) else {})
        yield from _class(index, test, classes if isinstance(classes, dict) else {})


def _expectation(index: int, test: PolicyTest, rules: Collection[str]) -> Iterator[Finding]:
    expect = test.expect
    if not expect.model_fields_set:
        known = ", ".join(type(expect).model_fields)
        yield ("tests", index, "expect"), f"expects nothing: name at least one of {known}"
    vocabularies: tuple[tuple[str, str | None, Collection[str]], ...] = (
        ("rule", expect.rule, rules),
        ("outcome", expect.outcome, [outcome.value for outcome in Outcome]),
        ("reason", expect.reason, [reason.value for reason in Reason]),
        ("rest", expect.rest, [reason.value for reason in Reason]),
        ("mode", expect.mode, [mode.value for mode in Mode]),
        ("hub", expect.hub, test.given.hubs),
        ("loan_hub", expect.loan_hub, test.given.hubs),
        ("taken_from", expect.taken_from, [claim.ticket for claim in test.given.claims]),
        ("kit", expect.kit, [test.given.kit.name] if test.given.kit else []),
    )
    for field, value, known_values in vocabularies:
        if value is not None and value not in known_values:
            yield ("tests", index, "expect", field), _unknown(value, known_values)


def _stock(index: int, test: PolicyTest) -> Iterator[Finding]:
    given, products = test.given, [substitute.product for substitute in test.given.substitutes]
    wanted = max(given.quantity, given.ticket.quantity)
    if given.had >= wanted:
        yield ("tests", index, "given", "had"), f"is {given.had}, of {wanted} units that it needs: give fewer"
    components = list(given.kit.components) if given.kit else []
    listed = [
        ("stock", number, shelf.hub, shelf.product, [*products, *components])
        for number, shelf in enumerate(given.stock)
    ]
    held = [("claims", number, claim.hub, claim.product, products) for number, claim in enumerate(given.claims)]
    for number, claim in enumerate(given.claims):
        if claim.has_kit and given.kit is None:
            yield ("tests", index, "given", "claims", number, "has_kit"), "is true, but there is no given.kit"
    for section, number, hub, product, known in (*listed, *held):
        place: Location = ("tests", index, "given", section, number)
        if hub not in given.hubs:
            yield (*place, "hub"), f"{_unknown(hub, given.hubs)}, under given.hubs"
        if product is not None and product not in known:
            where = "given.substitutes or given.kit" if components and section == "stock" else "given.substitutes"
            yield (*place, "product"), f"{_unknown(product, known)}, under {where}"
    for number, name in enumerate(products):
        if name in products[:number]:
            yield ("tests", index, "given", "substitutes", number, "product"), f"{name!r} stands there twice"


def _approvals(index: int, test: PolicyTest, approvals: Collection[str]) -> Iterator[Finding]:
    for number, name in enumerate(test.given.refused):
        if name not in approvals:
            yield ("tests", index, "given", "refused", number), f"{_unknown(name, approvals)}, under approvals"
    expected = test.expect.approval
    if expected is not None and expected not in approvals:
        yield ("tests", index, "expect", "approval"), f"{_unknown(expected, approvals)}, under approvals"


def _channel(index: int, test: PolicyTest, channels: Collection[str]) -> Iterator[Finding]:
    given = test.given.channel
    if given is not None and given.known and given.name not in channels:
        yield ("tests", index, "given", "channel", "name"), f"{_unknown(given.name, channels)}, under red_channels"


def _ways(index: int, test: PolicyTest) -> Iterator[Finding]:
    """What is said of ways from hubs that are not there, or of deliveries from no hub in particular."""
    given = test.given
    for field in ("deliveries", "offers", "roads"):
        for number, way in enumerate(getattr(given, field)):
            place: Location = ("tests", index, "given", field, number)
            if way.hub is not None and way.hub not in given.hubs:
                yield (*place, "hub"), f"{_unknown(way.hub, given.hubs)}, under given.hubs"
    for number, deliveries in enumerate(given.deliveries):
        if (deliveries.hub is None) != (deliveries.scope is LaneScope.EVERYWHERE):
            text = "names a hub unless its scope is everywhere, and only then names none"
            yield ("tests", index, "given", "deliveries", number), text


def _class(index: int, test: PolicyTest, classes: Mapping[Any, Any]) -> Iterator[Finding]:
    site, stated = test.given.site, test.given.service_class
    name = site.service_class if site else ""
    place: Location = ("tests", index, "given", "site", "service_class")
    if name and stated is not None and stated.known and stated.name != name:
        yield place, f"is {name!r}, but given.service_class is {stated.name!r}: name one of them, or the same twice"
    elif name and stated is None and name not in classes:
        known = ", ".join(map(str, classes)) or "none"
        yield place, f"is {name!r}, which is not under service_classes ({known}): describe it in given.service_class"


def _unknown(value: str, known: Collection[str]) -> str:
    near = get_close_matches(value, known, n=1)
    guess = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known)) or 'none'}"
    return f"names {value!r}, which is not there: {guess}"


def not_there(name: str, section: str, known: Collection[Any]) -> str:
    """What is wrong with a name that a section does not have."""
    near = get_close_matches(name, [str(other) for other in known], n=1)
    guess = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(map(str, known))) or 'none'}"
    return f"names {name!r}, which is not under {section}: {guess}"
