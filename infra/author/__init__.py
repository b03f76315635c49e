"""Writing segments in Python: the words that `jsonlogic-py` lacks, and the documents it makes.

`jsonlogic-py` turns Python expressions into JSON-Logic: comparisons, `&`, `|`, `~`, arithmetic, `isin`,
`contains`. The rule language has a few words more; they are functions here, and give expressions back.

    from infra.author import behavior, segment, total, within

    HIGH_SPENDERS = segment(
        "high-spenders",
        "High spenders",
        audience="complete-journey",
        kind="batch",
        description="spent 1,000 or more in the year",
        rule=total(within(behavior("purchases"), "365d"), "sales_value") >= 1000,
    )

A file of `rules/authoring/` holds such segments; `python -m infra.author` emits them as JSON.
"""

from .documents import AuthoringError, emit, load, normalize, pretty, segment
from .words import (
    attribute,
    behavior,
    column,
    count,
    count_distinct,
    during,
    followed_by,
    in_segment,
    total,
    where,
    within,
)

__all__ = [
    "AuthoringError",
    "attribute",
    "behavior",
    "column",
    "count",
    "count_distinct",
    "during",
    "emit",
    "followed_by",
    "in_segment",
    "load",
    "normalize",
    "pretty",
    "segment",
    "total",
    "where",
    "within",
]
