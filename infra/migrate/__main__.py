"""`python -m infra.migrate treasure-data rule.json --audience audience.json -o out.json`

Converts a segment rule of Treasure Data. Differences in meaning go to the error output; if anything cannot
be carried, all of it is listed and nothing is written.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from segmentation.domain.audience_document import parse_audience
from segmentation.language import RuleError

from infra.layout import pretty

from .treasure_data import Options, convert


def main(arguments: list[str] | None = None) -> int:
    """Convert one rule; 1 if it cannot be carried whole."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.migrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="system", required=True)
    command = commands.add_parser("treasure-data", help="a segment rule of Treasure Data")
    command.add_argument("rule", type=Path, help="the rule, or the segment that holds it, as JSON")
    command.add_argument("--audience", type=Path, required=True, help="the audience document")
    command.add_argument("-o", "--output", type=Path, help="where to write (default: standard output)")
    command.add_argument("--references", type=Path, help="JSON object: segment id there -> id here")
    command.add_argument("--id", default="", help="the segment's id here (default: from its name)")
    command.add_argument("--name", default="", help="the segment's name")
    command.add_argument("--kind", choices=("batch", "realtime"), default="batch")
    command.add_argument(
        "--let-missing-in",
        action="store_true",
        help="negated comparisons include people whose value is missing (SQL drops them, and so does the converter)",
    )
    command.add_argument(
        "--approximate-months",
        action="store_true",
        help="take a month for 30 days, a quarter for 91, a year for 365",
    )
    command.add_argument("--report", type=Path, help="write problems and notes there as JSON, too")
    options = parser.parse_args(arguments)
    try:
        audience = parse_audience(_read(options.audience))
        source = _read(options.rule)
        references = _read(options.references) if options.references else {}
    except (OSError, ValueError, RuleError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 2
    if not isinstance(source, dict) or not isinstance(references, dict):
        print("cannot start: the rule and the references are JSON objects", file=sys.stderr)
        return 2
    migration = convert(
        source,
        audience,
        Options(
            references={str(there): str(here) for there, here in references.items()},
            keep_missing_out=not options.let_missing_in,
            approximate_months=options.approximate_months,
            identifier=options.id,
            name=options.name,
            kind=options.kind,
        ),
    )
    for title, entries in (("cannot be carried", migration.problems), ("differs", migration.notes)):
        for entry in entries:
            print(f"{title}: {entry}", file=sys.stderr)
    if options.report:
        options.report.write_text(
            json.dumps({"problems": _plain(migration.problems), "notes": _plain(migration.notes)}, indent=2)
            + "\n",
            encoding="utf-8",
        )
    if migration.document is None:
        return 1
    text = pretty(migration.document)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


def _plain(entries: Any) -> list[dict[str, str]]:
    return [{"pointer": e.pointer, "code": e.code, "message": e.message} for e in entries]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
