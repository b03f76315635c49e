"""What several commands take."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Audience = Annotated[
    str,
    typer.Option(
        "--audience", "-a", envvar="SEGMENTATION_AUDIENCE", help="The audience; default: the only one."
    ),
]
Id = Annotated[str, typer.Argument(help="The document's id.")]
File = Annotated[Path, typer.Argument(help="A JSON document; - reads it from standard input.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Note = Annotated[str, typer.Option("--note", "-m", help="Why, for the history.")]


def confirm(question: str, *, yes: bool) -> None:
    """Ask; whoever does not say yes ends the command, and nothing is changed."""
    if not yes:
        typer.confirm(question, abort=True)


def read(file: Path) -> Any:
    """A JSON document of a file, or of standard input."""
    try:
        text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="file") from None
