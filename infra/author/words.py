"""The words that a rule begins with.

    attribute.age >= 18
    behavior.purchases.within("30d").count() >= 3
    behavior.purchases.where(lambda e: e.department == "GROCERY").sum("sales_value") > 100
    ~segment("staff") & (bucket("spring-test") < 10)

`&`, `|`, `~` join conditions; `and`, `or`, `not` and chained comparisons cannot (Python does not let them)
and say so. Whether names exist and types fit is checked when the documents are emitted.
"""

from collections.abc import Mapping
from typing import Any

from jsonlogic import Variable

from .constants import AuthoringError
from .events import Behavior
from .expressions import Condition, Path, Value
from .names import Names

attribute: Names[Path] = Names(lambda name: Path(f"attributes.{name}"))
"""Columns of the profile: `attribute.age`."""

behavior: Names[Behavior] = Names(Behavior)
"""The profile's events: `behavior.purchases`."""


def segment(which: str | Mapping[str, Any]) -> Condition:
    """Membership of another segment, by its id or as it was defined; `~segment("staff")` for not in it."""
    identifier = which.get("id") if isinstance(which, Mapping) else which
    if not isinstance(identifier, str):
        raise AuthoringError(f"a segment is named by its id, a text, not by {identifier!r}")
    return Condition("in", identifier, Variable("segments"))


def bucket(seed: str) -> Value:
    """The profile's share under a seed, from 0 up to, not including, 100: `bucket("spring-test") < 10`."""
    return Value("bucket", seed)
