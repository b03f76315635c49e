"""What the tests of batch runs share."""

import pytest

from tests.fakes.batch_world import World


@pytest.fixture
def world() -> World:
    return World()
