"""What the tests of lists share."""

import pytest

from tests.fakes.uploads_world import World


@pytest.fixture
def world() -> World:
    return World()
