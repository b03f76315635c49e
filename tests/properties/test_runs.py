"""Batch runs, whatever happens: each ends once, and the pointers name good ones."""

from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation.domain.pipeline import Job, Outcome, Progress, State

from tests.examples import examples
from tests.fakes.batch import Rig
from tests.fakes.batch_world import STATEMENTS, World, check_whole
from tests.fakes.fuse import Killed

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("build"), st.just(0)),
        st.tuples(st.just("materialize"), st.just(0)),
        st.tuples(st.just("firing"), st.integers(0, 3)),
        st.tuples(st.just("finish"), st.integers(0, 5)),
        st.tuples(st.just("event"), st.integers(0, 40)),
        st.tuples(st.just("sweep"), st.just(0)),
        st.tuples(st.just("kill"), st.integers(0, 12)),
        st.tuples(st.just("interleave"), st.integers(0, 12)),
        st.tuples(st.just("clock"), st.integers(-100_000, 100_000)),
        st.tuples(st.just("throttle"), st.integers(1, 3)),
        st.tuples(st.just("passing"), st.sampled_from([0, 1, 2, 3, 4, 5, 6])),
        st.tuples(st.just("failing"), st.integers(0, len(STATEMENTS) + 1)),
        st.tuples(st.just("mended"), st.just(0)),
        st.tuples(st.just("stop"), st.integers(0, 5)),
    ),
    max_size=60,
)
SEGMENTS = ["buyers", "adults"]


class Chaos:
    """Does what a list of events says, and watches that no run ends twice."""

    def __init__(self) -> None:
        self.world = World()
        self.world.warehouse.instant = False
        self.other = Rig(
            self.world.rig.sets,
            self.world.warehouse,
            self.world.lake,
            self.world.runs,
            self.world.queue,
            self.world.clock,
            sizes=self.world.rig.sizes,
        )
        self.over: dict[tuple[str, str, str], State] = {}
        numbers = iter(range(10_000))
        self.other.new_suffix = lambda: f"f{next(numbers):03x}"
        self.other.assemble()

    def active(self) -> list[str]:
        queries = self.world.warehouse.queries
        return [one for one, status in queries.items() if status.outcome is Outcome.ACTIVE]

    def do(self, what: str, number: int) -> None:
        world, rig = self.world, self.world.rig
        fuse, warehouse = world.fuse, world.warehouse
        match what:
            case "build":
                rig.build("shop")
            case "materialize":
                rig.materialize("shop")
            case "firing":
                firing = f"2024-01-01T0{number}:00:00Z"
                rig.materialize("shop", requested="schedule", scheduled=firing)
            case "finish":
                for query in self.active()[: number + 1]:
                    warehouse.finish(query)
            case "event":
                rig.advance.query_ended(f"query-{number}")
            case "sweep":
                rig.advance.sweep()
            case "kill":
                fuse.at, fuse.after, fuse.what = fuse.writes + number // 2, bool(number % 2), None
            case "interleave":
                fuse.at, fuse.after = fuse.writes + number // 2, bool(number % 2)
                fuse.what = lambda: self.other.advance.sweep() and None
            case "clock":
                world.clock.time += number
            case "throttle":
                warehouse.throttled = number
            case "passing":
                warehouse.passing[STATEMENTS[number]] = 2
            case "failing":
                if number < len(STATEMENTS):
                    warehouse.failing[STATEMENTS[number]] = "broken"
                else:
                    warehouse.failing_segments[SEGMENTS[number - len(STATEMENTS)]] = "broken"
            case "mended":
                warehouse.failing.clear()
                warehouse.failing_segments.clear()
            case "stop":
                for query in self.active()[number : number + 1]:
                    warehouse.stop(query)

    def step(self, what: str, number: int) -> None:
        try:
            self.do(what, number)
        except Killed:
            self.world.rig.assemble()
        self.watch()

    def watch(self) -> None:
        world = self.world
        for key, run in world.runs.runs.items():
            if run.is_over:
                assert self.over.setdefault(key, run.state) is run.state
        if "memberships/shop/current.json" in world.lake.objects:
            run = world.runs.runs["shop", "materialize", world.current().run]
            assert run.is_committed or run.step in ("commit", "tell"), run
        if "audiences/shop/current.json" in world.lake.objects:
            version = world.lake.json("audiences/shop/current.json")["version"]
            run = world.runs.runs["shop", "build", version]
            assert run.is_committed or run.step in ("commit", "tell"), run

    def calm(self) -> None:
        """Trouble ends; the minutes pass."""
        world = self.world
        world.fuse.at, world.warehouse.throttled = -1, 0
        world.warehouse.failing.clear()
        world.warehouse.failing_segments.clear()
        world.warehouse.passing.clear()
        for job, begin in ((Job.BUILD, world.rig.build), (Job.MATERIALIZE, world.rig.materialize)):
            before = len([one for one in world.of(job) if one.is_committed])
            for _ in range(60):
                for query in self.active():
                    world.warehouse.finish(query)
                world.clock.time += 600
                world.rig.advance.sweep()
                self.watch()
                if world.runs.lock("shop", job).holder is None:
                    if len([one for one in world.of(job) if one.is_committed]) > before:
                        break
                    begin("shop")
        for _ in range(20):
            for query in self.active():
                world.warehouse.finish(query)
            world.rig.advance.sweep()
        self.watch()


@settings(max_examples=examples(150))
@given(EVENTS)
def test_whatever_happens_each_run_ends_once_and_the_pointers_name_good_ones(
    events: list[tuple[str, int]],
) -> None:
    chaos = Chaos()
    for what, number in events:
        chaos.step(what, number)
    chaos.calm()
    check_whole(chaos.world)
    for run in chaos.world.runs.runs.values():
        assert all(one.progress is not Progress.STARTED for one in run.statements) or not run.is_committed
