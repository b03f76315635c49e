"""The templates as data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.lint._sam import FUNCTION, properties
from infra.lint._stacks import Found, Stack

ROOT = Path(__file__).parents[2]
WHOLE = Stack.load(ROOT / "template.yaml")
"""template.yaml and the stacks nested in it."""
FUNCTIONS: dict[str, Found] = {found.name: found for found in WHOLE.every(FUNCTION)}
"""Every function of every stack, by logical id."""

Template = Mapping[str, Any]


def told(function: str) -> dict[str, Any]:
    """A function's environment variables, those of its template's Globals too."""
    found = FUNCTIONS[function]
    everyone = found.stack.template["Globals"]["Function"]["Environment"]["Variables"]
    own = properties(found.resource).get("Environment", {}).get("Variables", {})
    return {**everyone, **own}
