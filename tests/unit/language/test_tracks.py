"""A base's events, held while they come and go: as if they had been looked at afresh."""

from random import Random

import pytest
from segmentation.language.evaluate import Row
from segmentation.language.index.variables import Track


def figures(track: Track) -> tuple[list[int], list[float], list[int]]:
    """The times, and of each run of events that begins with the oldest what it sums up to and how many values it has."""
    sums = track.sums("amount")
    totals = [total - sums.totals[0] for total in sums.totals]
    return track.times, totals, [count - sums.counts[0] for count in sums.counts]


@pytest.mark.parametrize("seed", range(20))
def test_events_that_come_and_go_are_followed(seed: int) -> None:
    random = Random(seed)
    rows: tuple[Row, ...] = ()
    track, time = Track(rows), 0
    for number in range(60):
        figures(track)  # what is held must stay right, too
        time += random.randrange(3)
        columns = (
            {"amount": random.choice([random.random() * 100, 1e15, None])} if random.random() < 0.9 else {}
        )
        gone = min(len(rows), random.choice([0, 0, 1, 99]))
        rows = (*rows, Row(time, f"e{number}", columns))[gone:]
        assert track.extend(rows)
        assert figures(track) == figures(Track(rows))


def test_what_is_no_continuation_is_told() -> None:
    first, second, third, early = Row(1, "a"), Row(2, "b"), Row(3, "c"), Row(0, "d")
    for before, after in [
        ((first, second), ()),
        ((first, second), (first, second)),
        ((first, second), (first, third)),
        ((first, second), (second, first, third)),
        ((first,), (first, second, third)),
        ((first, second), (early, first, second)),
        ((first, second), (first, second, early)),
    ]:
        track = Track(before)
        assert not track.extend(after), (before, after)
        assert figures(track) == figures(Track(before))
