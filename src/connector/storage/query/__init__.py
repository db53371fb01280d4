"""Reading: a selection becomes one statement per relation level, set-based whatever the number of rows."""

from connector.storage.query.entities import ENTITIES
from connector.storage.query.entity import Entity, ToMany, ToOne
from connector.storage.query.fetch import fetch_page, fetch_rows
from connector.storage.query.rows import Connection, Edge, PageInfo, Row
from connector.storage.query.selection import (
    AllOf,
    AnyOf,
    Child,
    Compare,
    Condition,
    Not,
    Operator,
    Order,
    Page,
    Related,
    Selection,
)

__all__ = [
    "ENTITIES",
    "AllOf",
    "AnyOf",
    "Child",
    "Compare",
    "Condition",
    "Connection",
    "Edge",
    "Entity",
    "Not",
    "Operator",
    "Order",
    "Page",
    "PageInfo",
    "Related",
    "Row",
    "Selection",
    "ToMany",
    "ToOne",
    "fetch_page",
    "fetch_rows",
]
