import pytest

from tests.management.support import Office


@pytest.fixture
def office() -> Office:
    return Office()
