"""`python -m infra.validate_audience rules/audiences/shop.json --workgroup NAME`: look at an audience's raw tables.

Reports row counts, key uniqueness, join match rates, missing and unreadable values, and samples of what is `clear`, before
anything is built. Works on AWS with the account that boto3 finds, and on the embedded cloud with AWS_ENDPOINT_URL set.
Ends with 0 if the audience can be built so, 1 if not, 2 if that could not be found out.
"""

import argparse
import json
import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError
from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.clock import SystemClock
from segmentation.domain.audience_document import parse_audience
from segmentation.domain.errors import Unavailable
from segmentation.domain.run import instant
from segmentation.domain.validation import TableReport, Validation
from segmentation.language import RuleError, parse_document
from segmentation.usecases.validate_audience import ValidateAudience

MOMENTS = ("earliest", "latest")


def lines(validation: Validation) -> list[str]:
    """The report for a person."""
    found = [line for table in validation.tables for line in _table(table)]
    found += [f"{one.severity}: {one.pointer}: {one.message}" for one in validation.findings]
    errors = sum(one.severity == "error" for one in validation.findings)
    warnings = len(validation.findings) - errors
    verdict = "can be built" if validation.sound else "cannot be built so"
    return [
        *found,
        f"{validation.audience} {verdict}: {errors} errors, {warnings} warnings; "
        f"{validation.queries} queries scanned {validation.bytes_scanned:,} bytes",
    ]


def _table(table: TableReport) -> list[str]:
    figures = ", ".join(
        f"{name} {'-' if value is None else instant(value) if name in MOMENTS else f'{value:,}'}"
        for name, value in table.figures.items()
    )
    found = [f"{table.pointer} ({table.table}): {figures}"]
    for name, one in table.columns.items():
        found.append(f"  {name}: {one.missing_share:.1%} missing, {one.unreadable_share:.1%} unreadable")
    for sample in table.samples:
        found.append(f"  e.g. {json.dumps(sample, ensure_ascii=False)}")
    return [*found, ""]


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m infra.validate_audience", description=__doc__)
    parser.add_argument("document", type=Path, help="an audience document, e.g. rules/audiences/shop.json")
    parser.add_argument(
        "--workgroup", required=True, help="Athena's (output AthenaWorkGroupName of the stack)"
    )
    parser.add_argument(
        "--database", default="segmentation", help="of the Glue catalog; default: segmentation"
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    options = parser.parse_args(arguments)
    try:
        audience = parse_audience(parse_document(options.document.read_text(encoding="utf-8")))
        warehouse = AthenaWarehouse(
            boto3.client("athena"), boto3.client("glue"), options.workgroup, options.database
        )
        validation = ValidateAudience(warehouse, SystemClock())(audience)
    except RuleError as error:
        for problem in error.problems:
            print(f"{options.document}: {problem}", file=sys.stderr)
        return 1
    except (Unavailable, BotoCoreError, OSError) as error:
        print(f"not looked at: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(validation.to_document(), indent=1, ensure_ascii=False))
    else:
        print("\n".join(lines(validation)))
    return 0 if validation.sound else 1


if __name__ == "__main__":
    sys.exit(main())
