"""How issues belong to each other: parents, duplicates, anything else. Pure.

A link has a name from either end, "duplicates" and "is duplicated by". It stands in both issues: with the other one as
`outwardIssue` where this issue duplicates it, as `inwardIssue` where this one is duplicated by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from connector.sdk import EntityKind, SourceRef
from connector_jira_service_management.config import JiraServiceManagementConfig


class OtherIssue(BaseModel):
    """An issue as another one names it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(pattern=r"^[0-9]{1,20}$", coerce_numbers_to_str=True)


class _Kind(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    inward: str = ""
    outward: str = ""


class Link(BaseModel):
    """A link as an issue has it: with the issue at the other end."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: _Kind
    outward_issue: OtherIssue | None = Field(default=None, alias="outwardIssue")
    inward_issue: OtherIssue | None = Field(default=None, alias="inwardIssue")

    def says(self) -> tuple[str, str, str] | None:
        """What it says from here, what it says from there, and which issue is there."""
        inward, outward = self.type.inward.casefold(), self.type.outward.casefold()
        if self.outward_issue is not None:
            return outward, inward, self.outward_issue.id
        if self.inward_issue is not None:
            return inward, outward, self.inward_issue.id
        return None


@dataclass(frozen=True, slots=True)
class Linked:
    """The tickets that a ticket names."""

    parent: SourceRef | None
    duplicate_of: SourceRef | None
    related: tuple[SourceRef, ...] | None


def linked(
    links: Iterable[Link], parent: OtherIssue | None, config: JiraServiceManagementConfig, *, itself: str
) -> Linked:
    """The tickets that an issue is linked to; of several of a kind the first one made counts, the rest are related.

    What the other issue says of this one (it is its parent, its original) is left to that issue's own record.
    """
    own_parent = [parent.id] if parent else []
    duplicates_of, causes, related = set[str](), set[str](), set[str]()
    duplicating, caused = _folded(config.duplicate_links), _folded(config.parent_links)
    for here, there, other in filter(None, (link.says() for link in links)):
        if here in duplicating:
            duplicates_of.add(other)
        elif here in caused:
            causes.add(other)
        elif there not in duplicating | caused:
            related.add(other)
    originals = sorted(duplicates_of, key=int)
    parents = own_parent + [each for each in sorted(causes, key=int) if each not in own_parent]
    rest = (related | set(originals[1:]) | set(parents[1:])) - {itself, *originals[:1], *parents[:1]}
    return Linked(
        parent=ticket_ref(parents[0]) if parents else None,
        duplicate_of=ticket_ref(originals[0]) if originals else None,
        related=tuple(ticket_ref(each) for each in sorted(rest, key=int)) or None,
    )


def ticket_ref(external_id: str) -> SourceRef:
    """Identity of an issue: its number, which stays when it is moved to another project and gets another key."""
    return SourceRef(kind=EntityKind.TICKET, external_id=external_id)


def _folded(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)
