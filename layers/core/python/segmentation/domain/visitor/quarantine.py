"""A rule that fails while it is evaluated fails closed, for that segment alone.

The language leaves nothing to fail: missing values and overflow have a meaning. So an exception is a bug of ours, and
must not cost the visitor the other segments. Which rules fail is found by halving; then all others are evaluated as
one program. A visitor is not in the segment of a rule that failed, and looked at again within the hour.
"""

import logging
from collections.abc import Callable, Sequence

from msgspec.structs import replace
from segmentation.language import RuleSet
from segmentation.language.index import State
from segmentation.language.tree import Node

from ..event import Event
from .evaluation import BatchView, Outcome, evaluate
from .program import Program
from .state import Visitor

MOST_PROGRAMS = 8
"""Sets of failing rules that are remembered."""
MOST_NAMED = 20
"""Failing rules that are named in the log."""
RETRY = 3_600
"""Seconds after which a visitor for whom a rule failed is evaluated again, if nothing happens before."""

logger = logging.getLogger("segmentation.quarantine")


class Guarded:
    """The program of a rule set, and the same without the rules that have failed for somebody."""

    def __init__(
        self, program: Program, rules: Callable[[], RuleSet], ahead: Callable[[], Sequence[Node]] = tuple
    ) -> None:
        """`ahead`: rules that do not answer yet."""
        self._rules = rules
        self._ahead = ahead
        self.program = program
        self._without: dict[frozenset[str], Program] = {}

    def evaluate(
        self,
        key: str,
        visitor: Visitor,
        batch: BatchView | None,
        events: Sequence[Event],
        now: int,
        *,
        continuous: bool = True,
        standing: State | None = None,
        ahead: bool = False,
        stored: bool = True,
    ) -> tuple[Outcome, frozenset[str]]:
        """As `evaluate`, and the segments whose rules failed. Raises what is no rule's failure."""

        def attempt(program: Program, standing: State | None = None) -> Outcome:
            return evaluate(
                program, key, visitor, batch, events, now,
                continuous=continuous, standing=standing, ahead=ahead, stored=stored,
            )  # fmt: skip

        try:
            return attempt(self.program, standing), frozenset()
        except Exception as error:
            for failed, program in [*self._without.items()]:
                try:
                    return _closed(attempt(program)), failed
                except Exception:
                    logger.debug("other rules fail too")
            found = self._failing(attempt, sorted(self.program.names))
            if not found:
                raise
            logger.error(
                "%d rules failed, their segments are closed to a visitor: %s: %s",
                len(found),
                sorted(found)[:MOST_NAMED],
                type(error).__name__,
            )
        failed = frozenset(found)
        if len(self._without) >= MOST_PROGRAMS:
            self._without.clear()
        healthy = self.program.names - failed
        program = Program(self._rules(), only=healthy, keep=True, ahead=self._ahead())
        try:
            outcome = attempt(program)
        except Exception:  # it is what says which events to keep that fails
            program = Program(self._rules(), only=healthy)
            outcome = attempt(program)
        self._without[failed] = program
        return _closed(outcome), failed

    def _failing(self, attempt: Callable[[Program], Outcome], names: Sequence[str]) -> set[str]:
        """Those of some segments whose rules fail by themselves."""
        try:
            attempt(Program(self._rules(), only=frozenset(names)))
        except Exception:
            if len(names) == 1:
                return {*names}
            half = len(names) // 2
            return self._failing(attempt, names[:half]) | self._failing(attempt, names[half:])
        return set()


def _closed(outcome: Outcome) -> Outcome:
    """The outcome of a part of the rules: nothing of it is held, and it is looked at again."""
    visitor = outcome.visitor
    retry = visitor.computed + RETRY
    due = retry if visitor.due is None else min(visitor.due, retry)
    return replace(outcome, visitor=replace(visitor, due=due), standing=None)
