"""Filters of event source mappings: patterns that say which values a record must have, and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.local.errors import TemplateError


def check_pattern(pattern: Any, where: str) -> None:
    """Of filter patterns, lists of exact values are known; all others are refused."""
    if isinstance(pattern, Mapping):
        for one in pattern.values():
            check_pattern(one, where)
    elif not isinstance(pattern, list) or not all(isinstance(one, str | int | float) for one in pattern):
        raise TemplateError(f"{where}: the embedded cloud does not know the filter {json.dumps(pattern)}")


def matches(pattern: Mapping[str, Any], record: Any) -> bool:
    """Whether a record has, at each place that the pattern names, one of the values named there."""
    if not isinstance(record, Mapping):
        return False
    return all(
        name in record
        and (matches(wanted, record[name]) if isinstance(wanted, Mapping) else record[name] in wanted)
        for name, wanted in pattern.items()
    )
