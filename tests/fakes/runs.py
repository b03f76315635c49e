"""Runs and sizes in memory. What goes wrong is set as plain attributes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from segmentation.domain.errors import Unavailable
from segmentation.domain.pipeline import Job, Lock, Run, released
from segmentation.domain.sizes import SizePoint


@dataclass
class MemoryRuns:
    """Runs and locks in dictionaries."""

    runs: dict[tuple[str, str, str], Run] = field(default_factory=dict)
    locks: dict[tuple[str, str], Lock] = field(default_factory=dict)
    closed: bool = False

    def _open(self) -> None:
        if self.closed:
            raise Unavailable("runs cannot be written: ThrottlingException")

    def lock(self, audience: str, job: Job) -> Lock:
        return self.locks.get((audience, job), Lock(audience, job))

    def held(self) -> list[Lock]:
        return [one for _, one in sorted(self.locks.items()) if one.holder is not None]

    def begin(self, run: Run, lock: Lock) -> bool:
        self._open()
        key = (run.audience, str(run.job), run.id)
        return key not in self.runs and self.change(lock) and self._put(run)

    def change(self, lock: Lock) -> bool:
        self._open()
        if self.lock(lock.audience, lock.job).version != lock.version - 1:
            return False
        self.locks[lock.audience, lock.job] = lock
        return True

    def read(self, audience: str, job: Job, run: str) -> Run | None:
        return self.runs.get((audience, str(job), run))

    def save(self, run: Run) -> bool:
        self._open()
        stored = self.read(run.audience, run.job, run.id)
        if stored is None or stored.version != run.version - 1:
            return False
        if run.is_over:
            lock = self.lock(run.audience, run.job)
            if lock.holder != run.id:
                return False
            self.locks[run.audience, run.job] = released(lock, run)
        return self._put(run)

    def note(self, run: Run) -> None:
        self._open()
        self._put(run)

    def _put(self, run: Run) -> bool:
        self.runs[run.audience, str(run.job), run.id] = run
        return True

    def recent(self, audience: str, job: Job, most: int = 100, before: str | None = None) -> list[Run]:
        found = [run for key, run in sorted(self.runs.items(), reverse=True) if key[:2] == (audience, job)]
        return [run for run in found if before is None or run.id < before][:most]

    def forget(self, audience: str) -> None:
        self.runs = {key: one for key, one in self.runs.items() if key[0] != audience}
        self.locks = {key: one for key, one in self.locks.items() if key[0] != audience}


@dataclass
class MemorySizes:
    """Points by audience, segment, moment and run."""

    points: dict[tuple[str, str, int, str], SizePoint] = field(default_factory=dict)

    def add(self, audience: str, points: Sequence[SizePoint], written: int) -> None:
        for one in points:
            self.points[audience, one.segment, one.now, one.run] = one

    def of(self, audience: str, segment: str, since: int, until: int) -> list[SizePoint]:
        found = sorted((key, one) for key, one in self.points.items() if key[:2] == (audience, segment))
        return [one for _, one in found if since <= one.now < until]

    def forget(self, audience: str, segment: str) -> None:
        self.points = {key: one for key, one in self.points.items() if key[:2] != (audience, segment)}
