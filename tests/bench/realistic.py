"""Realistic segments and profiles for the benches: the same rules for us and for each peer.

A rule is a small tree of atoms over about twenty attributes and two hundred figures of behaviors (counts and
sums in windows). Peers have no behaviors, so they get each figure as a prepared attribute, and the segments
that a rule refers to as a prepared list. Rules that hold for fewer than 1% or more than 30% of a sample of
profiles are thrown away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any

from segmentation.language import Schema, Type
from segmentation.language.evaluate import Row

NOW = 1_764_000_000
DAY = 86_400
WINDOWS = ("1d", "7d", "30d", "90d")
DEPARTMENTS = tuple(f"department-{number}" for number in range(12))
SECTIONS = tuple(f"section-{number}" for number in range(20))
WORDS = (
    "sale",
    "shoes",
    "garden",
    "kids",
    "audio",
    "travel",
    "books",
    "fresh",
    "sport",
    "beauty",
    "office",
    "wine",
)


def some_of(prefix: str, count: int) -> tuple[str, ...]:
    """So many values."""
    return tuple(f"{prefix}-{number}" for number in range(count))


CHOICES: dict[str, tuple[str, ...]] = {
    "country": some_of("country", 30),
    "language": some_of("language", 12),
    "device": ("phone", "tablet", "desktop", "television"),
    "system": some_of("system", 8),
    "browser": some_of("browser", 6),
    "channel": some_of("channel", 10),
    "plan": ("free", "basic", "plus", "team", "enterprise"),
    "city": some_of("city", 200),
    "brand": some_of("brand", 60),
    "store": some_of("store", 80),
}
NUMBERS = {
    "age": (18, 80),
    "income": (10, 200),
    "score": (0, 100),
    "visits": (0, 60),
    "basket": (1, 300),
    "tenure": (0, 3_000),
}
TEXTS = ("page", "campaign")
FLAGS = ("newsletter", "vip")
TAGS = some_of("tag", 30)
LISTS = ("staff", "testers", "opted-out")


@dataclass(frozen=True)
class Figure:
    """A count of, or a sum over, the events of a behavior in a window, of one group or of all."""

    behavior: str
    group: str | None
    window: str
    column: str | None = None

    @property
    def name(self) -> str:
        """The prepared attribute's name."""
        group = (self.group or "all").replace("-", "_")
        return f"{'sum' if self.column else 'count'}_{self.behavior}_{group}_{self.window}"

    def of(self, rows: Sequence[Row], now: int) -> float:
        """Its value, the plain way."""
        seconds = int(self.window[:-1]) * DAY
        found = [
            r for r in rows if now - seconds < r.time <= now and self.group in (None, r.columns["group"])
        ]
        if self.column is None:
            return float(len(found))
        return round(sum((float(str(row.columns[self.column])) for row in found), 0.0), 6)

    def expression(self) -> Any:
        """It in our language."""
        events: Any = {"var": f"behaviors.{self.behavior}"}
        if self.group is not None:
            events = {"filter": [events, {"==": [{"var": "group"}, self.group]}]}
        events = {"within": [events, self.window]}
        return {"sum": [events, self.column]} if self.column else {"count": [events]}


FIGURES = (
    *(Figure("views", group, window) for group in (None, *SECTIONS) for window in WINDOWS),
    *(Figure("purchases", group, window) for group in (None, *DEPARTMENTS) for window in WINDOWS),
    *(Figure("purchases", group, window, "value") for group in (None, *DEPARTMENTS) for window in WINDOWS),
)
_TYPES: dict[str, Type] = {
    **dict.fromkeys(CHOICES, Type.STRING),
    **dict.fromkeys(TEXTS, Type.STRING),
    **dict.fromkeys(NUMBERS, Type.NUMBER),
    **dict.fromkeys(FLAGS, Type.BOOLEAN),
    "tags": Type.STRINGS,
}
SCHEMA = Schema(
    _TYPES,
    {
        "views": {"group": Type.STRING, "seconds": Type.NUMBER},
        "purchases": {"group": Type.STRING, "value": Type.NUMBER},
    },
)
PREPARED = Schema({**_TYPES, **{figure.name: Type.NUMBER for figure in FIGURES}})


