"""Let the warehouse know the tables over what is archived of an audience."""

from segmentation.domain.audience import Audience
from segmentation.domain.changes_sql import changes_view
from segmentation.domain.erasure import excluded_table
from segmentation.domain.event_lake import date_of, lake_tables
from segmentation.ports import Lake, LakeCatalog


def register_lake(lake: Lake, lake_catalog: LakeCatalog, audience: Audience) -> None:
    """Register them with the columns that are declared now, from their earliest day on.

    Partitions are projected, so that a query lists each day in a table's range: it begins no earlier than need be.
    """
    tables = [*lake_tables(audience), excluded_table(audience.id)]
    first = {table.name: next(iter(lake.list(table.folder)), None) for table in tables}
    dates = {name: date_of(path) for name, path in first.items() if path is not None}
    lake_catalog.register(
        tables, {name: date for name, date in dates.items() if date is not None}, [changes_view(audience)]
    )
