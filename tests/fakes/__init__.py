"""In-memory stand-ins for the ports. Each passes the same contract suite as its adapter (tests/contract)."""

from tests.fakes.stores import (
    FakeSecrets,
    FakeUploads,
    FakeWarehouse,
    FakeWebhooks,
    FixedClock,
    MemoryEventLog,
    MemoryFailures,
    MemoryLake,
    MemoryLakeCatalog,
    MemoryLimits,
    MemoryProfiles,
    MemoryQueue,
    MemoryRuns,
    MemorySizes,
    MemoryTables,
    StaticRuleSets,
)

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
    "MemoryTables",
    "StaticRuleSets",
]