@dataclass(frozen=True)
class Atom:
    """A test of one subject: an attribute's name, a figure, or `segments`."""

    op: str
    subject: str | Figure
    value: Any
    other: Any = None

    @property
    def name(self) -> str:
        """The subject as prepared data name it."""
        return self.subject if isinstance(self.subject, str) else self.subject.name

    def holds(self, data: dict[str, Any]) -> bool:
        """Its truth over prepared data, the plain way."""
        value = data.get(self.name)
        if value is None:
            return False
        match self.op:
            case "is":
                return bool(value == self.value)
            case "in":
                return value in self.value
            case "between":
                return bool(self.value <= value < self.other)
            case "least":
                return bool(value >= self.value)
            case "less":
                return bool(value < self.value)
            case "contains" | "has":
                return self.value in value
        return bool(value.startswith(self.value))


@dataclass(frozen=True)
class Group:
    """`and` or `or` of trees, or `not` of one."""

    op: str
    parts: tuple["Tree", ...]

    def holds(self, data: dict[str, Any]) -> bool:
        """Its truth over prepared data, the plain way."""
        truths = (part.holds(data) for part in self.parts)
        if self.op == "not":
            return not next(truths)
        return all(truths) if self.op == "and" else any(truths)


Tree = Atom | Group


def atoms(tree: Tree) -> Iterator[Atom]:
    """All atoms of a tree."""
    if isinstance(tree, Atom):
        yield tree
    else:
        for part in tree.parts:
            yield from atoms(part)


@dataclass(frozen=True)
class Profile:
    """A made-up person."""

    attributes: dict[str, Any]
    rows: dict[str, list[Row]]
    lists: frozenset[str]

    def prepared(self, now: int) -> dict[str, Any]:
        """What peers get: attributes and figures; the segments come later."""
        figures = {figure.name: figure.of(self.rows[figure.behavior], now) for figure in FIGURES}
        return {**self.attributes, **figures}


def skewed(random: Random, values: Sequence[str]) -> str:
    """One of the values, the first ones most often."""
    weights = list(accumulate(1 / (rank + 1) for rank in range(len(values))))
    return random.choices(values, cum_weights=weights)[0]


def make_profile(random: Random) -> Profile:
    """A profile with about nine of ten attributes, and events of three months."""
    attributes: dict[str, Any] = {name: skewed(random, values) for name, values in CHOICES.items()}
    for name, (low, high) in NUMBERS.items():
        attributes[name] = float(random.randint(low, high))
    attributes["page"] = (
        f"/{random.choice(WORDS)}/{random.choice(WORDS)}-{random.choice(WORDS)}/{random.randrange(500)}"
    )
    attributes["campaign"] = f"{random.choice(WORDS)}_{random.choice(WORDS)}_{random.randrange(90)}"
    attributes["newsletter"], attributes["vip"] = random.random() < 0.5, random.random() < 0.1
    attributes["tags"] = tuple(sorted({skewed(random, TAGS) for _ in range(random.randint(0, 6))}))
    kept = {name: value for name, value in attributes.items() if random.random() < 0.9}
    rows: dict[str, list[Row]] = {"views": [], "purchases": []}
    for behavior, most in (("views", 40), ("purchases", 12)):
        times = sorted(NOW - random.randrange(90 * DAY) for _ in range(random.randint(0, most)))
        rows[behavior] = [make_row(random, behavior, time) for time in times]
    return Profile(kept, rows, frozenset(name for name in LISTS if random.random() < 0.15))


def make_row(random: Random, behavior: str, time: int) -> Row:
    """An event."""
    group = skewed(random, SECTIONS if behavior == "views" else DEPARTMENTS)
    number = float(random.randrange(1, 300)) if behavior == "views" else random.randrange(100, 20_000) / 100
    identity = f"{behavior}-{time}-{random.randrange(1 << 40)}"
    return Row(time, identity, {"group": group, "seconds" if behavior == "views" else "value": number})


