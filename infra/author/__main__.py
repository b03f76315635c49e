"""`python -m infra.author [rules/authoring [rules/segments]]`: emit the segments written in Python as JSON.

Nothing is written unless all of them pass the check of the rule language; all that is wrong is printed.
"""

import argparse
import sys
from pathlib import Path

from .modules import AuthoringErrors, emit


def main(arguments: list[str] | None = None) -> int:
    """Write the documents; with `--check`, only say which of them differ."""
    parser = argparse.ArgumentParser(prog="python -m infra.author", description=__doc__)
    parser.add_argument("source", nargs="?", type=Path, default=Path("rules/authoring"))
    parser.add_argument("target", nargs="?", type=Path, default=Path("rules/segments"))
    parser.add_argument(
        "--audiences", type=Path, help="the folder of audience documents (default: beside the source)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a document differs")
    options = parser.parse_args(arguments)
    audiences = options.audiences or options.source.parent / "audiences"
    for folder in (options.source, options.target, audiences):
        if not folder.is_dir():
            parser.error(f"{folder} is no folder; run this from the project's root")
    try:
        documents = emit(options.source, audiences, options.target)
    except AuthoringErrors as error:
        print(error, file=sys.stderr)
        return 1
    differing = 0
    for name, text in documents.items():
        path = options.target / name
        current = path.read_text(encoding="utf-8") if path.exists() else None
        if current == text:
            print(f"unchanged  {path}")
            continue
        differing += 1
        print(f"{'differs' if options.check else 'written'}    {path}")
        if not options.check:
            path.write_text(text, encoding="utf-8")
    return 1 if options.check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
