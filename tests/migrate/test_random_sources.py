"""Random sources after Treasure Data's schema, some of them spoiled: nothing crashes, every problem points at a
place of the source, and whatever is carried is a document of the language."""

import copy
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation.language import check_segment

from infra.migrate.treasure_data import Options, convert

from .sources import AUDIENCE, REFERENCES

FITTING: dict[str, tuple[dict[str, Any], ...]] = {
    "age": ({"type": "Greater", "rightValue": 18}, {"type": "Between", "minValue": 1, "maxValue": "9"}),
    "country": ({"type": "In", "rightValues": ["US", "DE"]}, {"type": "Contain", "rightValues": ["U"]}),
    "subscribed": ({"type": "Equal", "rightValue": True}, {"type": "IsNull", "rightValue": True}),
    "signed_up": ({"type": "TimeWithinPast", "value": "7", "unit": "day"}, {"type": "TimeToday"}),
    "birthday": ({"type": "TimeNext", "from": {"unit": "month"}},),
    "tags": ({"type": "StartWith", "rightValues": ["a"]}, {"type": "Regexp", "rightValue": "^a"}),
}
"""Attributes, and operators that they can have."""
ATTRIBUTES = ("age", "country", "email", "subscribed", "signed_up", "birthday", "tags", "scores", "unknown")
COLUMNS = ("category", "price", "delivered", "labels", "time", "timestamp", "unknown")
UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    [],
    {},
    [None],
    {"type": "And"},
    {"last": {}},
    "(((",
)


