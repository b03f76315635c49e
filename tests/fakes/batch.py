"""The batch path put together over whatever stores a test has."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.pipeline import Run
from segmentation.domain.published import Published
from segmentation.ports import Clock, Lake, LakeCatalog, Queue, Runs, Sizes, Warehouse
from segmentation.usecases.advance_runs import AdvanceRuns
from segmentation.usecases.build_audience import BuildAudience, BuildSteps
from segmentation.usecases.clean_runs import CleanRuns
from segmentation.usecases.materialize_segments import MaterializeSegments, MaterializeSteps
from segmentation.usecases.run_engine import RunEngine

from tests.fakes.lake import MemoryLake, MemoryLakeCatalog
from tests.fakes.runs import MemoryRuns, MemorySizes
from tests.fakes.stores import FixedClock, MemoryQueue, StaticRuleSets
from tests.fakes.warehouse import FakeWarehouse


class RunFailed(Exception):
    """A run that a test waits for did not end well."""


@dataclass
class Rig:
    """`build`, `materialize` and `advance` as the three functions have them."""

    sets: dict[str, Published]
    warehouse: Warehouse = field(default_factory=FakeWarehouse)
    lake: Lake = field(default_factory=MemoryLake)
    runs: Runs = field(default_factory=MemoryRuns)
    queue: Queue = field(default_factory=MemoryQueue)
    clock: Clock = field(default_factory=FixedClock)
    lake_catalog: LakeCatalog = field(default_factory=MemoryLakeCatalog)
    sizes: Sizes = field(default_factory=MemorySizes)
    logical_now: int | None = None
    kept_seconds: int = 7 * 86_400
    pause: float = 0.0
    """Seconds between two looks at a real warehouse."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    """What ids of runs end in; a real warehouse remembers those of other tests."""
    wrap: Callable[[Any], Any] = lambda store: store
    """Puts something between the use cases and each store."""

    def __post_init__(self) -> None:
        self.new_suffix = lambda: f"{next(self.numbers):04x}"
        self.assemble()

    def assemble(self) -> None:
        """Anew, as in a fresh process: nothing is remembered."""
        rule_sets = StaticRuleSets(self.sets)
        warehouse, lake, runs, queue = map(self.wrap, (self.warehouse, self.lake, self.runs, self.queue))
        sizes = self.wrap(self.sizes)
        engine = RunEngine(warehouse, runs, self.clock, self.new_suffix)
        building = BuildSteps(warehouse, lake, rule_sets, self.lake_catalog)
        materializing = MaterializeSteps(warehouse, lake, runs, rule_sets, queue, sizes, self.logical_now)
        self.build = BuildAudience(engine, building, rule_sets)
        self.materialize = MaterializeSegments(engine, materializing, rule_sets)
        self.advance = AdvanceRuns(
            engine,
            building,
            materializing,
            CleanRuns(warehouse, lake, runs, self.kept_seconds),
            lake,
            runs,
            rule_sets,
            self.clock,
        )

    def finish(self, run: Run, seconds: float = 30) -> Run:
        """Sweep until a run has ended, and well."""
        deadline = time.monotonic() + seconds
        while not run.is_over:
            time.sleep(self.pause)
            self.advance.sweep()
            found = self.runs.read(run.audience, run.job, run.id)
            assert found is not None
            run = found
            assert time.monotonic() < deadline, f"still at {run.step}: {run}"
        if not run.is_committed:
            raise RunFailed(run.error)
        return run


def the_run(runs: list[Run]) -> Run:
    """The one run that was started."""
    (run,) = runs
    return run
