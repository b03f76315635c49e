"""Sizes: the fake and DynamoDB."""

from dataclasses import replace

import pytest
from segmentation.adapters.sizes import DynamoSizes
from segmentation.domain.errors import Unavailable
from segmentation.domain.sizes import SizePoint
from segmentation.ports import Sizes

from tests.contract.conftest import Client
from tests.contract.runs_table import make_runs_table
from tests.fakes import MemorySizes

NOW = 1_704_067_200
POINT = SizePoint("adults", "20240101t000000z_0001", NOW, 5, 2, 1)


@pytest.fixture(params=["fake", "dynamodb"])
def sizes(request: pytest.FixtureRequest) -> Sizes:
    if request.param == "fake":
        return MemorySizes()
    client: Client = request.getfixturevalue("client")
    make_runs_table(client("dynamodb"))
    return DynamoSizes(client("dynamodb"), "runs")


def test_points_come_back_by_moment(sizes: Sizes) -> None:
    points = [replace(POINT, now=NOW + 60 * n, run=f"r{n}", backfill=bool(n % 2)) for n in range(60)]
    sizes.add("shop", points[::-1], NOW)
    sizes.add("shop-two", [replace(POINT, size=9)], NOW)
    sizes.add("shop", [replace(POINT, segment="buyers")], NOW)
    assert sizes.of("shop", "adults", 0, 10**11) == points
    assert sizes.of("shop", "adults", NOW + 60, NOW + 180) == points[1:3]
    assert sizes.of("shop", "nothing", 0, 10**11) == []


def test_a_point_that_is_kept_again_is_one_point(sizes: Sizes) -> None:
    sizes.add("shop", [POINT], NOW)
    sizes.add("shop", [replace(POINT, size=6)], NOW)
    assert sizes.of("shop", "adults", NOW, NOW + 1) == [replace(POINT, size=6)]
    sizes.add("shop", [], NOW)


def test_a_segment_is_forgotten_and_no_other(sizes: Sizes) -> None:
    sizes.add("shop", [replace(POINT, run=f"r{n}") for n in range(30)], NOW)
    sizes.add("shop", [replace(POINT, segment="adults-too")], NOW)
    sizes.forget("shop", "adults")
    sizes.forget("shop", "nothing")
    assert sizes.of("shop", "adults", 0, 10**11) == []
    assert len(sizes.of("shop", "adults-too", 0, 10**11)) == 1


def test_what_the_table_does_not_take_is_sent_again_and_said_in_the_end() -> None:
    class Full:
        calls = 0

        def batch_write_item(self, RequestItems: dict[str, list[object]]) -> dict[str, object]:
            self.calls += 1
            return {"UnprocessedItems": {"runs": RequestItems["runs"][1:]}}

    client, waits = Full(), []
    sizes = DynamoSizes(client, "runs", waits.append)
    sizes.add("shop", [replace(POINT, run=f"r{n}") for n in range(4)], NOW)
    assert (client.calls, len(waits)) == (4, 3)
    with pytest.raises(Unavailable, match="takes no more"):
        sizes.add("shop", [replace(POINT, run=f"r{n}") for n in range(20)], NOW)
