"""What a look at an audience's raw tables found, and what a person should do about it."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from .validation_sql import EXAMPLE, MISSING, UNREADABLE, WALL, Look

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - of a wall clock
FEW = 0.5
"""A share of keys that meet below which something is likely to be wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`error`: the audience cannot be built so, or would be of no use. `warning`: look whether that is meant."""

    severity: str
    pointer: str
    message: str


@dataclass(frozen=True, slots=True)
class ColumnFigures:
    """Rows that lack a column, and rows whose text is no value of its type; as counts, and as shares of all rows."""

    missing: int
    unreadable: int
    missing_share: float
    unreadable_share: float


@dataclass(frozen=True, slots=True)
class TableReport:
    """One look. `figures` are counts, but for `earliest` and `latest` (Unix seconds); `samples` are rows as text."""

    pointer: str
    kind: str
    table: str
    figures: Mapping[str, int | None]
    columns: Mapping[str, ColumnFigures] = field(default_factory=dict)
    samples: tuple[Mapping[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Validation:
    """The report on an audience."""

    audience: str
    tables: tuple[TableReport, ...]
    findings: tuple[Finding, ...]
    queries: int = 0
    bytes_scanned: int = 0

    @property
    def sound(self) -> bool:
        """Nothing is in the way of a build."""
        return all(one.severity != "error" for one in self.findings)

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return {"sound": self.sound, **asdict(self)}


def report(
    look: Look, row: Sequence[str | None], samples: Sequence[Sequence[str | None]], profiles: int
) -> tuple[TableReport, list[Finding]]:
    """What a look found. `profiles`: keys of the master table, that others are to meet."""
    values = dict(zip(look.values, row, strict=True))
    examples = {
        name.partition(":")[2]: text for name, text in values.items() if name.startswith(EXAMPLE + ":")
    }
    prefixes = (EXAMPLE + ":", MISSING + ":", UNREADABLE + ":")
    figures = {
        name: None if text is None else int(float(text))
        for name, text in values.items()
        if not name.startswith(prefixes)
    }
    figures = _by_one_clock(figures, look.time_zone)
    rows = figures.get("rows") or 0
    columns = {
        name: _column(int(values[f"{MISSING}:{name}"] or 0), int(values[f"{UNREADABLE}:{name}"] or 0), rows)
        for name in look.columns
    }
    shown = tuple(dict(zip(look.shown, one, strict=True)) for one in samples)
    made = TableReport(look.pointer, look.kind, look.table, figures, columns, shown)
    findings = list(_findings(made, profiles))
    for name, one in columns.items():
        findings += _column_findings(made, name, one, examples.get(name))
    return made, findings


def _by_one_clock(figures: Mapping[str, int | None], time_zone: str) -> dict[str, int | None]:
    """The figures with moments of the wall clock as Unix seconds, put together with those that were told so."""
    found = {name: value for name, value in figures.items() if not name.endswith(WALL)}
    for name, choose in (("earliest", min), ("latest", max)):
        wall = figures.get(name + WALL)
        both = [
            one
            for one in (found.get(name), None if wall is None else _unix(wall, time_zone))
            if one is not None
        ]
        if name in found:
            found[name] = choose(both) if both else None
    return found


def _unix(wall: int, time_zone: str) -> int:
    """As the build has it: what occurs twice is the first, what is skipped is read with the offset before."""
    try:
        moment = EPOCH + dt.timedelta(seconds=wall)
        return int(moment.replace(tzinfo=ZoneInfo(time_zone)).timestamp())
    except OverflowError:  # at the ends of the calendar
        return wall


def _column(missing: int, unreadable: int, rows: int) -> ColumnFigures:
    return ColumnFigures(missing, unreadable, _share(missing, rows), _share(unreadable, rows))


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _percent(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({100 * part / whole:.1f}%)"


def _findings(made: TableReport, profiles: int) -> list[Finding]:
    """What the figures of a table say, but for its columns."""
    figures = {name: value or 0 for name, value in made.figures.items()}
    match made.kind:
        case "filter":
            said = [] if figures["kept"] else [("error", "the filter leaves no profile at all")]
            return [Finding(severity, made.pointer, message) for severity, message in said]
        case "identity":
            return _identity_findings(made, figures)
    if not figures.get("rows"):
        severity = "error" if made.kind == "master" else "warning"
        return [Finding(severity, made.pointer, f"table {made.table!r} is empty")]
    of_kind = _of_the_master if made.kind == "master" else _of_a_joined_table
    said = [*_without_key(made.table, figures), *of_kind(made, figures, profiles)]
    return [Finding(severity, made.pointer, message) for severity, message in said]


def _without_key(table: str, figures: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    if figures["no_key"]:
        rows = _percent(figures["no_key"], figures["rows"])
        yield "warning", f"{rows} rows of {table!r} have no key and are left out"


def _surplus(figures: Mapping[str, int]) -> int:
    """Rows whose key another row has too."""
    return figures["rows"] - figures["no_key"] - figures["keys"]


def _of_the_master(made: TableReport, figures: Mapping[str, int], _: int) -> Iterator[tuple[str, str]]:
    table = made.table
    if not figures["keys"]:
        yield "error", f"no row of {table!r} has a key"
    elif surplus := _surplus(figures):
        yield (
            "warning",
            f"the key is not unique: {surplus:,} rows of {table!r} have a key that another has too; of each key "
            "one row stands (the one with the greatest 'latest', if that is declared)",
        )


def _of_a_joined_table(
    made: TableReport, figures: Mapping[str, int], profiles: int
) -> Iterator[tuple[str, str]]:
    """Of attributes or of a behavior: how they meet the master table, and which rows are lost or early."""
    table, rows, attributes = made.table, figures["rows"], made.kind == "attributes"
    keys, met = figures["keys"], figures["met_keys"]
    surplus = _surplus(figures)
    if attributes and surplus:
        yield (
            "warning",
            f"{surplus:,} rows of {table!r} lose to another row of their key ('latest', 'earliest')",
        )
    if keys and not met:
        yield "error", f"no key of {table!r} is one of the master table: are they written in the same way?"
    elif keys and met < FEW * keys:
        yield "warning", f"only {_percent(met, keys)} keys of {table!r} are of the master table"
    if attributes and profiles and 0 < met < FEW * profiles:
        yield "warning", f"only {_percent(met, profiles)} keys of the master table have a row in {table!r}"
    for name, value in figures.items():
        if name.startswith("looked_up:") and value < rows:
            looked = name.partition(":")[2]
            yield "warning", f"{_percent(rows - value, rows)} rows of {table!r} find none in {looked!r}"
    repeated = figures.get("with_id", 0) - figures.get("ids", 0)
    if repeated > 0:
        yield (
            "warning",
            f"{repeated:,} rows of {table!r} have an id that an earlier row has; they are left out",
        )
    if future := figures.get("future"):
        yield (
            "warning",
            f"{_percent(future, rows)} rows of {table!r} are of the future; they count from their time on",
        )


def _identity_findings(made: TableReport, figures: Mapping[str, int]) -> list[Finding]:
    keys, pointer = figures["keys"], made.pointer
    if not keys:
        return [Finding("warning", pointer, f"table {made.table!r} has no key of this identity")]
    if not figures["met"]:
        message = (
            f"no key of this identity leads to a profile: does 'key' of {made.table!r} hold the master key?"
        )
        return [Finding("error", pointer, message)]
    if figures["contested"]:
        message = (
            f"{_percent(figures['contested'], keys)} keys are of several profiles; each goes to the one with the greatest "
            "'latest', then to the smallest profile key"
        )
        return [Finding("warning", pointer, message)]
    return []


def _column_findings(made: TableReport, name: str, one: ColumnFigures, example: str | None) -> list[Finding]:
    rows = made.figures.get("rows") or 0
    if not rows:
        return []
    place = (
        f"{made.pointer}/time"
        if made.kind == "behavior" and name == "time"
        else f"{made.pointer}/columns/{name}"
    )
    shown = f", such as {example!r}" if example is not None else ""
    if name == "time" and made.kind == "behavior":
        lost = one.missing + one.unreadable
        if not lost:
            return []
        message = f"{_percent(lost, rows)} rows have no readable time{shown} and are left out"
        return [Finding("error" if lost == rows else "warning", place, message)]
    found = []
    if one.unreadable:
        message = f"{_percent(one.unreadable, rows)} rows have no value of the declared type{shown}; it counts as missing there"
        found.append(Finding("warning", place, message))
    if one.missing == rows:
        found.append(Finding("warning", place, "no row has a value"))
    return found
