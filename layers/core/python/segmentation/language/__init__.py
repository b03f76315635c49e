"""The rule language: document -> checked typed tree -> {closures, Trino SQL}.

`rule-language` decisions that the code cites by number are those of the project's language contract.
"""

from .document import RuleSet, Segment, check_segment, load_rule_set, parse_document
from .problems import Problem, RuleError
from .types import Schema, Type

__all__ = [
    "Problem",
    "RuleError",
    "RuleSet",
    "Schema",
    "Segment",
    "Type",
    "check_segment",
    "load_rule_set",
    "parse_document",
]
