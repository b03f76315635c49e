"""The SQL by which readers see archived membership changes: each once."""

from .audience import Audience
from .event_lake import BY_DATE, MERGED_CHANGES, LakeView, changes_table
from .run import table_name


def changes_view(audience: Audience) -> LakeView:
    """An audience's membership changes, each once, as a merge will leave them. A condition on `date` prunes as ever.

    The stream delivers again what it is not sure of, in batches with other ends, so that names of objects cannot tell.
    """
    table = changes_table(audience)
    columns = {**table.columns, BY_DATE: "string"}
    named = ", ".join(f'"{name}"' for name in columns)
    same = ", ".join((f'"{BY_DATE}"', *MERGED_CHANGES.distinct))
    first = f"row_number() OVER (PARTITION BY {same} ORDER BY {', '.join(MERGED_CHANGES.first)}) AS rn"
    sql = f"SELECT {named} FROM (SELECT {named}, {first} FROM {table.name}) AS c WHERE rn = 1"
    return LakeView(table_name(audience.id, "segment_changes"), columns, sql)
