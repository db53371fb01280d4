"""Reading: all that a query asks for becomes one statement, however deep it is and however many rows there are."""

from connector.storage.query.aggregate import Aggregate, AggregateRead, Function, Group, GroupKey, groups_of
from connector.storage.query.announced import Unannounced
from connector.storage.query.as_of import fetch_row_at
from connector.storage.query.changes_of import FEW, read_changes_of
from connector.storage.query.cursor import can_write_cursors
from connector.storage.query.entities import ENTITIES
from connector.storage.query.entity import Entity, ToMany, ToOne
from connector.storage.query.fetch import fetch, fetch_page, fetch_rows, place_key
from connector.storage.query.keyset import checked_cursor, encode_cursor, missing_in, opened
from connector.storage.query.layout import Branch, Layout, layout_of
from connector.storage.query.prepared import NO_VALUES, Given, PreparedReads
from connector.storage.query.rows import Connection, Edge, PageInfo, Row
from connector.storage.query.rows_by_id import RowsByIds
from connector.storage.query.selection import (
    AllOf,
    AnyOf,
    Child,
    Compare,
    Condition,
    Near,
    Not,
    Operator,
    Order,
    Page,
    Parameter,
    Place,
    Quantifier,
    Related,
    Selection,
)
from connector.storage.query.sight import BELONGING, EVERYTHING, Sight
from connector.storage.query.statement import (
    PageRead,
    Read,
    RowsRead,
    ValueRead,
    WrittenGroups,
    WrittenPage,
    WrittenRow,
)
from connector.storage.query.telling import Column
from connector.storage.query.together import Together

__all__ = [
    "BELONGING",
    "ENTITIES",
    "EVERYTHING",
    "FEW",
    "NO_VALUES",
    "Aggregate",
    "AggregateRead",
    "AllOf",
    "AnyOf",
    "Branch",
    "Child",
    "Column",
    "Compare",
    "Condition",
    "Connection",
    "Edge",
    "Entity",
    "Function",
    "Given",
    "Group",
    "GroupKey",
    "Layout",
    "Near",
    "Not",
    "Operator",
    "Order",
    "Page",
    "PageInfo",
    "PageRead",
    "Parameter",
    "Place",
    "PreparedReads",
    "Quantifier",
    "Read",
    "Related",
    "Row",
    "RowsByIds",
    "RowsRead",
    "Selection",
    "Sight",
    "ToMany",
    "ToOne",
    "Together",
    "Unannounced",
    "ValueRead",
    "WrittenGroups",
    "WrittenPage",
    "WrittenRow",
    "can_write_cursors",
    "checked_cursor",
    "encode_cursor",
    "fetch",
    "fetch_page",
    "fetch_row_at",
    "fetch_rows",
    "groups_of",
    "layout_of",
    "missing_in",
    "opened",
    "place_key",
    "read_changes_of",
]
