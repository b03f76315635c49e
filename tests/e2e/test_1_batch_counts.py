"""Batch segments through the whole path against a count by hand over the raw files."""

import pytest

from .conftest import Path
from .counts import DERIVED, QUERIES, count_by_hand


@pytest.fixture(scope="module")
def by_hand() -> dict[str, set[str]]:
    return count_by_hand()


def test_every_batch_segment_is_counted_by_hand(path: Path) -> None:
    assert {segment["id"] for segment in path.record["segments"]} == {*QUERIES, *DERIVED}
    assert len(path.record["segments"]) >= 8


@pytest.mark.parametrize("segment", [*QUERIES, *DERIVED])
def test_size_and_members_equal_the_count_by_hand(
    path: Path, by_hand: dict[str, set[str]], segment: str
) -> None:
    """The size is the run's; the members are fetched as a partner fetches them."""
    expected = by_hand[segment]
    size = next(one["size"] for one in path.record["segments"] if one["id"] == segment)
    members = path.stage.members(segment)
    assert 0 < len(expected) < 2_469
    assert size == len(expected)
    assert len(members) == len(set(members))
    assert set(members) == expected


def test_the_audience_has_every_household_and_every_purchase(path: Path) -> None:
    assert path.record["profiles"] == 2_469
    assert "2,469 profiles, 1,469,307 purchases" in path.printed
