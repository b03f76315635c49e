"""What the tests of publishing share."""

import pytest

from tests.fakes.publisher import Publisher


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few rows."""
    module = "segmentation.usecases.publish_memberships"
    monkeypatch.setattr(f"{module}.CHANGES_A_PART", 4)
    monkeypatch.setattr("segmentation.domain.publication.MEMBERS_A_PART", 3)
    monkeypatch.setattr(f"{module}.PAGES_A_TELLING", 2)
    monkeypatch.setattr("segmentation.usecases.publish_part.PAGE", 2)
    monkeypatch.setattr("segmentation.usecases.publish_part.PROFILES_AT_ONCE", 1)