def make_atom(random: Random, referable: Sequence[str]) -> Atom:
    """An atom; the mixture is that of the module's text."""
    kind = random.choices(
        ("choice", "list", "number", "text", "figure", "flag", "tag", "segment"), (18, 16, 18, 9, 25, 3, 6, 5)
    )[0]
    match kind:
        case "choice":
            name = random.choice(list(CHOICES))
            return Atom("is", name, skewed(random, CHOICES[name]))
        case "list":
            name = random.choice(list(CHOICES))
            most = min(20, len(CHOICES[name]) - 1)
            return Atom(
                "in", name, tuple(sorted(random.sample(CHOICES[name], random.randint(min(2, most), most))))
            )
        case "number":
            name = random.choice(list(NUMBERS))
            low, high = NUMBERS[name]
            bounds = sorted(random.sample(range(low + 1, high + 1), 2))
            op = random.choice(("between", "least", "less"))
            return Atom(op, name, float(bounds[0]), float(bounds[1]) if op == "between" else None)
        case "text":
            name = random.choice(TEXTS)
            if random.random() < 0.5:
                return Atom("starts", name, ("/" if name == "page" else "") + random.choice(WORDS))
            return Atom(
                "contains", name, random.choice((*WORDS, *(f"{a}-{b}" for a in WORDS for b in WORDS)))
            )
        case "figure":
            figure = random.choice(FIGURES)
            if random.random() < 0.4:
                figure = Figure(figure.behavior, None, figure.window, figure.column)
            amount = float(random.randint(1, 12) if figure.column is None else random.randint(5, 400))
            return Atom(random.choice(("least", "least", "less")), figure, amount)
        case "flag":
            return Atom("is", random.choice(FLAGS), random.random() < 0.5)
        case "tag":
            return Atom("has", "tags", skewed(random, TAGS))
    return Atom("has", "segments", random.choice((*LISTS, *referable)))


def make_tree(random: Random, referable: Sequence[str]) -> Tree:
    """A rule of one to six atoms."""

    def part() -> Tree:
        atom = make_atom(random, referable)
        return Group("not", (atom,)) if random.random() < 0.12 else atom

    shape = random.random()
    if shape < 0.65:
        return Group("and", tuple(part() for _ in range(random.randint(2, 5))))
    if shape < 0.88:
        either = Group("or", tuple(part() for _ in range(random.randint(2, 3))))
        return Group("and", (either, *(part() for _ in range(random.randint(1, 3)))))
    return Group("or", tuple(Group("and", (part(), part(), part())) for _ in range(2)))


def make_rules(count: int) -> list[tuple[str, Tree]]:
    """So many rules; the first of them are what others refer to, and refer to nothing but lists."""
    random = Random(1)
    sample = [make_profile(random) for _ in range(300)]
    data = [{**profile.prepared(NOW), "segments": set(profile.lists)} for profile in sample]
    everyone = (1 << len(sample)) - 1
    known: dict[Atom, int] = {}

    def truth(tree: Tree) -> int:
        if isinstance(tree, Atom):
            if tree not in known:
                known[tree] = sum(tree.holds(one) << bit for bit, one in enumerate(data))
            return known[tree]
        bits = [truth(part) for part in tree.parts]
        if tree.op == "not":
            return everyone ^ bits[0]
        result = bits[0]
        for other in bits[1:]:
            result = result & other if tree.op == "and" else result | other
        return result

    rules: list[tuple[str, Tree]] = []
    referable: list[str] = []
    while len(rules) < count:
        tree = make_tree(random, referable if len(rules) >= 40 else ())
        bits = truth(tree)
        if not 0.01 * len(sample) <= bits.bit_count() <= 0.30 * len(sample):
            continue
        name = f"segment-{len(rules):05}"
        rules.append((name, tree))
        if len(rules) <= 40:
            referable.append(name)
            for bit, one in enumerate(data):
                if bits >> bit & 1:
                    one["segments"].add(name)
    return rules
