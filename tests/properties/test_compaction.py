"""Small files become one, in whatever order events, deaths and passes come."""

import contextlib
import random

from segmentation.domain.compaction import GRACE

from tests.examples import examples
from tests.fakes.kept_events import DAY, NOON, Killed, World, event


def test_random_orders_of_events_deaths_and_passes() -> None:
    for seed in range(examples(25)):
        chance = random.Random(seed)
        world = World()
        expected: set[tuple[str, str]] = set()
        for step in range(30):
            world.lake.deadly = -1
            match chance.randrange(4):
                case 0 | 1:
                    day = NOON - chance.randrange(3) * DAY
                    new = [event(f"e{step}-{n}", str(n), day) for n in range(chance.randrange(1, 4))]
                    again = world.sequence
                    world.archive(new)
                    if chance.random() < 0.3:
                        world.sequence = again
                        world.archive(new)
                    expected |= {(one.profile, one.id) for one in new}
                case 2:
                    world.clock.time += chance.choice([60, GRACE + 1, DAY, -600])
                case _:
                    world.lake.deadly = world.lake.writes + chance.randrange(6)
                    world.lake.after = chance.random() < 0.5
                    with contextlib.suppress(Killed):
                        world.compact()
            assert set(world.rows()) == expected, f"seed {seed}, step {step}"
        world.lake.deadly = -1
        for _ in range(4):
            world.clock.time += 2 * DAY
            world.compact()
        assert sorted(world.rows()) == sorted(expected), f"seed {seed}"
