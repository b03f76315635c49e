"""The Python meaning of a rule: a tree compiled to closures, run on what is known of one profile."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, overload
from zoneinfo import ZoneInfo

from .operators import OPERATORS, Closure
from .operators.behaviors import followed
from .tree import Node, Selection
from .values import Value

_NO_COLUMNS: Mapping[str, Value] = {}


class Row(NamedTuple):
    """An event as rules read it. `id` is empty in tables without ids; `columns` hold typed values."""

    time: int
    id: str = ""
    columns: Mapping[str, Value] = _NO_COLUMNS


class ByColumn(Sequence[Row]):
    """Events that stand by column, in the order of time: most figures need no more. Rows are made for who looks at them."""

    __slots__ = ("_made", "times")

    def __init__(self, times: list[int]) -> None:
        self.times = times
        self._made: tuple[Row, ...] | None = None

    @abstractmethod
    def column(self, name: str) -> Sequence[Value]:
        """The values of a column, one an event, `None` where it has none."""

    @abstractmethod
    def make(self) -> tuple[Row, ...]:
        """The rows."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows, the same ones whenever they are asked for."""
        if self._made is None:
            self._made = self.make()
        return self._made

    def __len__(self) -> int:
        return len(self.times)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, place: int | slice) -> Row | tuple[Row, ...]:
        return self.rows[place]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __eq__(self, other: object) -> bool:
        return self.rows == (other.rows if isinstance(other, ByColumn) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.rows)


class Known(Protocol):
    """What is known of a profile, from wherever it is kept."""

    def attribute(self, name: str) -> Value:
        """The typed value of an attribute, `None` where it is missing."""

    def rows(self, base: "Base") -> Sequence[Row]:
        """The events of `base.behavior` that fulfil `base.where`, in any order, each once."""


@dataclass(frozen=True, slots=True)
class Base:
    """Events that can be kept apart when they arrive: of a behavior, by conditions that time cannot change."""

    behavior: str
    where: tuple[Node, ...]


class Evaluation:
    """One profile at one moment. `segments` grows as segments are evaluated in dependency order."""

    __slots__ = ("_attributes", "_known", "key", "memo", "now", "rows", "segments", "zone")

    def __init__(
        self, known: Known, key: str, now: int, zone: ZoneInfo, segments: Collection[str] = ()
    ) -> None:
        self._known = known
        self._attributes: dict[str, Value] = {}
        self.key = key
        self.now = now
        self.zone = zone
        self.segments: set[str] = set(segments)
        self.memo: dict[Node, Any] = {}
        self.rows = known.rows

    def attribute(self, name: str) -> Value:
        """The typed value of an attribute, `None` where it is missing."""
        if name not in self._attributes:
            self._attributes[name] = self._known.attribute(name)
        return self._attributes[name]


def base_of(selection: Selection) -> tuple[Base, tuple[Node, ...]]:
    """What of a selection can be decided when an event arrives, and the conditions that cannot."""
    fixed = tuple(node for node in selection.where if not depends_on_time(node))
    moving = tuple(node for node in selection.where if depends_on_time(node))
    return Base(selection.behavior, fixed), moving


def depends_on_time(node: Node) -> bool:
    """Whether a condition on an event can change its truth as time goes by."""
    return any(inner.op == "in_window" for inner in node.walk())


class Compiler:
    """Compiles trees to closures; equal nodes are compiled once."""

    def __init__(self) -> None:
        self._compiled: dict[Node, Closure] = {}
        self._selections: dict[Selection, Callable[[Evaluation], list[Row]]] = {}

    def compile(self, node: Node) -> Closure:
        """The closure of a node."""
        if node not in self._compiled:
            self._compiled[node] = OPERATORS[node.op].compile(node, self)
        return self._compiled[node]

    def selection(self, selection: Selection) -> Callable[[Evaluation], list[Row]]:
        """A function that gives the selected events of an evaluation."""
        if selection not in self._selections:
            self._selections[selection] = self._compile_selection(selection)
        return self._selections[selection]

    def _compile_selection(self, selection: Selection) -> Callable[[Evaluation], list[Row]]:
        base, moving = base_of(selection)
        conditions = [self.compile(node) for node in moving]
        follows = [(self.selection(f.events), f.seconds, f.negated) for f in selection.follows]
        windows = selection.windows

        def select(evaluation: Evaluation) -> list[Row]:
            now = evaluation.now
            low: int | None = None
            high = now
            for window in windows:
                after, until = window.bounds(now, evaluation.zone)
                low = after if low is None else low if after is None else max(low, after)
                high = min(high, until)
            rows = [
                row for row in evaluation.rows(base) if row.time <= high and (low is None or row.time > low)
            ]
            for holds in conditions:
                rows = [row for row in rows if holds(evaluation, row)]
            for later, seconds, negated in follows:
                times = sorted(row.time for row in later(evaluation))
                if negated:
                    rows = [
                        r for r in rows if r.time + seconds <= now and not followed(times, r.time, seconds)
                    ]
                else:
                    rows = [r for r in rows if followed(times, r.time, seconds)]
            return rows

        return select


class History:
    """A profile of which everything is known: attributes and whole histories of events.

    `attributes`: name -> typed value. `behaviors`: name -> rows, each event once.
    """

    def __init__(self, attributes: Mapping[str, Value], behaviors: Mapping[str, Sequence[Row]]) -> None:
        self._attributes = attributes
        self._behaviors = behaviors
        self._compiler = Compiler()

    def attribute(self, name: str) -> Value:
        """The typed value of an attribute."""
        return self._attributes.get(name)

    def rows(self, base: Base) -> Sequence[Row]:
        """The events of a base."""
        rows = self._behaviors.get(base.behavior, ())
        holds = [self._compiler.compile(node) for node in base.where]
        # Conditions of a base read neither the profile nor the time, so they need no evaluation.
        return [row for row in rows if all(condition(None, row) for condition in holds)]  # type: ignore[arg-type]
