"""What the demo shows: steps while it works, then tables. On a terminal and in a file alike."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task
from rich.table import Table
from rich.text import Text

from .receiver import Received
from .stage import Answer

WIDEST = 100
TITLE = 36
"""Columns that a step's title takes."""


class Step:
    """A step under way."""

    def __init__(self, progress: Progress | None, title: str) -> None:
        self._progress = progress
        self._title = title
        self._task = progress.add_task(title, total=None) if progress else None
        self.detail = ""

    def say(self, detail: str) -> None:
        """How far it is; the last thing said stays on the screen."""
        self.detail = detail
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=f"{self._title:<{TITLE}}{detail}")


class Screen:
    """Writes to standard output, unless told otherwise."""

    def __init__(self, quiet: bool = False, file: TextIO | None = None) -> None:
        self._quiet = quiet
        console = Console(file=file, highlight=False)
        # A file or a pipe has no width of its own: what is written there is wide enough for the tables.
        width = min(console.width, WIDEST) if console.is_terminal else WIDEST
        self._console = Console(file=file, highlight=False, width=width)
        self.seconds: dict[str, float] = {}

    def intro(self, lines: Sequence[str]) -> None:
        """What this is."""
        if self._quiet:
            return
        self._console.print(lines[0], style="bold")
        self._console.print(" ".join(lines[1:]))
        self._console.print()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """A step: seen while it runs, and as a line with its time when it is done."""
        started = time.monotonic()
        if self._quiet or not self._console.is_terminal:
            step = Step(None, title)
            yield step
        else:
            columns: tuple[ProgressColumn, ...] = (SpinnerColumn(), _Words(), _Seconds())
            with Progress(*columns, console=self._console, transient=True) as progress:
                step = Step(progress, title)
                yield step
        self.seconds[title] = time.monotonic() - started
        if not self._quiet:
            self._line(title, step.detail, self.seconds[title])

    def _line(self, title: str, detail: str, seconds: float) -> None:
        text = Text()
        text.append("✓ " if self._console.encoding.startswith("utf") else "* ", style="green")
        text.append(f"{title:<{TITLE}}")
        room = max(self._console.width - TITLE - 2 - 9, 10)
        text.append(f"{detail if len(detail) < room else detail[: room - 2] + '…':<{room}}", style="dim")
        text.append(f"{seconds:6.1f} s", style="cyan")
        self._console.print(text)

    def segments(self, rows: Sequence[Mapping[str, Any]], asked: int, people: int) -> None:
        """All segments: who, what kind, how many, as of when."""
        table = _table("Segments")
        table.add_column("segment", no_wrap=True)
        table.add_column("kind", no_wrap=True)
        table.add_column("size", justify="right", no_wrap=True)
        table.add_column("as of", no_wrap=True)
        table.add_column("who", overflow="fold")
        kind = ""
        for row in rows:
            if kind and row["kind"] != kind:
                table.add_section()
            kind = row["kind"]
            style = "green" if kind == "realtime" else "blue"
            table.add_row(
                row["id"], Text(kind, style=style), f"{row['size']:,}", row["as_of"], row["description"]
            )
        self._console.print()
        self._console.print(table)
        self._console.print(
            f"batch: of {people:,} households, counted by the run in Athena's SQL. realtime: among the {asked:,} "
            "visitors whose purchases were replayed, counted by asking the personalization API for each of them.",
            style="dim",
        )

    def visitors(self, rows: Sequence[tuple[str, Answer]], kinds: Mapping[str, str]) -> None:
        """A few visitors as a website sees them."""
        table = _table("Visitors, as the personalization API answers")
        table.add_column("household", no_wrap=True)
        table.add_column("attributes", overflow="fold")
        table.add_column("batch segments", overflow="fold", style="blue")
        table.add_column("real-time segments", overflow="fold", style="green")
        table.add_column("ms", justify="right", no_wrap=True)
        for number, (why, answer) in enumerate(rows):
            if number:
                table.add_section()
            name = Text(answer.household)
            name.append(f"\n{why}", style="dim")
            table.add_row(
                name,
                "\n".join(f"{key} {value}" for key, value in sorted(answer.attributes.items())) or "–",
                "\n".join(one for one in answer.segments if kinds.get(one) != "realtime") or "–",
                "\n".join(one for one in answer.segments if kinds.get(one) == "realtime") or "–",
                f"{answer.seconds * 1000:.0f}",
            )
        self._console.print()
        self._console.print(table)

    def deliveries(self, deliveries: Sequence[Received], refused: int) -> None:
        """What the destination received."""
        counts: dict[str, list[int]] = {}
        for one in deliveries:
            row = counts.setdefault(one.payload["segment"], [0, 0, 0])
            row[0] += 1
            row[1] += len(one.payload["joined"])
            row[2] += len(one.payload["left"])
        table = _table("Received by the demo's webhook receiver")
        table.add_column("segment", no_wrap=True)
        for name in ("deliveries", "joined", "left"):
            table.add_column(name, justify="right")
        for segment, row in sorted(counts.items()):
            table.add_row(segment, *(f"{number:,}" for number in row))
        self._console.print()
        self._console.print(table)
        signed = "every signature was right" if not refused else f"{refused} deliveries had a wrong signature"
        self._console.print(f"Standard Webhooks; {signed}.", style="dim")

    def measured(self, lines: Sequence[str]) -> None:
        """What was measured on the way."""
        self._console.print()
        self._console.print("Measured", style="bold")
        for line in lines:
            self._console.print(f"  {line}")

    def serving(self, address: str, examples: Sequence[tuple[str, str]], notes: Sequence[str]) -> None:
        """Where it goes on, and what to try there. Commands are printed so that they can be copied."""
        self._console.print()
        self._console.print(f"Serving at {address}", style="bold")
        for what, command in examples:
            self._console.print(f"\n  {what}", style="dim")
            # Not through the table's width: a wrapped command cannot be copied.
            self._console.print(Text(command), soft_wrap=True)
        self._console.print()
        for note in notes:
            self._console.print(note, soft_wrap=True)

    def say(self, text: str) -> None:
        """A line."""
        self._console.print(text)

    def fail(self, text: str) -> None:
        """What went wrong, on standard error."""
        Console(stderr=True, highlight=False).print(Text(text), style="red", soft_wrap=True)


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )


class _Words(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.description)


class _Seconds(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.elapsed or 0:6.1f} s", style="cyan")


def clock(moment: float) -> str:
    """A moment of today in the reader's own time."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%H:%M:%S")
