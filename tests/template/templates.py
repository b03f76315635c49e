"""Reading templates as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cfnlint.decode import decode

ROOT = Path(__file__).parents[2]

Template = dict[str, Any]


def load(path: Path) -> Template:
    """A template as plain data, short forms (`!Ref`) written out."""
    template, problems = decode(str(path))
    assert not problems, problems
    plain: Template = json.loads(json.dumps(template))
    return plain
