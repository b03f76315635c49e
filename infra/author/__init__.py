"""Writing segments in Python with `jsonlogic-py`: the words that the package lacks, and the documents it makes.

    from infra.author import attribute, behavior, define, segment

    LOYAL = define(
        "loyal-adults",
        "Loyal adults",
        audience="shop",
        kind="batch",
        description="adults who bought three times in 30 days, staff left out",
        rule=(attribute.age >= 18)
        & (behavior.purchases.within("30d").count() >= 3)
        & ~segment("staff"),
    )

A file of `rules/authoring/` holds such segments; `python -m infra.author` checks them and emits them as JSON.

| module | what |
|---|---|
| `words` | what a rule begins with: `attribute`, `behavior`, `segment`, `bucket` |
| `expressions`, `events` | what is said of values and conditions, of a behavior's events |
| `constants` | Python values as JSON-Logic takes them |
| `documents`, `modules` | a segment's document; the files of a folder, read, checked and emitted |
"""

from .constants import AuthoringError
from .documents import define, normalize
from .expressions import all_of, any_of
from .modules import AuthoringErrors, emit, load
from .words import attribute, behavior, bucket, segment

__all__ = [
    "AuthoringError",
    "AuthoringErrors",
    "all_of",
    "any_of",
    "attribute",
    "behavior",
    "bucket",
    "define",
    "emit",
    "load",
    "normalize",
    "segment",
]
