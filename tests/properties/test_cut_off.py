"""However events arrive, and wherever the functions are cut off, a visitor comes out the same.

The histories are those of `test_arrival`, which dies around its requests; here the process is gone at some line of the
code, between two requests or in the middle of what it makes of one.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.fakes.deadline import Cut, cut_after
from tests.properties.arrival_histories import check, histories
from tests.properties.arrival_world import Died, World

LINES = st.one_of(st.none(), st.integers(1, 400), st.integers(1, 6_000))
cut: list[bool] = []
"""Whether an invocation was cut, of all."""


class Hasty(World):
    """Its functions have deadlines, in lines of code, one after the other; then they have all the time."""

    def __init__(self, faults: dict[int, str], deadlines: list[int | None]) -> None:
        self.deadlines = iter(deadlines)
        super().__init__(faults)

    def calm(self) -> None:
        """Also for what is left of the deadlines: a sweep that is cut is made good by one that is not."""
        super().calm()
        self.deadlines = iter(())

    def function(self, behind: int) -> Any:
        evaluate, sweep = super().function(behind)
        return self._within(evaluate), self._within(sweep)

    def _within(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def hastily(*arguments: Any) -> Any:
            most = next(self.deadlines, None)
            if most is None:
                return act(*arguments)
            try:
                with cut_after(most):
                    return act(*arguments)
            except Cut:
                cut.append(True)
                raise Died from None

        return hastily


def test_wherever_functions_are_cut_off() -> None:
    cut.clear()

    @settings(max_examples=examples(60))
    @given(histories(), st.lists(LINES, min_size=1, max_size=12))
    def in_any_history(
        case: tuple[list[tuple[Any, ...]], dict[int, str]], deadlines: list[int | None]
    ) -> None:
        check(*case, world=lambda faults: Hasty(faults, deadlines))

    in_any_history()
    assert len(cut) >= examples(60)
