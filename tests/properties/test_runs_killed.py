"""Killed between any two writes, or with another at work in between, all ends whole."""

import pytest

from tests.fakes.batch import Rig
from tests.fakes.batch_world import World, check_whole, whole_way
from tests.fakes.fuse import Fuse, Killed


def writes_of_a_whole_way() -> int:
    world = World()
    whole_way(world)
    check_whole(world)
    return world.fuse.writes


WRITES = writes_of_a_whole_way()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(WRITES))
def test_killed_at_each_write_it_ends_whole(at: int, after: bool) -> None:
    world = World(fuse=Fuse(at, after))
    with pytest.raises(Killed):
        whole_way(world)
    world.rig.assemble()
    for _ in range(3):
        world.rig.advance.sweep()
    whole_way(world)
    check_whole(world)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(WRITES))
def test_two_invocations_at_once_at_each_write_do_what_one_does(at: int, after: bool) -> None:
    """Another process sweeps, or starts the same, in the middle of this one's work."""
    world = World()
    other = Rig(
        world.rig.sets,
        world.warehouse,
        world.lake,
        world.runs,
        world.queue,
        world.clock,
        sizes=world.rig.sizes,
    )
    other.new_suffix = lambda: "beef"
    other.assemble()
    world.fuse.at, world.fuse.after, world.fuse.what = at, after, lambda: other.advance.sweep()
    whole_way(world)
    check_whole(world)
