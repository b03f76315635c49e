"""What a command prints: tables for people, JSON for programs, errors with an exit code that says what kind they are."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from segmentation.domain.errors import Outdated, SegmentationError, Unavailable

from infra.documents.files import RulesRefused
from infra.documents.remotes import RemoteRefused
from infra.local.errors import CloudError

REFUSED, DIFFERENT, UNREACHABLE, NOT_ALLOWED = 1, 3, 4, 5
CODES = (
    "Exit codes: 0 done; 1 refused, nothing was changed; 2 the command is written wrong; 3 there are differences "
    "(plan --exit-code) or edits of others (apply); 4 out of reach, try again; 5 not signed in, or not allowed."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def show(value: Any, as_json: bool, *columns: str) -> None:
    """A list of objects as a table of some of their members, one object as lines, anything else as it is."""
    if as_json:
        print(json.dumps(value, indent=2, ensure_ascii=False))
    elif isinstance(value, list):
        table(columns, ([_member(one, column) for column in columns] for one in value))
    elif isinstance(value, Mapping):
        names = columns or tuple(value)
        table(("", ""), ([name, _member(value, name)] for name in names), header=False)
    else:
        say(str(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, header: bool = True) -> None:
    """Rows under headings. Nothing in a value is taken for markup or for an order to the terminal."""
    made = Table(box=None, show_header=header, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column.rpartition(".")[2].replace("_", " "), overflow="fold")
    for row in rows:
        made.add_row(*(Text(safe(_plain(cell))) for cell in row))
    _console().print(made)


def say(text: str, style: str = "") -> None:
    """A line."""
    _console().print(Text(safe(text), style=style), soft_wrap=True)


def complain(text: str) -> None:
    """A line to standard error."""
    Console(stderr=True, highlight=False).print(Text(safe(text)), soft_wrap=True)


def safe(text: str) -> str:
    """Without control characters: a name must not write to the terminal."""
    return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text)


def fail(lines: Sequence[str], code: int) -> NoReturn:
    """Say what is wrong and end."""
    for line in lines:
        complain(line)
    raise typer.Exit(code)


@contextmanager
def reported() -> Iterator[None]:
    """Errors that are no bugs, told as such."""
    try:
        yield
    except RemoteRefused as error:
        code = {0: UNREACHABLE, 401: NOT_ALLOWED, 403: NOT_ALLOWED, 503: UNREACHABLE}.get(
            error.status, REFUSED
        )
        hint = ["Sign in with: segmentation login"] if error.status == 401 else []
        fail([*error.lines, *hint], code)
    except RulesRefused as error:
        count = len(error.lines)
        fail([*error.lines, f"{count} problem{'s' if count > 1 else ''}; nothing was changed"], REFUSED)
    except Outdated as error:
        fail([str(error)], DIFFERENT)
    except Unavailable as error:
        fail([f"out of reach: {error}"], UNREACHABLE)
    except (SegmentationError, CloudError) as error:
        fail(str(error).splitlines(), REFUSED)


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else 200)


def _member(value: Mapping[str, Any], path: str) -> Any:
    """`updated.by` of an object."""
    found: Any = value
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return str(value)
