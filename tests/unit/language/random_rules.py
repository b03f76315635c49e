"""Random rule sets over the whole grammar, and random profiles, for tests of the index."""

from random import Random
from typing import Any

from segmentation.language import Schema, Type
from segmentation.language.evaluate import Row

NOW = 1_700_000_000
DAY = 86_400
SCHEMA = Schema(
    attributes={
        "country": Type.STRING,
        "city": Type.STRING,
        "age": Type.NUMBER,
        "score": Type.NUMBER,
        "vip": Type.BOOLEAN,
        "signup": Type.TIMESTAMP,
        "birthday": Type.DATE,
        "tags": Type.STRINGS,
        "sizes": Type.NUMBERS,
    },
    behaviors={
        "views": {"page": Type.STRING, "seconds": Type.NUMBER},
        "purchases": {"item": Type.STRING, "value": Type.NUMBER, "paid": Type.TIMESTAMP},
    },
    time_zone="Europe/Berlin",
)
WORDS = ("", "a", "b", "ab", "abc", "shop", "shoes", "green shoes", "Berlin", "berlin")
NUMBERS = (-1, 0, 0.5, 1, 2, 3, 18, 65)
DURATIONS = ("1s", "1h", "1d", "7d", "30d")
PHRASES = ("today", "yesterday", "this week", "last month", "this quarter")
COLUMNS = {
    "views": {"page": Type.STRING, "seconds": Type.NUMBER, "time": Type.TIMESTAMP},
    "purchases": {
        "item": Type.STRING,
        "value": Type.NUMBER,
        "paid": Type.TIMESTAMP,
        "time": Type.TIMESTAMP,
    },
}
OUTSIDE = ("list-a", "list-b")


