"""In-memory stand-ins for the ports. Each passes the same contract suite as its adapter (tests/contract)."""

from tests.fakes.lake import FakeUploads, MemoryLake, MemoryLakeCatalog, MemoryTables
from tests.fakes.profiles import MemoryProfiles
from tests.fakes.runs import MemoryRuns, MemorySizes
from tests.fakes.stores import (
    FakeSecrets,
    FakeWebhooks,
    FixedClock,
    MemoryEventLog,
    MemoryFailures,
    MemoryLimits,
    MemoryQueue,
    MemoryStreamMetrics,
    StaticRuleSets,
)
from tests.fakes.warehouse import FakeWarehouse

__all__ = [
    "FakeSecrets",
    "FakeUploads",
    "FakeWarehouse",
    "FakeWebhooks",
    "FixedClock",
    "MemoryEventLog",
    "MemoryFailures",
    "MemoryLake",
    "MemoryLakeCatalog",
    "MemoryLimits",
    "MemoryProfiles",
    "MemoryQueue",
    "MemoryRuns",
    "MemorySizes",
    "MemoryStreamMetrics",
    "MemoryTables",
    "StaticRuleSets",
]
