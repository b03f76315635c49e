"""Bounds of a sampled count hold as often as they say, and are known figures where tables give some."""

import numpy as np
import pytest
from segmentation.domain.estimate import CONFIDENCE, Estimate, estimate


def test_known_figures() -> None:
    # Clopper and Pearson for 0 and 1 of 20 (any table of them): 0 to 16.84%, 0.13% to 24.87%.
    population = 1_000_000
    assert estimate(0, 20, population) == Estimate(0, 0, 168_434)
    assert estimate(1, 20, population) == Estimate(50_000, 1_265, 248_733)
    assert estimate(20, 20, population) == Estimate(1_000_000, 831_566, 1_000_000)
    # Wilson for 500 of 1,000, of very many: 46.91% to 53.09%.
    low, high = estimate(500, 1_000, 10**9).low, estimate(500, 1_000, 10**9).high
    assert (round(low / 10**7, 2), round(high / 10**7, 2)) == (46.91, 53.09)


def test_all_of_the_population_is_exact() -> None:
    assert estimate(7, 10, 10) == Estimate(7, 7, 7)
    assert estimate(7, 10, 10).exact
    assert estimate(0, 0, 0).exact
    assert estimate(0, 0, 9) == Estimate(0, 0, 9)


def test_whoever_was_seen_is_certain() -> None:
    found = estimate(50, 99, 100)
    assert (found.low, found.high) == (50, 51)


@pytest.mark.parametrize("members", [0, 1, 3, 20, 150, 5_000, 19_900, 20_000])
def test_bounds_hold(members: int) -> None:
    population, sample, rounds = 20_000, 2_000, 400
    # How many of a sample are members.
    draws = np.random.default_rng(members).hypergeometric(members, population - members, sample, rounds)
    held = 0
    for seen in map(int, draws):
        found = estimate(seen, sample, population)
        held += found.low <= members <= found.high
        assert found.low <= found.count <= found.high
    # Two standard errors of 400 rounds below what is stated.
    assert held / rounds >= CONFIDENCE - 0.022


def test_limits_are_of_the_members() -> None:
    found = Estimate(1_000, 900, 1_100)
    assert found.limited(950, None, 10_000) == Estimate(950, 900, 950)
    assert found.limited(None, 1_050, 10_000) == Estimate(105, 94, 115)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2 of 9"):
        estimate(3, 2, 9)
