"""The `limit` of a batch segment: only the first so many of its members, or so many percent, are in it.

    {"limit": {"count": 500, "by": {"sum": [{"var": "behaviors.purchases"}, "price"]}, "order": "descending"}}

Members are ordered by a scalar expression, missing values last, ties by profile key (ascending); a
percentage of the members is rounded down. Other segments see the limited set.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .caps import within_caps
from .check import PROFILE, Checker
from .problems import did_you_mean, step
from .tree import Node
from .types import Type
from .values import Value

FIELDS = ("count", "percent", "by", "order")
ORDERS = ("descending", "ascending")
MOST = 10**12
"""The largest count: more than anybody has, and a whole number in every engine."""
WHOLE = 10_000
"""A hundred percent, in hundredths of a percent."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` members, or `share` hundredths of a percent of them; the other is `None`."""

    count: int | None
    share: int | None
    by: Node
    descending: bool

    def keep(self, members: Iterable[tuple[str, Value]]) -> set[str]:
        """The keys that stay, of `(profile key, value of by)`."""
        present: list[tuple[Any, str]] = []
        missing: list[str] = []
        for key, value in members:
            if value is None:
                missing.append(key)
            else:
                present.append((value, key))
        present.sort(key=lambda pair: pair[1])
        present.sort(key=lambda pair: pair[0], reverse=self.descending)
        ordered = [key for _, key in present] + sorted(missing)
        room = self.count if self.count is not None else len(ordered) * (self.share or 0) // WHOLE
        return set(ordered[:room])


def read_limit(checker: Checker, item: Any) -> Limit | None:
    """The limit of a document, or `None` with the checker's problems."""
    pointer = "/limit"
    if not isinstance(item, dict):
        message = 'a limit is an object, e.g. {"count": 500, "by": {"var": "attributes.NAME"}}'
        return checker.report(pointer, "bad-limit", message)
    for name in item:
        if name not in FIELDS:
            hint = did_you_mean(str(name), FIELDS)
            checker.report(step(pointer, name), "unknown-field", f"unknown field {name!r}{hint}")
    count, share = _size(checker, item, pointer)
    order = item.get("order", "descending")
    if order not in ORDERS:
        message = f"{order!r} is no order{did_you_mean(str(order), ORDERS)}"
        checker.report(step(pointer, "order"), "bad-order", message)
    if "by" not in item:
        return checker.report(
            pointer, "missing-field", "a limit needs 'by', the value that orders the members"
        )
    if not isinstance(item["by"], dict):
        message = "'by' is an expression over the profile, no literal"
        return checker.report(step(pointer, "by"), "bad-limit", message)
    if not within_caps(item["by"], step(pointer, "by"), checker.problems):
        return None
    by = checker.value(item["by"], step(pointer, "by"), PROFILE)
    if by is not None and (not isinstance(by.type, Type) or not by.type.is_ordered):
        checker.report(step(pointer, "by"), "not-ordered", f"a {checker.noun(by)} has no order")
    return None if checker.problems or by is None else Limit(count, share, by, order == "descending")


def _size(checker: Checker, item: dict[str, Any], pointer: str) -> tuple[int | None, int | None]:
    count, percent = item.get("count"), item.get("percent")
    if (count is None) == (percent is None):
        checker.report(pointer, "bad-limit", "a limit has either a 'count' or a 'percent'")
    elif count is not None and (
        isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST
    ):
        checker.report(
            step(pointer, "count"), "bad-limit", f"'count' is a whole number; write one from 1 to {MOST:,}"
        )
    elif percent is not None:
        number = isinstance(percent, int | float) and not isinstance(percent, bool)
        share = round(percent * 100) if number and 0 < percent <= 100 else 0
        if share and abs(share - percent * 100) < 1e-6:
            return None, share
        message = "'percent' is a number above 0, up to 100, with at most two decimals"
        checker.report(step(pointer, "percent"), "bad-limit", message)
    else:
        return count, None
    return None, None
