"""Faults that change nothing, with the reason: module -> (line of code, fault) -> why."""

UNNOTICED: dict[str, dict[tuple[str, str], str]] = {}
