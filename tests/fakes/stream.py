"""The stream's evaluator with everything around it: the store, the sweeper, and a website that asks."""

from dataclasses import dataclass, field

from segmentation.domain.event import Event
from segmentation.domain.programs import Programs
from segmentation.domain.stream import StreamRecord
from segmentation.usecases.evaluate_events import Evaluated, EvaluateEvents
from segmentation.usecases.personalize import Personalize
from segmentation.usecases.read_profiles import ReadProfiles
from segmentation.usecases.sweep_memberships import SweepMemberships
from segmentation.usecases.tokens import Tokens
from segmentation.usecases.update_visitors import UpdateVisitors

from .documents import published
from .profiles import MemoryProfiles
from .stores import FakeSecrets, FixedClock, MemoryFailures, MemoryLimits, MemoryQueue, StaticRuleSets

NOW = 1_700_000_000


@dataclass
class Stream:
    """The functions of the event path over one store."""

    profiles: MemoryProfiles = field(default_factory=MemoryProfiles)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    failures: MemoryFailures = field(default_factory=MemoryFailures)
    sets: StaticRuleSets = field(default_factory=lambda: StaticRuleSets({"shop": published()}))

    def __post_init__(self) -> None:
        programs = Programs()
        self.personalize = Personalize(
            Tokens(self.sets, MemoryLimits(), FakeSecrets()),
            ReadProfiles(self.profiles, programs),
            self.clock,
        )
        self.update = UpdateVisitors(self.profiles, self.queue, programs, self.clock)
        self.evaluate = EvaluateEvents(self.update, self.sets, self.failures, self.clock)
        self.sweep = SweepMemberships(self.update, self.profiles, self.sets, self.clock)

    def deliver(self, *records: Event | bytes) -> Evaluated:
        """Records in one batch, numbered from 0."""
        return self.evaluate(
            StreamRecord(str(number), one if isinstance(one, bytes) else one.to_json())
            for number, one in enumerate(records)
        )
