"""What the tests of builds share."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.contract.conftest import Cloud
from tests.contract.workshop import Workshop

NUMBERS = count(1)


@pytest.fixture
def shop(cloud: Cloud) -> Iterator[Workshop]:
    made = Workshop(cloud, f"build{next(NUMBERS)}")
    yield made
    made.lake.delete_prefix(f"{made.database}/")
