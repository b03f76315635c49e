"""What the tests of collecting share."""

import pytest
from segmentation.usecases.collect_events import CollectEvents

from tests.fakes import MemoryEventLog
from tests.fakes.doors import make_door


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog()


@pytest.fixture
def collect(log: MemoryEventLog) -> CollectEvents:
    return CollectEvents(make_door(log))
