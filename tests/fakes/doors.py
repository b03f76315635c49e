"""The way in for events, on fakes."""

import itertools
from typing import Any

from segmentation.usecases.collect_events import Door

from tests.fakes import FakeSecrets, FixedClock, MemoryEventLog, MemoryLimits, StaticRuleSets
from tests.fakes.documents import documents, published

NOW = 1_700_000_000


def make_door(log: MemoryEventLog, **document: Any) -> Door:
    """A door of the small audience, or of one with these parts changed; new ids are new-1, new-2, ..."""
    ids = itertools.count(1)
    sets = StaticRuleSets({"shop": published(**{**documents(), **document})})
    return Door(log, sets, MemoryLimits(), FakeSecrets(), FixedClock(NOW), lambda: f"new-{next(ids)}")
