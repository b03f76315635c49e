"""What a look at an audience's raw tables found, and what a person should do about it."""

import datetime as dt
from collections.abc import Mapping, Sequence
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
    found: list[Finding] = []
    figures = {name: value or 0 for name, value in made.figures.items()}
    rows, pointer, table = figures.get("rows", 0), made.pointer, made.table

    def say(severity: str, message: str) -> None:
        found.append(Finding(severity, pointer, message))

    if made.kind == "filter":
        if not figures["kept"]:
            say("error", "the filter leaves no profile at all")
        return found
    if made.kind == "identity":
        return _identity_findings(made, figures)
    if not rows:
        say("error" if made.kind == "master" else "warning", f"table {table!r} is empty")
        return found
    if figures["no_key"]:
        say("warning", f"{_percent(figures['no_key'], rows)} rows of {table!r} have no key and are left out")
    surplus = rows - figures["no_key"] - figures["keys"]
    if made.kind == "master":
        if not figures["keys"]:
            say("error", f"no row of {table!r} has a key")
        elif surplus:
            say(
                "warning",
                f"the key is not unique: {surplus:,} rows of {table!r} have a key that another has too; of each key "
                "one row stands (the one with the greatest 'latest', if that is declared)",
            )
        return found
    if made.kind == "attributes" and surplus:
        say(
            "warning",
            f"{surplus:,} rows of {table!r} lose to another row of their key ('latest', 'earliest')",
        )
    if figures["keys"] and not figures["met_keys"]:
        say("error", f"no key of {table!r} is one of the master table: are they written in the same way?")
    elif figures["keys"] and figures["met_keys"] < FEW * figures["keys"]:
        say(
            "warning",
            f"only {_percent(figures['met_keys'], figures['keys'])} keys of {table!r} are of the master table",
        )
    if made.kind == "attributes" and profiles and 0 < figures["met_keys"] < FEW * profiles:
        say(
            "warning",
            f"only {_percent(figures['met_keys'], profiles)} keys of the master table have a row in {table!r}",
        )
    for name, value in figures.items():
        if name.startswith("looked_up:") and value < rows:
            looked = name.partition(":")[2]
            say("warning", f"{_percent(rows - value, rows)} rows of {table!r} find none in {looked!r}")
    if figures.get("with_id", 0) > figures.get("ids", 0):
        say(
            "warning",
            f"{figures['with_id'] - figures['ids']:,} rows of {table!r} have an id that an earlier row has; they are left out",
        )
    if figures.get("future"):
        say(
            "warning",
            f"{_percent(figures['future'], rows)} rows of {table!r} are of the future; they count from their time on",
        )
    return found


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