class Sources:
    """Draws rules."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def pick(self, items: Any) -> Any:
        return self.random.choice(items)

    def scalar(self) -> Any:
        return self.pick(
            (1, 18, 2.5, "18", "US", "", "a", True, "2026-01-31", "2026-01-31T09:00:00Z", "1700000000")
        )

    def ago(self, word: str = "last") -> dict[str, Any]:
        amount = self.pick((0, 1, 7, 1.5, {"day": 1, "hour": 2}, {}))
        return {word: amount, "unit": self.pick(UNITS)}

    def operator(self) -> dict[str, Any]:
        of_unit = {"unit": self.pick(UNITS)}
        moment = self.pick(({"timestamp": "2026-01-31T09:00:00Z"}, self.ago()))
        scalars = [self.scalar() for _ in range(self.random.randint(0, 3))]
        order = self.pick(("Greater", "GreaterEqual", "Less", "LessEqual"))
        one: dict[str, Any] = self.pick(
            (
                {"type": "Equal", "rightValue": self.scalar()},
                {"type": "IsNull", "rightValue": True},
                {"type": "In", "rightValues": scalars},
                {"type": order, "rightValue": self.scalar()},
                {"type": order, "rightValue": moment},
                {"type": "Between", "minValue": self.scalar(), "maxValue": self.scalar(), "rightValue": 0},
                {"type": "Between", "minValue": self.ago(), "maxValue": moment},
                {"type": self.pick(("Contain", "StartWith", "EndWith")), "rightValues": list(map(str, scalars))},
                {"type": "Regexp", "rightValue": self.pick(("^a", "(a+)+", "a|b", "["))},
                {"type": "TimeRange", "duration": {self.pick(UNITS): 3}, "from": self.ago(), "reverse": self.pick((True, False))},
                {"type": "TimeRange", "from": of_unit},
                {"type": "TimeToday"},
                {"type": self.pick(("TimeThis", "TimeNext")), "from": of_unit},
                {"type": self.pick(("TimeWithinNext", "TimeWithinPast")), "value": self.pick(("3", "x")), **of_unit},
                {"type": "TimeInBetweenNext", "from": self.ago("next"), "to": self.ago("next")},
            )
        )  # fmt: skip
        return {"not": self.pick((True, False)), **one}

    def matching(self) -> Any:
        return self.pick((None, None, "any", "all", {"atLeast": 2}, {"atMost": 1}, {"exactly": 0}))

    def filter(self, depth: int) -> dict[str, Any]:
        if depth and self.random.random() < 0.5:
            inner = [self.filter(depth - 1) for _ in range(self.random.randint(0, 3))]
            return {"type": self.pick(("And", "Or")), "conditions": inner}
        return {
            "type": "Column",
            "column": self.pick(COLUMNS),
            "operator": self.operator(),
            "arrayMatching": self.matching(),
        }

    def aggregation(self) -> dict[str, Any]:
        column = self.pick(COLUMNS)
        grouping = {"groupingColumns": self.pick(([], ["category"]))}
        figure = self.pick(
            (
                {"type": "Count", **grouping},
                {"type": "CountDistinct", "columns": self.pick(([column], [], ["category", "price"]))},
                {"type": self.pick(("Sum", "Min", "Max", "Average")), "column": column, **grouping},
                {"type": self.pick(("First", "Last")), "column": column, "orderColumn": self.pick(COLUMNS)},
            )
        )
        left: dict[str, Any] = {
            "aggregation": figure,
            "filter": self.pick(({}, self.filter(2))),
            "source": {"name": self.pick(("orders", "behavior_orders", "elsewhere"))},
        }
        if self.random.random() < 0.4:
            left["window"] = {"type": "TimeSliding", "duration": {self.pick(UNITS): self.pick((0, 1, 30))}}
        return left

    def condition(self) -> dict[str, Any]:
        kind = self.random.random()
        if kind < 0.5:
            name = self.pick(tuple(FITTING))
            operator = {"not": self.pick((True, False)), **self.pick(FITTING[name])}
            return {
                "type": "Value",
                "leftValue": {"name": name},
                "operator": operator,
                "arrayMatching": None,
                "exclude": False,
            }
        kind = self.random.random()
        if kind < 0.15:
            types = ("Reference", "Reference", "FunnelStageReference", "AbTestVariantReference")
            return {
                "type": self.pick(types),
                "id": self.pick(("1001", "7")),
                "exclude": self.pick((True, False)),
            }
        left = {"name": self.pick(ATTRIBUTES)} if kind < 0.6 else self.aggregation()
        return {
            "type": "Value",
            "leftValue": left,
            "operator": self.operator(),
            "arrayMatching": self.matching(),
            "exclude": self.pick((True, False)),
        }

    def group(self, inner: Any) -> dict[str, Any]:
        conditions = [inner() for _ in range(self.pick((1, 1, 2, 2, 3, 0)))]
        kind = self.pick(("And", "Or", "And", "Or", "Composite"))
        group: dict[str, Any] = {"type": kind, "conditions": conditions}
        if kind == "Composite":
            group["expr"] = self.pick(
                ("A", "A AND B", "A OR (B AND NOT C)", "1 AND 2", "A AND", "Z", "(" * 2_000)
            )
        return group

    def rule(self) -> dict[str, Any]:
        rule = self.group(lambda: self.group(self.condition))
        if self.random.random() < 0.2:
            by = {"type": "Column", "column": self.pick(ATTRIBUTES), "order": "ascending"}
            rule["limit"] = {"type": self.pick(("Count", "Percent")), "number": 10, "orderColumns": [by]}
        return rule


def exists(document: Any, pointer: str) -> bool:
    """Whether a place is in a document, or would be, were it not for something left out or of another kind."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and name.isdigit():
            if int(name) >= len(document):
                return False
            document = document[int(name)]
        elif isinstance(document, dict) and name in document:
            document = document[name]
        else:
            return True
    return True


def check(source: dict[str, Any]) -> bool:
    before = copy.deepcopy(source)
    found = convert(source, AUDIENCE, Options(references=REFERENCES))
    assert source == before, "the source is not changed"
    assert (found.document is None) is bool(found.problems)
    for one in (*found.problems, *found.notes):
        assert exists(source, one.pointer), f"{one} points nowhere"
    if found.document is None:
        return False
    check_segment(found.document, AUDIENCE.schema(), AUDIENCE.id, dict.fromkeys(REFERENCES.values(), "batch"))
    return True


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**64 - 1))
def test_random_rules(seed: int) -> None:
    check(Sources(Random(seed)).rule())


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**64 - 1))
def test_spoiled_rules(seed: int) -> None:
    """One place of a rule holds something else, or nothing."""
    random = Random(seed)
    rule = Sources(random).rule()
    places: list[tuple[Any, Any]] = [(rule, name) for name in rule]
    for container, key in places:
        item = container[key]
        if isinstance(item, dict | list):
            places.extend((item, inner) for inner in (item if isinstance(item, dict) else range(len(item))))
    container, key = random.choice(places)
    if isinstance(container, dict) and random.random() < 0.3:
        del container[key]
    else:
        container[key] = random.choice(JUNK)
    check(rule)


def test_enough_of_them_are_carried() -> None:
    """The generator does not only make what is refused."""
    assert sum(check(Sources(Random(seed)).rule()) for seed in range(400)) >= 20
