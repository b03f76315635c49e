"""What was made of a deleted segment goes, wherever the removal is cut off."""

import pytest

from tests.fakes.fuse import Fuse, Killed
from tests.fakes.removals import World, check_gone


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_each_write_it_ends_whole(after: bool) -> None:
    at = 0
    while True:
        fuse = Fuse(at, after)
        world = World(fuse.wrap)
        world.delete()
        try:
            world.whole_way()
        except Killed:
            world.assemble()
            world.whole_way()
        check_gone(world)
        if fuse.writes <= at:
            break
        at += 1
    assert at > 8
