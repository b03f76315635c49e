"""A batch run as a state machine: what a run is, and what follows from what happened to it.

Everything here is pure. A run is one item of the runs store; each transition is one conditional write of it, so of
two invocations at once one goes on and the other looks again. What a run asks of the world (`todo`) may be done
twice: a statement is started under a token of its own (`token`), a pointer is put only over the one that was there.

| module | what |
|---|---|
| `run` | a run as it is kept, its ends, its bill |
| `statement` | one of its statements: attempts, waiting, what the warehouse said |
| `transitions` | the steps, and what comes next |
| `splitting` | segments that fail are found by halving the query that they are in |
| `lock` | one run of a job at a time; when what failed is due again |
"""

from .lock import Lock, released, retry_at
from .run import (
    BY_SCHEDULE,
    COST_PER_BYTE,
    LEAST_BYTES,
    MOST_SECONDS,
    Bill,
    FailedSegments,
    Job,
    Run,
    State,
    bill,
    committed,
    ended,
    expired,
    failed,
    skipped,
)
from .splitting import MOST_FAILED_GROUPS
from .statement import ATTEMPTS, BACKOFF, LONGEST_BACKOFF, Outcome, Progress, QueryStatus, Statement
from .transitions import (
    SAMPLE,
    Act,
    Todo,
    delayed,
    observed,
    planned_build,
    planned_materialize,
    refused,
    settled,
    started,
    todo,
    token,
)

__all__ = [
    "ATTEMPTS",
    "BACKOFF",
    "BY_SCHEDULE",
    "COST_PER_BYTE",
    "LEAST_BYTES",
    "LONGEST_BACKOFF",
    "MOST_FAILED_GROUPS",
    "MOST_SECONDS",
    "SAMPLE",
    "Act",
    "Bill",
    "FailedSegments",
    "Job",
    "Lock",
    "Outcome",
    "Progress",
    "QueryStatus",
    "Run",
    "State",
    "Statement",
    "Todo",
    "bill",
    "committed",
    "delayed",
    "ended",
    "expired",
    "failed",
    "observed",
    "planned_build",
    "planned_materialize",
    "refused",
    "released",
    "retry_at",
    "settled",
    "skipped",
    "started",
    "todo",
    "token",
]
