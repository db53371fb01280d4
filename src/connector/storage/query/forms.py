"""What rows and pages look like in a response, for a database that writes it so by itself.

A form says for each response key what stands there. It is made for a layout, which says what is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal, TypeAlias

from sqlalchemy import JSON, BigInteger, Boolean, Date, Float, Integer, String
from sqlmodel import AutoString

from connector.storage.query.entity import Entity
from connector.storage.query.layout import Branch, Layout
from connector.storage.query.selection import Page
from connector.storage.tables.columns import EnumText, UtcDateTime

Kind: TypeAlias = Literal["text", "enum", "int", "bigint", "real", "bool", "instant", "date", "json"]


def kind_of(entity: Entity, name: str) -> Kind | None:
    """What kind of values a column has that a database writes by itself; None when it does not."""
    match entity.expression(name, entity.table).type:
        case UtcDateTime():
            return "instant"
        case EnumText():
            return "enum"
        case String() | AutoString():
            return "text"
        case BigInteger():
            return "bigint"
        case Integer():
            return "int"
        case Float():
            return "real"
        case Boolean():
            return "bool"
        case Date():
            return "date"
        case JSON():
            return "json"
        case _:
            return None


class Writing(Enum):
    """How the value of a column is written. PLAIN: as JSON has it. NAME: of an enum, whose names are upper case.

    INSTANT: RFC 3339 in UTC, whose fraction has no more digits than it needs.
    """

    PLAIN = auto()
    NAME = auto()
    INSTANT = auto()


@dataclass(frozen=True, slots=True)
class Always:
    """A text that stands there whatever the row."""

    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A column of the row."""

    column: str
    writing: Writing


@dataclass(frozen=True, slots=True)
class GlobalId:
    """The id of the row with the name of its type, in Base64."""

    type_name: str


@dataclass(frozen=True, slots=True)
class Below:
    """What a relation leads to."""

    branch: Branch
    form: RowForm | PageForm


RowMember: TypeAlias = Always | Shown | GlobalId | Below


@dataclass(frozen=True, slots=True)
class RowForm:
    """The object of a row. members: response key, and what stands there."""

    members: tuple[tuple[str, RowMember], ...]


class Edge(Enum):
    """Parts of an edge beside its row."""

    CURSOR = auto()


@dataclass(frozen=True, slots=True)
class EdgeForm:
    """The object of an edge."""

    members: tuple[tuple[str, Always | Edge | RowForm], ...]


class Info(Enum):
    """Parts of what is said of a page. FALSE, TRUE: known beforehand. MORE: there are rows behind its last one."""

    FALSE = auto()
    TRUE = auto()
    MORE = auto()
    START_CURSOR = auto()
    END_CURSOR = auto()


@dataclass(frozen=True, slots=True)
class InfoForm:
    """The object about a page."""

    members: tuple[tuple[str, Always | Info], ...]

    def asks(self, *parts: Info) -> bool:
        """Whether one of these parts is in it."""
        return any(member in parts for _, member in self.members)


class Total(Enum):
    """The number of all rows that are paged through."""

    TOTAL = auto()


PagePart: TypeAlias = Always | Total | InfoForm | RowForm | EdgeForm
"""RowForm, EdgeForm: a list of them."""


@dataclass(frozen=True, slots=True)
class PageForm:
    """The object of a connection, of a page that is read forward; at most one of its members is a list."""

    layout: Layout
    page: Page
    members: tuple[tuple[str, PagePart], ...]

    @property
    def list(self) -> RowForm | EdgeForm | None:
        """What its list is of."""
        return next((part for _, part in self.members if isinstance(part, RowForm | EdgeForm)), None)

    @property
    def has_cursors(self) -> bool:
        """Whether cursors are in it."""
        listed = self.list
        in_list = isinstance(listed, EdgeForm) and any(member is Edge.CURSOR for _, member in listed.members)
        return in_list or self.has_end_cursors

    @property
    def has_end_cursors(self) -> bool:
        """Whether those of its first and last row are."""
        return self._asks(Info.START_CURSOR, Info.END_CURSOR)

    @property
    def looks_further(self) -> bool:
        """Whether it has to be known if there are more rows."""
        return self._asks(Info.MORE)

    def _asks(self, *parts: Info) -> bool:
        return any(isinstance(part, InfoForm) and part.asks(*parts) for _, part in self.members)


class Counted(Enum):
    """What is known of a group beside its key: the number of its rows."""

    COUNT = auto()


@dataclass(frozen=True, slots=True)
class KeyShown:
    """One of the values that groups are made by. place: among them."""

    place: int
    writing: Writing


@dataclass(frozen=True, slots=True)
class KeyForm:
    """The object of a group's key. None: by which groups are not made."""

    members: tuple[tuple[str, Always | KeyShown | None], ...]


@dataclass(frozen=True, slots=True)
class GroupForm:
    """The object of a group."""

    members: tuple[tuple[str, Always | Counted | KeyForm], ...]


@dataclass(frozen=True, slots=True)
class GroupsForm:
    """The object about groups: lists of them, and whether there are more."""

    members: tuple[tuple[str, Always | Literal[Info.MORE] | GroupForm], ...]

    @property
    def looks_further(self) -> bool:
        """Whether it has to be known if there are more groups."""
        return any(member is Info.MORE for _, member in self.members)


Form: TypeAlias = RowForm | PageForm
