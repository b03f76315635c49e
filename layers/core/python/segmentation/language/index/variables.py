"""Variables: what a literal tests, how it is read of a profile, and until when its value stands.

A variable is read as `(value, until)`: its value now, and the moment from which on it may be another one
though nothing happens. A count in a sliding window, for one, stands until its oldest event drops out.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ..evaluate import Base, Compiler, Evaluation, Row, base_of
from ..moments import moments_of
from ..operators.behaviors import FIGURES
from ..tree import Aggregate, Node
from ..values import MICRO, Value, micros
from .literals import Key

NEVER = 1 << 62
"""A moment that does not come."""

Reading = tuple[Value, int]
Reader = Callable[[Evaluation], Reading]

_micros = lru_cache(maxsize=65_536)(micros)


class Dependencies:
    """What the value of a variable follows from."""

    __slots__ = ("attributes", "bases", "has_key", "is_timed", "segments")

    def __init__(self, node: Node, is_age: bool) -> None:
        self.attributes: set[str] = set()
        self.segments: set[str] = set()
        self.bases: set[Base] = set()
        self.has_key = False
        self.is_timed = is_age
        self._walk(node)

    def _walk(self, root: Node) -> None:
        stack = [root]
        while stack:
            node = stack.pop()
            stack.extend(node.args)
            if node.op == "attribute":
                self.attributes.add(node.value)
            elif node.op == "in_segment":
                self.segments.add(node.value)
            elif node.op == "bucket":
                self.has_key = True
            elif node.op == "in_window":
                self.is_timed = True
            elif isinstance(node.value, Aggregate):
                self.is_timed = True  # events wait for their time, and windows slide
                self.bases.update(base_of(one)[0] for one in node.value.events.selections())


class Readers:
    """Makes the readers of an index's variables."""

    def __init__(self) -> None:
        self.compiler = Compiler()
        self._bases: dict[Base, Base] = {}

    def base(self, base: Base) -> Base:
        """The one object that stands for all equal bases."""
        return self._bases.setdefault(base, base)

    def of(self, key: Key, cuts: Sequence[int]) -> Reader:
        """The reader of a variable; `cuts` are the ages at which a literal on it turns."""
        node = key.node
        if key.kind == "age":
            return self._age(node, cuts)
        if node.op == "attribute":
            name = node.value
            return lambda evaluation: (evaluation.attribute(name), NEVER)
        if node.op == "in_segment":
            segment = node.value
            return lambda evaluation: (True if segment in evaluation.segments else None, NEVER)
        if isinstance(node.value, Aggregate):
            reader = self._aggregate(node.value)
            if reader is not None:
                return reader
        value_of = self.compiler.compile(node)
        depends = Dependencies(node, is_age=False)
        if not depends.is_timed:
            return lambda evaluation: (value_of(evaluation, None), NEVER)
        moments = moments_of([node], self.compiler)
        return lambda evaluation: (value_of(evaluation, None), min(moments(evaluation), default=NEVER))

    def _age(self, node: Node, cuts: Sequence[int]) -> Reader:
        moment_of = self.compiler.compile(node)
        inner = moments_of([node], self.compiler) if Dependencies(node, is_age=False).is_timed else None

        def read(evaluation: Evaluation) -> Reading:
            until = NEVER if inner is None else min(inner(evaluation), default=NEVER)
            moment = moment_of(evaluation, None)
            if moment is None:
                return None, until
            age = evaluation.now - moment
            coming = bisect_right(cuts, age)
            if coming < len(cuts):
                until = min(until, moment + cuts[coming])
            return age, until

        return read

    def _aggregate(self, aggregate: Aggregate) -> Reader | None:
        """A reader for what most rules ask: a figure over the events of sliding windows."""
        selection = aggregate.events
        base, moving = base_of(selection)
        if (
            moving
            or selection.follows
            or any(w.kind not in ("within", "older_than") for w in selection.windows)
        ):
            return None
        base = self.base(base)
        longest = min((w.longest for w in selection.windows if w.kind == "within"), default=None)
        shortest = max((w.shortest for w in selection.windows), default=0)
        if longest is not None and shortest == 0:
            return _latest(base, longest, aggregate)
        figure = _figure(aggregate)

        def read(evaluation: Evaluation) -> Reading:
            track = track_of(evaluation, base)
            times = track.times
            last = bisect_right(times, evaluation.now - shortest)
            until = times[last] + shortest if last < len(times) else NEVER
            first = 0
            if longest is not None:
                first = bisect_right(times, evaluation.now - longest)
                if first < len(times):  # the next event to leave
                    until = min(until, times[first] + longest)
            return figure(track, min(first, last), last), until

        return read


def _latest(base: Base, longest: int, aggregate: Aggregate) -> Reader:
    """A figure over the last so many seconds."""
    figure = None if aggregate.function == "count" else _figure(aggregate)
    name = id(base)

    def read(evaluation: Evaluation) -> Reading:
        memo: Any = evaluation.memo
        track = memo.get(name) or track_of(evaluation, base)
        times, last = track.times, track.past
        first = bisect_right(times, evaluation.now - longest)
        if first == len(times):
            until = NEVER
        else:
            until = times[first] + longest  # the next event to leave, or to come
            if last < len(times) and times[last] < until:
                until = times[last]
        return float(last - first) if figure is None else figure(track, first, last), until

    return read


class Track:
    """The events of a base in the order of time, how many are past, and running sums over their columns."""

    __slots__ = ("_sums", "past", "rows", "times")

    def __init__(self, rows: Sequence[Row], now: int) -> None:
        times = [row.time for row in rows]
        ordered = sorted(times)
        if times != ordered:
            rows = sorted(rows, key=lambda row: row.time)
        self.rows = rows
        self.times = ordered
        self.past = bisect_right(ordered, now)
        self._sums: dict[str, tuple[list[int], list[int]]] = {}

    def sums(self, column: str) -> tuple[list[int], list[int]]:
        """Before each event: the exact sum so far in millionths, and of how many values."""
        sums = self._sums.get(column)
        if sums is None:
            totals, counts = [0], [0]
            for row in self.rows:
                number: Any = row.columns.get(column)
                part = None if number is None else _micros(number)
                totals.append(totals[-1] + (part or 0))
                counts.append(counts[-1] + (part is not None))
            sums = self._sums[column] = (totals, counts)
        return sums


def track_of(evaluation: Evaluation, base: Base) -> Track:
    """The track of a base, made once an evaluation."""
    memo: dict[Any, Any] = evaluation.memo
    name = id(base)
    track: Track | None = memo.get(name)
    if track is None:
        track = memo[name] = Track(evaluation.rows(base), evaluation.now)
    return track


def _figure(aggregate: Aggregate) -> Callable[[Track, int, int], Value]:
    """The aggregate over the events from one place of a track up to another."""
    column = aggregate.column or ""
    if aggregate.function == "count":
        return lambda _track, first, last: float(last - first)
    if aggregate.function == "sum":

        def total(track: Track, first: int, last: int) -> float:
            totals, _ = track.sums(column)
            return (totals[last] - totals[first]) / MICRO

        return total
    if aggregate.function == "avg":

        def average(track: Track, first: int, last: int) -> float | None:
            totals, counts = track.sums(column)
            count = counts[last] - counts[first]
            return (totals[last] - totals[first]) / MICRO / count if count else None

        return average
    of_rows = FIGURES[aggregate.function]

    def over_rows(track: Track, first: int, last: int) -> Value:
        found: Value = of_rows(list(track.rows[first:last]), column)
        return found

    return over_rows
