"""How records are matched, and whose word goes first where several sources know the same thing."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connector.rules.golden.choosing import EVERY_KIND
from connector.rules.golden.fields import path_problem
from connector.rules.identity.match_rules import DEFAULT_MATCH, match_problems


class IdentitySettings(BaseModel):
    """How things that several sources know are one thing."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    match: tuple[str, ...] = Field(
        default=DEFAULT_MATCH,
        description="Match rules in the order in which they are tried, behind the reference of the record's source.",
        examples=[["serial+manufacturer", "asset_tag"]],
    )
    precedence: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Kind, kind.field or default -> sources, whose word goes first first.",
        examples=[{"asset": ["cmdb", "mdm"], "asset.serial": ["mdm", "cmdb"]}],
    )
    fresh_days: dict[str, Annotated[int, Field(ge=1, le=3_650)]] = Field(
        default_factory=dict,
        description="Source -> days without a success after which its word yields to that of others.",
        examples=[{"mdm": 30}],
    )

    @field_validator("match")
    @classmethod
    def _are_rules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        problems = match_problems(value)
        if problems:
            raise ValueError("; ".join(problems))
        return value


def identity_problems(identity: Mapping[str, Any], sources: Mapping[str, Any]) -> list[str]:
    """What is named under `identity` and does not exist, with the nearest that does."""
    problems: list[str] = []
    precedence, fresh_days = (identity.get(key) for key in ("precedence", "fresh_days"))
    for path, order in precedence.items() if isinstance(precedence, Mapping) else ():
        wrong = None if path == EVERY_KIND else path_problem(path)
        if wrong is not None:
            problems.append(f"identity.precedence.{path}: {wrong}")
        names = [name for name in order if isinstance(name, str)] if isinstance(order, list | tuple) else []
        problems += [f"identity.precedence.{path}: {_unknown(name, sources)}" for name in names if name not in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        problems += [f"identity.precedence.{path}: source {name!r} is listed twice" for name in twice]
    problems += [
        f"identity.fresh_days.{name}: {_unknown(name, sources)}"
        for name in (fresh_days if isinstance(fresh_days, Mapping) else ())
        if name not in sources
    ]
    return problems


def _unknown(name: str, sources: Mapping[str, Any]) -> str:
    near = get_close_matches(name, list(sources), n=1)
    known = ", ".join(sorted(sources)) or "none"
    return f"there is no source {name!r}" + (f"; did you mean {near[0]!r}?" if near else f"; configured are: {known}")
