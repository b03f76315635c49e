"""Variables: what a literal tests, how it is read of a profile, and until when its value stands.

Variables are read as `(values, until)`: of one or of several at once the values now, and the moment from
which on they may be others though nothing happens. A count in a sliding window, for one, stands until its
oldest event drops out.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Any

from ..evaluate import Base, ByColumn, Compiler, Evaluation, Row, base_of
from ..moments import moments_of
from ..operators.behaviors import FIGURES
from ..tree import Aggregate, Node
from ..values import MICRO, Value, micros
from .literals import Key

NEVER = 1 << 62
"""A moment that does not come."""

Reading = tuple[Sequence[Value], int]
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


@dataclass(frozen=True, slots=True)
class Latest:
    """A figure over the last `seconds` of a base: what most rules ask of behaviors, and read in bundles."""

    base: Base
    seconds: int
    function: str
    column: str | None


def latest_of(key: Key) -> Latest | None:
    """A variable as a figure over the last seconds of a base, if it is one."""
    aggregate = key.node.value
    if key.kind != "value" or not isinstance(aggregate, Aggregate):
        return None
    selection = aggregate.events
    base, moving = base_of(selection)
    if moving or selection.follows or not selection.windows or not all(w.ends_now for w in selection.windows):
        return None
    return Latest(base, min(w.longest for w in selection.windows), aggregate.function, aggregate.column)


class Readers:
    """Makes the readers of an index's variables."""

    def __init__(self) -> None:
        self.compiler = Compiler()
        self._bases: dict[Base, Base] = {}

    def base(self, base: Base) -> Base:
        """The one object that stands for all equal bases."""
        return self._bases.setdefault(base, base)

    def of(self, key: Key, cuts: Sequence[int]) -> Reader:
        """The reader of one variable; `cuts` are the ages at which a literal on it turns."""
        node = key.node
        if key.kind == "age":
            return self._age(node, cuts)
        if node.op == "attribute":
            name = node.value
            return lambda evaluation: ((evaluation.attribute(name),), NEVER)
        if node.op == "in_segment":
            segment = node.value
            return lambda evaluation: ((True if segment in evaluation.segments else None,), NEVER)
        latest = latest_of(key)
        if latest is not None:
            return bundle(self.base(latest.base), [(latest.seconds, latest.function, latest.column)])
        value_of = self.compiler.compile(node)
        if not Dependencies(node, is_age=False).is_timed:
            return lambda evaluation: ((value_of(evaluation, None),), NEVER)
        moments = moments_of([node], self.compiler)
        return lambda evaluation: ((value_of(evaluation, None),), min(moments(evaluation), default=NEVER))

    def _age(self, node: Node, cuts: Sequence[int]) -> Reader:
        moment_of = self.compiler.compile(node)
        inner = moments_of([node], self.compiler) if Dependencies(node, is_age=False).is_timed else None

        def read(evaluation: Evaluation) -> Reading:
            until = NEVER if inner is None else min(inner(evaluation), default=NEVER)
            moment = moment_of(evaluation, None)
            if moment is None:
                return (None,), until
            age = evaluation.now - moment
            coming = bisect_right(cuts, age)
            if coming < len(cuts):
                until = min(until, moment + cuts[coming])
            return (age,), until

        return read


def bundle(base: Base, figures: Sequence[tuple[int, str, str | None]]) -> Reader:
    """The reader of several figures `(seconds, function, column)` over one base, in that order.

    They look at the events together: a count is the distance of two places in the order of time. Figures over
    the same seconds stand together, and find their first event once.
    """
    name = id(base)
    parts = [
        (
            seconds,
            [
                None if function == "count" else _figure(function, column or "")
                for _, function, column in same
            ],
        )
        for seconds, same in groupby(figures, key=lambda figure: figure[0])
    ]

    def read(evaluation: Evaluation) -> Reading:
        tracks: dict[int, Track] = evaluation.memo.setdefault(TRACKS, {})
        track = tracks.get(name)
        if track is None:
            track = tracks[name] = Track(evaluation.rows(base))
        times, now = track.times, evaluation.now
        count = len(times)
        past = bisect_right(times, now)
        until = times[past] if past < count else NEVER
        values: list[Value] = []
        for seconds, same in parts:
            first = bisect_right(times, now - seconds)
            if first < count and times[first] + seconds < until:  # the next event to leave
                until = times[first] + seconds
            for figure in same:
                values.append(float(past - first) if figure is None else figure(track, first, past))
        return values, until

    return read


TRACKS: Any = "tracks"
"""Where an evaluation's memo has the tracks of bases, so that a state can hand them on."""


class Track:
    """The events of a base in the order of time, and running sums over their columns."""

    __slots__ = ("_sums", "rows", "times")

    def __init__(self, rows: Sequence[Row]) -> None:
        if isinstance(rows, ByColumn):
            ordered = rows.times[:]
        else:
            times = [row.time for row in rows]
            ordered = sorted(times)
            if times != ordered:
                rows = sorted(rows, key=lambda row: row.time)
        self.rows = rows
        self.times = ordered
        self._sums: dict[str, Sums] = {}

    def extend(self, rows: Sequence[Row]) -> bool:
        """Take in rows that are the same but for one more, later than all, and some of the oldest, that went; otherwise
        `False`."""
        before, after = tuple(self.rows), tuple(rows)
        gone = len(before) + 1 - len(after)
        if not after or gone < 0 or after[:-1] != before[gone:]:
            return False
        last = after[-1]
        if self.times and last.time < self.times[-1]:
            return False
        self.rows = after
        self.times.append(last.time)
        del self.times[:gone]
        for column, sums in self._sums.items():
            sums.add(last.columns.get(column))
            sums.forget(gone)
        return True

    def sums(self, column: str) -> "Sums":
        """The running sums of a column."""
        sums = self._sums.get(column)
        if sums is None:
            rows = self.rows
            if isinstance(rows, ByColumn):
                sums = Sums(rows.column(column))
            else:
                sums = Sums(row.columns.get(column) for row in rows)
            self._sums[column] = sums
        return sums


class Sums:
    """Before each event and after the last: the exact sum so far in millionths, and of how many values."""

    __slots__ = ("counts", "totals")

    def __init__(self, numbers: Iterable[Any]) -> None:
        parts = [None if number is None else _micros(number) for number in numbers]
        self.totals = [*accumulate([part or 0 for part in parts], initial=0)]
        self.counts = [*accumulate([part is not None for part in parts], initial=0)]

    def add(self, number: Any) -> None:
        """Go on with another event's value."""
        part = None if number is None else _micros(number)
        self.totals.append(self.totals[-1] + (part or 0))
        self.counts.append(self.counts[-1] + (part is not None))

    def forget(self, count: int) -> None:
        """Leave the oldest events out; what the sums begin with is no matter."""
        del self.totals[:count], self.counts[:count]


def _figure(function: str, column: str) -> Callable[[Track, int, int], Value]:
    """An aggregate over the events from one place of a track up to another."""
    if function == "sum":

        def total(track: Track, first: int, last: int) -> float:
            totals = track.sums(column).totals
            return (totals[last] - totals[first]) / MICRO

        return total
    if function == "avg":

        def average(track: Track, first: int, last: int) -> float | None:
            sums = track.sums(column)
            count = sums.counts[last] - sums.counts[first]
            return (sums.totals[last] - sums.totals[first]) / MICRO / count if count else None

        return average
    of_rows = FIGURES[function]

    def over_rows(track: Track, first: int, last: int) -> Value:
        found: Value = of_rows(list(track.rows[first:last]), column)
        return found

    return over_rows
