from __future__ import annotations

import pytest
from sqlalchemy import func, select

from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.query import ENTITIES, Unannounced
from connector.storage.query.announced import KINDS, UNANNOUNCED, UNANNOUNCED_COLUMNS, announced_by

ticket, site = tables.ticket, tables.site


def test_of_every_table_that_can_be_queried_somebody_says_what_announces_its_changes():
    names = {entity.table.name for entity in ENTITIES.values()}

    assert names - set(KINDS) - set(UNANNOUNCED) == set()
    assert set(KINDS) & set(UNANNOUNCED) == set()


def test_columns_that_change_unannounced_are_columns():
    for name, column in UNANNOUNCED_COLUMNS:
        assert column in tables.metadata.tables[name].c


def test_every_table_of_a_statement_counts_wherever_it_stands():
    other = site.alias()
    there = select(other.c.id).where(other.c.id == ticket.c.site_id).exists()
    view = select(tables.kit_component.c.kit_id).cte()

    found = announced_by(select(ticket.c.number, select(func.count(view.c.kit_id)).scalar_subquery()).where(there))

    assert found == {EntityKind.TICKET, EntityKind.SITE, EntityKind.KIT}


def test_a_column_that_changes_unannounced_counts_where_it_is_read_and_nowhere_else():
    shown, compared = tables.source.alias(), tables.source.alias()

    assert announced_by(select(shown.c.name)) == {EntityKind.SOURCE}
    with pytest.raises(Unannounced, match=r"source\.state: how a pull goes is noted without a line in the log"):
        announced_by(select(ticket.c.id).where(select(compared.c.id).where(compared.c.state == "ok").exists()))


def test_what_nobody_has_thought_of_counts_as_unannounced():
    with pytest.raises(Unannounced, match="inbox: nobody says what announces its changes"):
        announced_by(select(tables.inbox.c.id))
    with pytest.raises(Unannounced, match=r"now\(\): nobody says that it is a function of its arguments alone"):
        announced_by(select(ticket.c.id).where(ticket.c.sla_due_at < func.now()))