class Rules:
    """A source of random segment documents."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.ids: list[str] = list(OUTSIDE)

    def documents(self, count: int) -> list[dict[str, Any]]:
        """Lists, then real-time segments that may refer to those before them."""
        made = [{"id": name, "name": name, "audience": "a", "kind": "list"} for name in OUTSIDE]
        for number in range(count):
            name = f"s{number}"
            rule = self.condition(self.random.choice((0, 1, 2, 3, 4)))
            made.append({"id": name, "name": name, "audience": "a", "kind": "realtime", "rule": rule})
            self.ids.append(name)
        return made

    def condition(self, depth: int) -> Any:
        """A condition on the profile."""
        random = self.random
        if depth == 0:
            return random.choice((self.text, self.number, self.moment, self.array, self.other))()
        kind = random.choice(("and", "or", "and", "or", "!"))
        if kind == "!":
            return {"!": [self.condition(depth - 1)]}
        return {kind: [self.condition(depth - 1) for _ in range(random.choice((1, 2, 2, 3, 5)))]}

    def text(self) -> Any:
        """A condition on text."""
        value: Any = {"var": f"attributes.{self.random.choice(('country', 'city'))}"}
        if self.random.random() < 0.15:
            value = {self.random.choice(("lower", "upper")): [value]}
        if self.random.random() < 0.1:
            behavior, column = self.random.choice((("views", "page"), ("purchases", "item")))
            value = {self.random.choice(("first", "last")): [self.events(behavior), column]}
        return self.text_test(value)

    def text_test(self, value: Any) -> Any:
        """A test of a text."""
        random = self.random
        word = random.choice(WORDS)
        match random.randrange(9):
            case 0 | 1:
                return {random.choice(("==", "!=")): [value, word]}
            case 2:
                return {"in": [value, random.sample(WORDS, random.randint(1, 4))]}
            case 3:
                return {"in": [word, value]}
            case 4:
                return {random.choice(("starts_with", "ends_with")): [value, word]}
            case 5:
                return {"matches": [value, random.choice(("^a", "sh[oe]", "b$", "[A-Z]"))]}
            case 6:
                return {random.choice(("<", "<=", ">", ">=")): [value, word]}
            case 7:
                return {random.choice(("==", "!=")): [value, None]}
        reads_profile = str(value.get("var")).startswith("attributes.")
        return {"==": [value, {"var": "attributes.city"} if reads_profile else word]}

    def number(self) -> Any:
        """A condition on a number."""
        random = self.random
        behavior = random.choice(("views", "purchases"))
        column = {"views": "seconds", "purchases": "value"}[behavior]
        values: list[Any] = [
            {"var": "attributes.age"},
            {"var": "attributes.score"},
            {"+": [{"var": "attributes.age"}, {"var": "attributes.score"}]},
            {"count": [{"var": "attributes.tags"}]},
            {"count": [{"filter": [{"var": "attributes.tags"}, self.text_test({"var": ""})]}]},
            {"count": [self.events(behavior)]},
            {"count": [self.events(behavior)]},
            {random.choice(("sum", "avg", "min", "max")): [self.events(behavior), column]},
            {"count_distinct": [self.events(behavior), column]},
            {"bucket": ["seed"]},
            {"/": [{"count": [self.events("purchases")]}, {"count": [self.events("views")]}]},
        ]
        return self.number_test(random.choice(values))

    def number_test(self, value: Any) -> Any:
        """A test of a number."""
        random = self.random
        number = random.choice(NUMBERS)
        match random.randrange(7):
            case 0:
                return {random.choice(("==", "!=")): [value, number]}
            case 1:
                return {"in": [value, random.sample(NUMBERS, 2)]}
            case 2:
                return {random.choice(("<", "<=")): [number, value, random.choice(NUMBERS)]}
            case 3:
                return {random.choice(("<", "<=", ">", ">=")): [number, value]}
            case 4:
                return {random.choice(("==", "!=")): [None, value]}
        return {random.choice(("<", "<=", ">", ">=")): [value, number]}

    def moment(self) -> Any:
        """A condition on a moment or a day."""
        random = self.random
        value: Any = {"var": f"attributes.{random.choice(('signup', 'signup', 'birthday'))}"}
        if random.random() < 0.3:
            value = {
                random.choice(("min", "max")): [self.events("purchases"), random.choice(("paid", "time"))]
            }
        match random.randrange(5):
            case 0:
                return {"within": [value, random.choice(DURATIONS)]}
            case 1:
                return {"within": [value, "30d", random.choice(DURATIONS[:-1])]}
            case 2:
                return {random.choice(("older_than", "within_next")): [value, random.choice(DURATIONS)]}
            case 3:
                return {"during": [value, random.choice(PHRASES)]}
        return {random.choice(("<", ">=")): [value, "2023-11-10"]}

    def array(self) -> Any:
        """A condition on an array."""
        random = self.random
        kind = random.choice(("some", "all", "none"))
        if random.random() < 0.3:
            return {"in": [random.choice(WORDS), {"var": "attributes.tags"}]}
        if random.random() < 0.6:
            tests = [self.text_test({"var": ""}) for _ in range(random.choice((1, 1, 2)))]
            return {kind: [{"var": "attributes.tags"}, {random.choice(("and", "or")): tests}]}
        return {kind: [{"var": "attributes.sizes"}, self.number_test({"var": ""})]}

    def other(self) -> Any:
        """A boolean, membership of a segment, or that there are events."""
        random = self.random
        if random.random() < 0.2:
            return {"var": "attributes.vip"}
        if random.random() < 0.2:
            return {"==": [{"var": "attributes.vip"}, random.choice((True, False))]}
        if random.random() < 0.3:
            behavior = random.choice(("views", "purchases"))
            return {
                random.choice(("some", "none", "all")): [self.events(behavior), self.event_test(behavior)]
            }
        return {"in": [random.choice(self.ids), {"var": "segments"}]}

    def events(self, behavior: str) -> Any:
        """An event expression."""
        random = self.random
        events: Any = {"var": f"behaviors.{behavior}"}
        if random.random() < 0.5:
            events = {"filter": [events, self.event_test(behavior)]}
        match random.randrange(7):
            case 0 | 1 | 2:
                return {"within": [events, random.choice(DURATIONS)]}
            case 3:
                return {"within": [events, "30d", random.choice(DURATIONS[:-1])]}
            case 4:
                return {"during": [events, random.choice(PHRASES)]}
            case 5:
                sequence = random.choice(("followed_by", "not_followed_by"))
                return {"within": [{sequence: [events, {"var": "behaviors.views"}, "1h"]}, "30d"]}
        return events

    def event_test(self, behavior: str) -> Any:
        """A condition on an event."""
        random = self.random
        column = random.choice(list(COLUMNS[behavior]))
        match COLUMNS[behavior][column]:
            case Type.STRING:
                return self.text_test({"var": column})
            case Type.NUMBER:
                return self.number_test({"var": column})
        return {"within": [{"var": column}, random.choice(DURATIONS)]}


class Profile:
    """A random profile that can change."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.attributes: dict[str, Any] = {name: self.value(name) for name in SCHEMA.attributes}
        self.events: dict[str, list[Row]] = {name: [] for name in SCHEMA.behaviors}
        self.segments = {name for name in OUTSIDE if random.random() < 0.5}
        self.count = 0
        for name in self.events:
            for _ in range(random.choice((0, 0, 1, 3, 8))):
                self.add_event(name, NOW)

    def value(self, name: str) -> Any:
        """A random value of an attribute, missing now and then."""
        random = self.random
        if random.random() < 0.25:
            return None
        match SCHEMA.attributes[name]:
            case Type.STRING:
                return random.choice(WORDS)
            case Type.NUMBER:
                return float(random.choice(NUMBERS))
            case Type.BOOLEAN:
                return random.random() < 0.5
            case Type.TIMESTAMP:
                return self.moment(NOW)
            case Type.DATE:
                return f"2023-11-{random.randint(1, 30):02}"
            case Type.STRINGS:
                return tuple(random.choice((*WORDS, None)) for _ in range(random.choice((0, 1, 3))))
        return tuple(random.choice((*map(float, NUMBERS), None)) for _ in range(random.choice((0, 1, 3))))

    def moment(self, now: int) -> int:
        """A moment at or beside the borders of windows."""
        random = self.random
        if random.random() < 0.1:
            return now + random.choice((1, 3_600, DAY))
        back = random.choice((0, 1, 3_600, DAY, 7 * DAY, 30 * DAY, random.randrange(60 * DAY)))
        return now - back + random.choice((-1, 0, 1, 0))

    def add_event(self, behavior: str, now: int) -> None:
        """One more event."""
        random = self.random
        columns: dict[str, Any] = {}
        for column, type_ in SCHEMA.behaviors[behavior].items():
            if random.random() < 0.8:
                columns[column] = {
                    Type.STRING: random.choice(WORDS),
                    Type.NUMBER: random.choice((1.005, -2.0, 0.1, 18.0, 3.0)),
                    Type.TIMESTAMP: self.moment(now),
                }[type_]
        self.count += 1
        self.events[behavior].append(Row(self.moment(now), f"e{self.count}", columns))
