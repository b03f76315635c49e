"""Publication of runs that a test writes, and what must stand once they are published."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.programs import Programs
from segmentation.domain.publication import Task
from segmentation.domain.run import RunRecord, SegmentCount, run_id
from segmentation.language.types import Type
from segmentation.usecases.list_changes import ListChanges
from segmentation.usecases.list_members import ListMembers
from segmentation.usecases.publish_memberships import PublishMemberships
from segmentation.usecases.publish_part import PublishPart
from segmentation.usecases.update_visitors import UpdateVisitors

from tests.fakes import (
    FixedClock,
    MemoryLake,
    MemoryProfiles,
    MemoryQueue,
    MemoryTables,
    StaticRuleSets,
)
from tests.fakes.documents import published

NOW = 1_704_067_200
IDENTITY_COLUMNS = ("identities", "identities_joined", "identities_left")


@dataclass
class Publisher:
    """Publication of runs that a test writes."""

    lake: MemoryLake = field(default_factory=MemoryLake)
    tables: MemoryTables = field(default_factory=MemoryTables)
    profiles: MemoryProfiles = field(default_factory=MemoryProfiles)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    tasks: MemoryQueue = field(default_factory=MemoryQueue)
    runs: list[str] = field(default_factory=list)
    wrap: Callable[[Any], Any] = lambda store: store
    has_time: Callable[[], bool] = lambda: True
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))

    def __post_init__(self) -> None:
        self.sets = StaticRuleSets({"shop": published()})
        self.assemble()
        self.members = ListMembers(self.lake, self.sets)
        self.changes = ListChanges(self.lake, self.sets)

    def assemble(self) -> None:
        """Anew, as in a fresh process: nothing is remembered."""
        tables, lake, profiles, tasks, queue = map(
            self.wrap, (self.tables, self.lake, self.profiles, self.tasks, self.queue)
        )
        update = UpdateVisitors(profiles, queue, Programs(), self.clock)
        part = PublishPart(tables, lake, profiles, update)
        self.do = PublishMemberships(tables, lake, part, self.sets, tasks, queue)

    def publish(self, audience: str, run: str) -> list[str]:
        """Start publishing a run and do whatever comes of it; the runs whose publication that completed."""
        self.tasks.send([{"audience": audience, "run": run}])
        return self.work()

    def work(self, most: int = 1_000) -> list[str]:
        """Do tasks until none is left; one that fails comes back at the end."""
        completed: list[str] = []
        for _ in range(most):
            if not self.tasks.messages:
                return completed
            message = self.tasks.messages[0]
            completed += self.do(Task.from_document(message), self.has_time).runs
            self.tasks.messages.remove(message)
        raise AssertionError(f"it does not end: {self.tasks.messages}")

    def run(
        self,
        members: set[str],
        before: set[str] = frozenset(),  # type: ignore[assignment]
        keys: Mapping[str, Sequence[str]] | None = None,
        lost: Mapping[str, Sequence[str]] | None = None,
        new: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        """A committed run of one segment; with `keys`, of profiles with such identity keys, all of them `new` unless
        those are named; `lost` are no more."""
        run = run_id(NOW + 60 * len(self.runs), "0000")
        joined, left = members - before, before - members
        record = RunRecord(
            run=run,
            audience="shop",
            now=NOW,
            started=NOW,
            finished=NOW,
            audience_version="v",
            rules_version="r",
            profiles=len(members),
            segments=(SegmentCount("adults", "Adults", "batch", len(members), len(joined), len(left), "v"),),
            queries=(),
            attributes=("age", "country"),
            previous=self.runs[-1] if self.runs else None,
            identities=keys is not None,
        )
        self.lake.put(f"memberships/shop/{run}/run.json", _json(record))
        self.lake.put("memberships/shop/current.json", _json(record))
        types = {"profile_key": Type.STRING, "segments": Type.STRINGS}
        rows = [{"profile_key": key, "segments": ("adults",)} for key in sorted(members)]
        self.tables.write(f"memberships/shop/{run}/members/1", types, rows)
        columns: dict[str, Type] = {
            **types,
            **(dict.fromkeys(IDENTITY_COLUMNS, Type.STRINGS) if keys is not None else {}),
            "joined": Type.STRINGS,
            "left": Type.STRINGS,
            "age": Type.NUMBER,
            "country": Type.STRING,
        }
        changed = [
            {
                "profile_key": key,
                "segments": ("adults",) if key in members else (),
                "joined": ("adults",) if key in joined else (),
                "left": ("adults",) if key in left else (),
                "age": 20.0,
                "country": None,
                "identities": (keys or {}).get(key, ()),
                "identities_joined": (new if new is not None else keys or {}).get(key, ()),
                "identities_left": (lost or {}).get(key, ()),
            }
            for key in sorted(joined | left | {*(keys or {}), *(lost or {})})
        ]
        self.tables.write(f"memberships/shop/{run}/changes/1", columns, changed)
        self.runs.append(run)
        return run


def _json(record: RunRecord) -> bytes:
    return json.dumps(record.to_document()).encode()


def numbered(count: int) -> set[str]:
    return {f"{number:05d}" for number in range(count)}


def all_members(publisher: Publisher) -> list[str]:
    page = publisher.members("partner-token", "shop", "adults")
    found = list(page["members"])
    while page["next"]:
        page = publisher.members("partner-token", "shop", "adults", page["next"])
        found += page["members"]
    return found


def told(publisher: Publisher, run: str) -> dict[str, list[str]]:
    """Who is told of a run; each message once, however often it was sent."""
    messages = {one["id"]: one for one in publisher.queue.messages if one["run"] == run}.values()
    return {side: sorted(key for one in messages for key in one[side]) for side in ("joined", "left")}


def names(keys: set[str]) -> list[str]:
    return sorted(f"person_id:{key}" for key in keys)


def check_published(publisher: Publisher, states: Sequence[set[str]]) -> None:
    """All runs are published, each in its order, and everybody is where the last one left them."""
    assert publisher.lake.json("syndication/shop/index.json") == {"runs": publisher.runs}
    assert all_members(publisher) == sorted(states[-1])
    inside = {key for key, part in publisher.profiles.batch.items() if part.segments}
    assert inside == {f"shop#person_id:{key}" for key in states[-1]}
    before: set[str] = set()
    for run, state in zip(publisher.runs, states, strict=True):
        assert told(publisher, run) == {"joined": names(state - before), "left": names(before - state)}
        before = state


STATES = [numbered(9), numbered(9) - {"00003", "00004", "00005"} | {"x", "y"}]


def make_runs(publisher: Publisher) -> None:
    before: set[str] = set()
    for state in STATES:
        publisher.run(state, before)
        before = state
