"""In which region a thing is, as SQL sees it: what devices, shelves and parcels are counted by."""

from __future__ import annotations

from sqlalchemy import ColumnElement, FromClause, case, select

from connector.storage.tables import hub, site


def region_of_hub(source: FromClause) -> ColumnElement[str]:
    """The region of the hub of a row that has a `hub_id`."""
    its_hub = hub.alias()
    return select(its_hub.c.region).where(its_hub.c.id == source.c.hub_id).correlate(source).scalar_subquery()


def region_of_place(source: FromClause) -> ColumnElement[str]:
    """The region of the site of a row that has a `site_id`; of its hub where it is at no site, or goes to none."""
    its_site = site.alias()
    of_site = select(its_site.c.region).where(its_site.c.id == source.c.site_id).correlate(source).scalar_subquery()
    return case((source.c.site_id.is_not(None), of_site), else_=region_of_hub(source))
