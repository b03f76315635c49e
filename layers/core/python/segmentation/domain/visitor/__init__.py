"""What is kept of a visitor, and how events and time change the visitor's real-time membership.

Nothing here does I/O: `evaluate` takes a visitor's state, new events and a moment, and gives the new state, the
membership at that moment, the moment at which it may change by itself, and what changed.
"""

from .evaluation import BatchView, Outcome, evaluate, known_of
from .program import Program
from .state import Visitor
from .terms import MOST_EVENTS

__all__ = ["MOST_EVENTS", "BatchView", "Outcome", "Program", "Visitor", "evaluate", "known_of"]
