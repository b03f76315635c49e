"""How the tables of a bench are kept."""

import os
import platform
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path


def machine() -> str:
    """What is measured on."""
    described = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in described if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    versions = f"Python {platform.python_version()}, {platform.system()}"
    return f"{model}, {os.cpu_count()} cores, {versions}"


def row(cells: list[str]) -> str:
    """A row of a table in Markdown."""
    return "| " + " | ".join(cells) + " |"


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown, its columns aligned."""
    widths = [max(len(one[column]) for one in [headings, *rows]) for column in range(len(headings))]
    padded = [
        [cell.ljust(width) for cell, width in zip(one, widths, strict=True)] for one in [headings, *rows]
    ]
    return "\n".join([row(padded[0]), row(["-" * width for width in widths]), *map(row, padded[1:])])


@dataclass
class Steps:
    """The lines of a table, shown and written down as they come: of a run that is cut off nothing is lost."""

    path: Path
    head: str
    """What stands above the table."""
    headings: list[str]
    lines: list[list[str]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """A step that has ended."""
        print(": ".join(cells[:2]), *cells[2:], file=sys.stderr, flush=True)
        self.lines.append(list(cells))
        self.path.write_text(f"{self.text()}\nThe run has not come to its end.\n", encoding="utf-8")

    def text(self) -> str:
        """All of it, as Markdown."""
        return f"{self.head}\n\n{table(self.headings, self.lines)}\n"

    def end(self, more: str = "") -> None:
        """All steps have ended; with a paragraph below the table."""
        text = self.text() + (f"\n{more}\n" if more else "")
        print(text)
        self.path.write_text(text, encoding="utf-8")


def keep(title: str, text: str, path: Path) -> None:
    """Put a section into the file in place of the one of the same title."""
    before = path.read_text() if path.exists() else ""
    sections = {
        part.partition("\n")[0]: part.strip() for part in re.split(r"^# ", before, flags=re.M) if part.strip()
    }
    sections[title] = f"{title}\n\n{text.strip()}"
    path.write_text("\n\n".join(f"# {section}" for section in sections.values()) + "\n")
