"""The rule language: a small compiler.

    document --check--> typed tree --normal--> normal form --+--> index       events, in microseconds
                                                             +--> sql         all batch segments, one query
                                                             +--> lower       guarded JSON-Logic, for an oracle
                                                             +--> sentence    plain English
                                                             +--> explain     why a profile is in, or is not

| module | what |
|---|---|
| `document` | documents -> `RuleSet`; `limits` and `schedule` are what else a document says |
| `check` | JSON -> tree, every problem at once (`problems`, `hints`); first of all `caps` on size |
| `tree`, `types`, `values`, `times`, `patterns` | what a tree is made of |
| `operators/` | one operator in one place: how it is read, its Python, SQL, JSON-Logic and sentence |
| `normal` | equal rules become equal trees; their hash is the version |
| `evaluate` | the tree as closures over what is known of one profile; `moments`: when they may change by themselves |
| `index/` | all rules of an audience compiled together (its own table of modules) |
| `sql`, `sql_plan`, `sql_events` | the members query; `sqltext` and `sql_parts` put text into it; `partitions` prune it; `sql_view`, `sql_layout` show it |
| `clauses` | how `sentence` joins conditions |
| `pattern_tree`, `pattern_shape`, `automaton` | what patterns are, what keeps them cheap in Trino, searching in linear time |

Decisions that the code cites by number are those of the project's language contract.
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
