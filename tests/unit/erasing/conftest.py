"""What the tests of erasing share."""

import pytest
from segmentation.domain.profile import BatchPart

from tests.fakes.identities import NOW, C, E, P, event
from tests.unit.erasing.privacy import OTHER, Privacy


@pytest.fixture
def privacy() -> Privacy:
    return Privacy()


@pytest.fixture
def known(privacy: Privacy) -> Privacy:
    """A customer with a cookie and an e-mail address, and another one."""
    shop = privacy.shop
    shop.profiles.batch[f"shop#{P}"] = BatchPart("run1", NOW, ("bought",), {"country": "DE"}, identities=(E,))
    shop.profiles.batch[f"shop#{E}"] = BatchPart("run1", NOW, (), owner=P)
    shop.deliver(event("1", C), event("2", P, C), event("3", OTHER))
    shop.queue.messages.clear()
    return privacy
