"""Events of a pass put together by time first, where many aggregates ask for a few windows.

Windows that segments share cut time into a few buckets. A first GROUP BY makes one row a profile and bucket, with one
figure (a cell) for each kind of event, whatever the windows; a second one adds up the buckets of each window. Dozens of
aggregates then look at some rows a profile instead of at every event. Borders are the windows' own, to the second.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .sql_parts import listed, nested

BUCKET = "g"
"""The column of an event's bucket."""
MOST_BORDERS = 24
"""With more of them there are hardly fewer rows than events."""
EVENTS_A_BUCKET = 4
"""Events that a profile must have for each bucket, on average, for the rows to be few."""
FEWEST_SPARED = 8
"""Beyond two aggregates a cell: with fewer of them the first step costs what the second one spares."""


@dataclass(frozen=True, slots=True)
class Cell:
    """An aggregate over events, and what makes one of several: of a column of cells, where a condition holds."""

    over_events: str
    together: Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Figure:
    """An aggregate of a rule as cells, what becomes of their values, and a shorter way to it over events alone."""

    cells: tuple[Cell, ...]
    value: Callable[..., str]
    shorter: str | None = None

    def over_events(self) -> str:
        """The whole of it over events."""
        return self.shorter or self.value(*(cell.over_events for cell in self.cells))


def adding(function: str) -> Callable[[str, str], str]:
    """How `sum`, `min` and `max` go on over their own results."""
    return lambda cell, when: (
        f"{function}({cell})" if when == "true" else f"{function}(CASE WHEN {when} THEN {cell} END)"
    )


def distinct(selected: str, column: str) -> Figure:
    """How many different values there are: a cell is the array of them."""
    values = f"array_agg(DISTINCT {column}) FILTER (WHERE {selected} AND {column} IS NOT NULL)"
    cell = Cell(values, lambda cell, when: f"array_agg({cell}) FILTER (WHERE {when} AND {cell} IS NOT NULL)")
    return Figure(
        (cell,),
        "CAST(cardinality(array_distinct(flatten({}))) AS double)".format,
        f"CAST(count(DISTINCT CASE WHEN {selected} THEN {column} END) AS double)",
    )


class Buckets:
    """Stretches of time between borders: an event's bucket is the number of borders before it.

    All events are later than `floor`, where there is one.
    """

    def __init__(self, borders: Iterable[int], floor: int | None) -> None:
        self._borders = sorted({one for one in borders if floor is None or one > floor})

    def worth(self, aggregates: int, cells: int, events_a_profile: float) -> bool:
        """Whether two steps are expected to take less than one."""
        borders = len(self._borders)
        few = 0 < borders <= MOST_BORDERS and events_a_profile >= EVENTS_A_BUCKET * (borders + 1)
        return few and aggregates >= 2 * cells + FEWEST_SPARED

    def of(self, time: str) -> str:
        """The bucket of an event as SQL: a balanced tree of comparisons."""

        def tree(low: int, high: int) -> str:
            if low == high:
                return str(low)
            middle = (low + high) // 2
            return f"CASE WHEN {time} > {self._borders[middle]} THEN {tree(middle + 1, high)} ELSE {tree(low, middle)} END"

        return tree(0, len(self._borders))

    def after(self, border: int) -> str:
        """The condition on a bucket for what is later than a border."""
        if border not in self._borders:
            return "true"
        return f"{BUCKET} > {bisect_left(self._borders, border)}"

    def until(self, border: int) -> str:
        """The condition on a bucket for what is not later than a border."""
        if border not in self._borders:  # a day that never was ends where it begins
            return "false"
        return f"{BUCKET} <= {bisect_left(self._borders, border)}"


def in_one_step(figures: Mapping[str, Figure], others: Mapping[str, str], source: str) -> str:
    """One row a profile with every figure, and other aggregates over events, by their columns."""
    columns = [f"{figure.over_events()} AS {column}" for column, figure in figures.items()]
    columns += [f"{aggregate} AS {column}" for column, aggregate in others.items()]
    return f"SELECT profile_key,{listed(columns)}\nFROM {source}\nGROUP BY profile_key"


def in_two_steps(
    figures: Mapping[str, Figure], whens: Mapping[str, str], buckets: Buckets, source: str
) -> str:
    """The same over cells; `whens` are the conditions on the bucket, by a figure's column."""
    cells = cells_of(figures)
    by_bucket = f"SELECT *, {buckets.of('t')} AS {BUCKET}\nFROM {source}"
    columns = [f"{cell} AS {column}" for cell, column in cells.items()]
    first = f"SELECT profile_key, {BUCKET},{listed(columns)}\nFROM {nested(by_bucket)}\nGROUP BY profile_key, {BUCKET}"
    columns = [
        f"{figure.value(*(cell.together(cells[cell.over_events], whens[column]) for cell in figure.cells))} AS {column}"
        for column, figure in figures.items()
    ]
    return f"SELECT profile_key,{listed(columns)}\nFROM {nested(first)}\nGROUP BY profile_key"


def cells_of(figures: Mapping[str, Figure]) -> dict[str, str]:
    """The column of each different cell, by its SQL."""
    different = dict.fromkeys(cell.over_events for figure in figures.values() for cell in figure.cells)
    return {cell: f"n{number}" for number, cell in enumerate(different)}
