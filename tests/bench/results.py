"""How the tables of a bench are kept."""

import os
import platform
import re
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


def keep(title: str, text: str, path: Path) -> None:
    """Put a section into the file in place of the one of the same title."""
    before = path.read_text() if path.exists() else ""
    sections = {
        part.partition("\n")[0]: part.strip() for part in re.split(r"^# ", before, flags=re.M) if part.strip()
    }
    sections[title] = f"{title}\n\n{text.strip()}"
    path.write_text("\n\n".join(f"# {section}" for section in sections.values()) + "\n")
