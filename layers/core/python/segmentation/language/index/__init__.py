"""The index: all rules of an audience compiled together, so that an event costs what it changes.

    index = Index.compile([(segment.id, segment.rule), ...], "Europe/Berlin")   # in dependency order
    bits = index.evaluate(evaluation)             # bitmap: bit i set <=> index.names[i] holds
    index.members(bits)                           # -> list of segment ids

    state = index.start(evaluation)               # the same, kept for updates; state.result, state.due
    after = index.update(state, later, bases=[...], attributes=[...], segments=[...])
    joined, left = after & ~before, before & ~after

    artifact = index.dump(); index = Index.load(artifact)

`evaluation` is an `evaluate.Evaluation`, the same that closures take: its `segments` hold the segments
outside of the index on entry. The results equal those of the closures, run in dependency order, for every
rule.

How it works, one module a step:

| module | what |
|---|---|
| `regions` | any condition on one variable as one set of values |
| `literals` | a rule -> AND of ORs of literals; what does not fit becomes a closure's literal |
| `tables` | variable's value -> bitmap of the literals it changes, made on demand |
| `layers` | where literals stand in the bitmap, moving ones apart, and the fold into results |
| `standing` | which literals hold of a profile, and which rules follow |
| `variables` | how a variable is read of a profile, and until when its value stands |
| `numbering` | bit -> segment id and back |
| `compiled` | the artifact |
| `evaluator` | `Index` and `State` |
"""

from .codec import plain_base, read_base
from .compiled import ArtifactError, Compiled, compile_rules, pack, unpack
from .evaluator import Index, State
from .numbering import Numbering, positions_of
from .variables import NEVER

__all__ = [
    "NEVER",
    "ArtifactError",
    "Compiled",
    "Index",
    "Numbering",
    "State",
    "compile_rules",
    "pack",
    "plain_base",
    "positions_of",
    "read_base",
    "unpack",
]
