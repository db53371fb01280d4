"""The rules by which a record is matched, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from connector.model.errors import InvalidConfiguration
from connector.rules.identity.facts import Fact

MatchName: TypeAlias = Literal["serial+manufacturer", "asset_tag", "mac", "hostname+site"]
"""What the configuration calls the rules."""

SOURCE_REFERENCE: Final = "source_reference"
"""The rule that always comes first: what its source calls the device is known."""


@dataclass(frozen=True, slots=True)
class MatchRule:
    """A record and a device are the same one when all of `equal` are the same and none of `unless` differs.

    What only one of the two states does not differ. none_of_several: a value that several devices have identifies none
    of them: "source", several that one source tells apart; "all", several at all, retired ones not counted.
    revives: whether it may find a device that is retired.
    """

    name: MatchName
    equal: tuple[Fact, ...]
    unless: tuple[Fact, ...]
    none_of_several: Literal["source", "all"] | None = None
    revives: bool = True


_RULES: Final = (
    MatchRule("serial+manufacturer", equal=(Fact.SERIAL,), unless=(Fact.MANUFACTURER,)),
    MatchRule("asset_tag", equal=(Fact.ASSET_TAG,), unless=(Fact.SERIAL, Fact.MANUFACTURER)),
    MatchRule(
        "mac",
        equal=(Fact.MAC,),
        unless=(Fact.SERIAL, Fact.MANUFACTURER, Fact.ASSET_TAG),
        none_of_several="source",
        revives=False,
    ),
    MatchRule(
        "hostname+site",
        equal=(Fact.HOSTNAME, Fact.SITE),
        unless=(Fact.SERIAL, Fact.MANUFACTURER, Fact.ASSET_TAG),
        none_of_several="all",
        revives=False,
    ),
)

RULES: Final[Mapping[str, MatchRule]] = {rule.name: rule for rule in _RULES}
"""Every rule by its name, in the order that holds where nothing is configured."""

DEFAULT_MATCH: Final[tuple[MatchName, ...]] = get_args(MatchName)
DEFAULT_RULES: Final[tuple[MatchRule, ...]] = tuple(RULES[name] for name in DEFAULT_MATCH)


def match_rules(names: Sequence[str]) -> tuple[MatchRule, ...]:
    """The rules of these names, in this order; those that are not named are not tried.

    Raises InvalidConfiguration with every name that is none, or stands twice.
    """
    problems = match_problems(names)
    if problems:
        raise InvalidConfiguration(f"the match rules cannot be used: {'; '.join(problems)}", problems=tuple(problems))
    return tuple(RULES[name] for name in names)


def match_problems(names: Sequence[str]) -> list[str]:
    """What is wrong with a list of names of rules."""
    known = ", ".join(RULES)
    problems = [f"{name!r} is no match rule; there are {known}" for name in dict.fromkeys(names) if name not in RULES]
    twice = [name for name in dict.fromkeys(names) if name in RULES and list(names).count(name) > 1]
    return problems + [f"{name!r} stands more than once; a rule is tried once" for name in twice]
