"""Random audiences, well-typed rules over the whole grammar, and profiles that sit on every border."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st
from segmentation.language import RuleError, RuleSet, Schema, Type, load_rule_set
from segmentation.language.times import PHRASES, parse_duration

from .random_values import (
    DURATIONS,
    LONG,
    NIGHTS,
    PATTERNS,
    SCALARS,
    STRINGS,
    ZONES,
    Values,
)
from .suite import AUDIENCE, Profile

LISTS = ("list-a", "list-b")


@dataclass(frozen=True)
class World:
    """An audience, its segments and profiles, and a moment."""

    schema: Schema
    now: int
    lead: int
    large: bool
    ids: bool
    documents: tuple[dict[str, Any], ...]
    profiles: tuple[Profile, ...]

    def __repr__(self) -> str:
        rules = "\n".join(f"  {d['id']} ({d['kind']}): {d.get('rule')}" for d in self.documents)
        people = "\n".join(f"  {p}" for p in self.profiles)
        return f"now={self.now} lead={self.lead} {self.schema}\n{rules}\n{people}"


@dataclass
class Scope:
    """What can be read at a place: `columns` by a path prefix; or the element of an array."""

    columns: Mapping[str, Type]
    prefix: str = ""
    profile: bool = False
    element: Type | None = None


@dataclass
class Maker(Values):
    """Draws rules and profiles for one audience."""

    segments: list[str] = field(default_factory=lambda: list(LISTS))

    def read(self, scope: Scope, type_: Type) -> Any | None:
        """A path of a type, if there is one."""
        if scope.element is not None:
            return {"var": ""} if scope.element is type_ else None
        names = [name for name, t in scope.columns.items() if t is type_]
        return {"var": scope.prefix + self.pick(names)} if names else None

    def value(self, scope: Scope, type_: Type, depth: int) -> Any:
        """An expression of a type that is no literal; `None` where there is none."""
        choices: list[Callable[[], Any]] = [lambda: self.read(scope, type_)] * (2 if depth < 2 else 1)
        if depth > 0 and type_ is Type.STRING:
            choices.append(lambda: self.cased(scope, depth))
        if depth > 0 and type_ is Type.NUMBER:
            choices += [lambda: self.arithmetic(scope, depth)] * 2
            if scope.profile:
                choices.append(lambda: {"bucket": [self.pick(("a", "b:c", "é"))]})
                choices.append(lambda: self.length(scope, depth))
        if scope.profile and self.schema.behaviors:
            choices += [lambda: self.aggregate(type_, depth)] * 2
        for choice in self.shuffled(choices):
            found = choice()
            if found is not None:
                return found
        return None

    def cased(self, scope: Scope, depth: int) -> Any:
        inner = self.value(scope, Type.STRING, depth - 1)
        return None if inner is None else {self.pick(("lower", "upper")): [inner]}

    def operand(self, scope: Scope, depth: int) -> Any:
        inner = self.value(scope, Type.NUMBER, depth) if self.chance(2) else None
        return self.literal(Type.NUMBER) if inner is None else inner

    def arithmetic(self, scope: Scope, depth: int) -> Any:
        operator = self.pick(("+", "-", "*", "/", "%", "-1"))
        first = self.value(scope, Type.NUMBER, depth - 1)
        if first is None:
            return None
        if operator == "-1":
            return {"-": [first]}
        more = [
            self.operand(scope, depth - 1) for _ in range(2 if operator in "+*" and self.chance(3) else 1)
        ]
        return {operator: self.shuffled([first, *more])}

    def length(self, scope: Scope, depth: int) -> Any:
        array, element = self.array(scope)
        if array is None:
            return None
        if self.chance(2):
            return {"count": [array]}
        return {"count": [{"filter": [array, self.condition(Scope({}, element=element), depth - 1)]}]}

    def array(self, scope: Scope) -> tuple[Any, Type | None]:
        type_ = self.pick((Type.STRINGS, Type.NUMBERS))
        path = self.read(scope, type_)
        return path, Type.STRING if type_ is Type.STRINGS else Type.NUMBER

    # Events

    def columns(self, behavior: str) -> dict[str, Type]:
        return {**self.schema.behaviors[behavior], "time": Type.TIMESTAMP}

    def events(self, behavior: str, depth: int, sequences: bool = True) -> Any:
        events: Any = {"var": f"behaviors.{behavior}"}
        for _ in range(self.random.randint(0, 2)):
            match self.random.randint(0, 5):
                case 0 | 1 if depth > 0:
                    events = {"filter": [events, self.condition(Scope(self.columns(behavior)), depth - 1)]}
                case 2 | 3:
                    events = self.window(events)
                case 4:
                    events = {
                        "during": [events, self.pick([p for p in PHRASES if p[:4] not in ("next", "tomo")])]
                    }
                case 5 if sequences and depth > 0:
                    other = self.pick(sorted(self.schema.behaviors))
                    operator = self.pick(("followed_by", "not_followed_by"))
                    later = self.events(other, depth - 1, sequences=False)
                    sequence = {operator: [events, later, self.pick(DURATIONS)]}
                    events = {"within": [sequence, self.pick(DURATIONS)]}
        return events

    def window(self, item: Any) -> Any:
        match self.random.randint(0, 3):
            case 0 | 1:
                return {"within": [item, LONG if self.chance(8) else self.pick(DURATIONS)]}
            case 2:
                return {"older_than": [item, self.pick(DURATIONS)]}
            case _:
                ordered = sorted(
                    self.random.sample(DURATIONS, 2),
                    key=lambda d: parse_duration(d) or 0,
                )
                return {"within": [item, ordered[1], ordered[0]]}

    def aggregate(self, type_: Type, depth: int) -> Any:
        behavior = self.pick(sorted(self.schema.behaviors))
        events = self.events(behavior, depth)
        columns = self.columns(behavior)
        if type_ is Type.NUMBER and self.chance(2):
            return {"count": [events]}
        functions = ["first", "last"]
        if type_ is Type.NUMBER:
            functions += ["sum", "sum", "avg", "avg", "min", "max", "count_distinct", "count_distinct"]
        elif type_ in (Type.TIMESTAMP, Type.DATE):
            functions += ["min", "max"]
        function = self.pick(functions)
        wanted = SCALARS if function == "count_distinct" else (type_,)
        names = sorted(name for name, t in columns.items() if t in wanted)
        return {function: [events, self.pick(names)]} if names else None

    # Conditions

    def condition(self, scope: Scope, depth: int) -> Any:
        choices: list[Callable[[], Any]] = [
            lambda: self.compared(scope, depth),
            lambda: self.compared(scope, depth),
            lambda: self.listed(scope, depth),
            lambda: self.missing(scope, depth),
            lambda: self.text(scope, depth),
            lambda: self.timed(scope, depth),
            lambda: self.value(scope, Type.BOOLEAN, depth),
            lambda: self.elements(scope, depth),
        ]
        if scope.profile:
            choices.append(lambda: {"in": [self.pick(self.segments), {"var": "segments"}]})
            choices.append(lambda: self.over_events(depth))
        if depth > 0:
            choices = [*choices[:4], *choices, *([lambda: self.group(scope, depth)] * 9)]
        for choice in self.shuffled(choices)[:6]:
            found = choice()
            if found is not None:
                return found
        return {"<": [0, 1]}

    def group(self, scope: Scope, depth: int) -> Any:
        operator = self.pick(("and", "or", "!", "!!", "not", "and", "or", "!"))
        if operator in ("and", "or"):
            parts = [self.condition(scope, depth - 1) for _ in range(self.random.randint(1, 3))]
            return {operator: parts}
        inner = self.condition(scope, depth - 1)
        return {operator: [inner] if self.chance(2) or isinstance(inner, list) else inner}

    def compared(self, scope: Scope, depth: int) -> Any:
        type_ = scope.element or self.pick((*SCALARS, Type.NUMBER, Type.NUMBER))
        left = self.value(scope, type_, depth)
        if left is None:
            return None
        other = self.value(scope, type_, depth - 1) if self.chance(3) else None
        right = self.literal(type_) if other is None else other
        equal = ("==", "!=", "===", "!==")
        operator = self.pick(equal if type_ is Type.BOOLEAN else (*equal, "<", "<=", ">", ">="))
        if operator in ("<", "<=") and self.chance(4):
            third = self.literal(type_)
            return {operator: self.shuffled([left, right, third])}
        return {operator: [right, left] if self.chance(3) else [left, right]}

    def listed(self, scope: Scope, depth: int) -> Any:
        type_ = scope.element or self.pick(SCALARS)
        item = self.value(scope, type_, depth)
        values = [self.literal(type_) for _ in range(self.random.randint(1, 4))]
        return None if item is None else {"in": [item, values]}

    def missing(self, scope: Scope, depth: int) -> Any:
        type_ = scope.element or self.pick((*SCALARS, Type.STRINGS, Type.NUMBERS))
        item = self.value(scope, type_, depth) if type_ in SCALARS else self.read(scope, type_)
        if item is None:
            return None
        return {self.pick(("==", "!=", "===", "!==")): [item, None] if self.chance(2) else [None, item]}

    def text(self, scope: Scope, depth: int) -> Any:
        whole = self.value(scope, Type.STRING, depth)
        if whole is None:
            return None
        other = self.value(scope, Type.STRING, depth - 1) if self.chance(3) else None
        part = self.pick(STRINGS) if other is None else other
        match self.random.randint(0, 3):
            case 0:
                return {"in": [part, whole]}
            case 1:
                return {"matches": [whole, self.pick(PATTERNS)]}
            case 2:
                return {"starts_with": [whole, part]}
            case _:
                return {"ends_with": [whole, part]}

    def timed(self, scope: Scope, depth: int) -> Any:
        item = self.value(scope, self.pick((Type.TIMESTAMP, Type.DATE)), depth)
        if item is None:
            return None
        match self.random.randint(0, 3):
            case 0:
                return {"during": [item, self.pick(PHRASES)]}
            case 1:
                return {"within_next": [item, self.pick(DURATIONS)]}
            case _:
                return self.window(item)

    def elements(self, scope: Scope, depth: int) -> Any:
        if scope.element is not None:
            return None
        array, element = self.array(scope)
        if array is None or element is None:
            return None
        if self.chance(3):
            return {"in": [self.literal(element), array]}
        inner = self.condition(Scope({}, element=element), min(depth, 1))
        return {self.pick(("some", "all", "none")): [array, inner]}

    def over_events(self, depth: int) -> Any:
        behavior = self.pick(sorted(self.schema.behaviors))
        condition = self.condition(Scope(self.columns(behavior)), min(depth, 1))
        return {self.pick(("some", "all", "none")): [self.events(behavior, depth), condition]}

    def limit(self) -> Any:
        size = self.pick(
            ({"count": self.random.randint(1, 4)}, {"percent": self.pick((50, 33.33, 0.01, 99.99, 100))})
        )
        everything = Scope(self.schema.attributes, "attributes.", profile=True)
        type_ = self.pick((Type.STRING, Type.NUMBER, Type.NUMBER, Type.TIMESTAMP, Type.DATE))
        by = self.value(everything, type_, 2) or {"bucket": ["a"]}
        return {**size, "by": by, **self.pick(({}, {"order": "ascending"}, {"order": "descending"}))}

    def rule(self, depth: int) -> Any:
        prefixed = Scope(self.schema.attributes, "attributes.", profile=True)
        return self.condition(prefixed, depth)


@st.composite
def worlds(
    draw: Callable[[st.SearchStrategy[int]], int], rules: int = 14, people: int = 7, limits: bool = False
) -> World:
    """An audience with rules and people, from a number; what fails names the rule and the person."""
    return world(Random(draw(st.integers(0, 2**64 - 1))), rules, people, limits)


def world(random: Random, rules: int, people: int, limits: bool = False) -> World:
    """What is drawn is small, but everything meets everything."""

    def columns() -> dict[str, Type]:
        names = random.sample("abcde", random.choice((0, 2, 3, 4, 5)))
        return {name: random.choice((*Type, Type.NUMBER, Type.NUMBER)) for name in names}

    attributes = {f"{t.value}_{i}": t for t in Type for i in range(random.randint(1, 2))}
    behaviors = {name: columns() for name in ("views", "orders")[: random.randint(1, 2)]}
    schema = Schema(attributes, behaviors, random.choice(ZONES))
    now = int(dt.datetime.fromisoformat(random.choice(NIGHTS)).timestamp()) + random.choice((0, 0, 1, -1))
    large = random.randint(0, 3) == 3
    ids = random.randint(0, 4) > 0
    maker = Maker(random, schema, now, large)
    documents: list[dict[str, Any]] = [
        {"id": name, "name": name, "audience": AUDIENCE, "kind": "list"} for name in LISTS
    ]
    for number in range(rules):
        name = f"r{number}"
        kind = random.choice(("batch", "realtime"))
        rule = maker.rule(random.choice((0, 1, 2, 3, 3, 4)))
        document = {"id": name, "name": name, "audience": AUDIENCE, "kind": kind, "rule": rule}
        if limits and kind == "batch" and maker.chance(4):
            document["limit"] = maker.limit()
        documents.append(document)
        maker.segments.append(name)
    profiles = [_profile(maker, f"p{i}", ids) for i in range(people)]
    lead = random.choice((0, 0, 1, 3_600, 86_400, 40 * 86_400))
    return World(schema, now, lead, large, ids, tuple(documents), tuple(profiles))


def _profile(maker: Maker, key: str, ids: bool) -> Profile:
    attributes = {n: maker.raw(t) for n, t in maker.schema.attributes.items() if not maker.chance(4)}
    behaviors = {}
    for behavior, columns in maker.schema.behaviors.items():
        events = []
        for _ in range(maker.random.randint(0, 5)):
            event = {name: maker.raw(type_) for name, type_ in columns.items() if not maker.chance(4)}
            if ids:
                event["id"] = maker.pick(("1", "2", "3", "10", "a", "B"))
            if not maker.chance(12):
                event["time"] = maker.moment()
            events.append(event)
        behaviors[behavior] = events
    return Profile(key, attributes, behaviors, tuple(name for name in LISTS if maker.chance(2)))


def loaded(world: World) -> RuleSet:
    """The rule set of a world; what real time refuses for its windows becomes a batch segment."""
    documents = [dict(document) for document in world.documents]
    try:
        return load_rule_set(documents, world.schema, AUDIENCE)
    except RuleError as error:
        problems = error.problems
    for problem in problems:
        assert problem.code == "window-too-long", problem
        documents[int(problem.pointer.split("/")[1])]["kind"] = "batch"
    return load_rule_set(documents, world.schema, AUDIENCE)
