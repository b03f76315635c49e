"""What of a profile's batch part fits into its item of the store, which holds 400 kB at most.

One profile whose raw rows are out of all proportion must not hold up the publication of the others.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .packed import dump_json

MOST_BATCH_ID_BYTES = 200_000
"""Of the ids of an audience's batch and list segments, one more for each: a profile may be in all. Refused beyond when published."""
MOST_ATTRIBUTE_BYTES = 100_000
"""Of a profile's published attributes; beyond that the largest are left out, and rules find no value there."""
MOST_IDENTITY_BYTES = 32_000
"""Of the identities that stand in the part; those beyond lead to the profile by their own items all the same."""
LONGEST_KEY = 200
"""Characters of an identity's value: neither events nor readers may name a longer one."""


def fitting_attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that fit, the smallest first."""
    if len(dump_json(values)) <= MOST_ATTRIBUTE_BYTES:
        return dict(values)
    left, kept = MOST_ATTRIBUTE_BYTES, set()
    for size, name in sorted((len(dump_json(value)) + len(name) + 6, name) for name, value in values.items()):
        left -= size
        if left >= 0:
            kept.add(name)
    return {name: value for name, value in values.items() if name in kept}


def fitting_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of identities that fit, in their order."""
    left, kept = MOST_IDENTITY_BYTES, []
    for name in names:
        left -= len(name.encode("utf-8", "surrogatepass")) + 3
        if left < 0:
            break
        kept.append(name)
    return tuple(kept)


def is_reachable(name: str) -> bool:
    """Whether a name (`<column>:<value>`) is short enough for anybody to ask for it, and for the store to have it."""
    return len(name.partition(":")[2]) <= LONGEST_KEY
