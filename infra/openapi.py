"""`python -m infra.openapi`: writes the management API's OpenAPI document, which is made of the code, beside this file."""

import argparse
import sys
from pathlib import Path

from segmentation.runtime.management.openapi import document
from segmentation.runtime.management.serve import OPERATIONS

from infra.layout import pretty

TARGET = Path(__file__).with_name("management.openapi.json")


def main(arguments: list[str] | None = None) -> int:
    """Write the document; with `--check`, only say whether it differs."""
    parser = argparse.ArgumentParser(prog="python -m infra.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file differs")
    options = parser.parse_args(arguments)
    text = pretty(document(OPERATIONS))
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{'differs' if options.check else 'written'}    {TARGET.name}")
    if options.check:
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
