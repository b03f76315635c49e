"""Moments relative to now: `within`, `older_than`, `within_next`, `during` over a timestamp or a date."""

from typing import TYPE_CHECKING, Any

from .. import hints
from ..problems import step
from ..sqltext import literal
from ..times import PHRASES, Window, parse_duration
from ..tree import CONDITION, Node
from ..types import Type
from .base import Closure, Operator, form, operator, reads

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..lower import Lowering
    from ..sentence import Speaker
    from ..sql import Writer


@operator
class InWindow(Operator):
    """Whether a moment is in a window. `value`: the `Window`. A date is its day's first second."""

    name = "in_window"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        (moment_of,) = args
        window: Window = node.value
        if node.args[0].type is Type.DATE:

            def day_in_window(evaluation: Any, element: Any) -> bool:
                day = moment_of(evaluation, element)
                if day is None:
                    return False
                low, high = window.days(evaluation.now, evaluation.zone)
                return bool((low is None or day > low) and day <= high)

            return day_in_window

        def in_window(evaluation: Any, element: Any) -> bool:
            moment = moment_of(evaluation, element)
            if moment is None:
                return False
            low, high = window.bounds(evaluation.now, evaluation.zone)
            return bool((low is None or moment > low) and moment <= high)

        return in_window

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        first: Any
        last: Any
        first, last = node.value.bounds(lowering.now, lowering.zone)
        days = node.args[0].type is Type.DATE
        if days:
            low, high = node.value.days(lowering.now, lowering.zone)
            first, last = None if low is None else f"t{low}", f"t{high}"

        def inside(moment: Any) -> Any:
            value = {"cat": ["t", moment]} if days else moment
            until = {"<=": [value, last]}
            return until if first is None else {"and": [{"<": [first, value]}, until]}

        return lowering.guarded(node.args, inside)

    def render(self, node: Node, writer: "Writer") -> str:
        moment = writer.expression(node.args[0])
        days = node.args[0].type is Type.DATE
        bounds = (node.value.days if days else node.value.bounds)(writer.now, writer.zone)
        type_ = Type.DATE if days else Type.TIMESTAMP
        low, high = (None if bound is None else literal(type_, bound) for bound in bounds)
        after = "" if low is None else f"{moment} > {low} AND "
        return f"coalesce({after}{moment} <= {high}, false)"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return f"{say.value(node.args[0])} is {say.window(node.value)}"

    def denial(self, node: Node, say: "Speaker") -> str:
        moment = node.args[0]
        return f"{say.value(moment)} is not {say.window(node.value)}{say.missing(moment)}"


form(
    "condition",
    "value duration duration?",
    {"within": "In the last 30d; with two durations from the first to the second ago."},
)
form(
    "condition",
    "value duration",
    {"older_than": "At least so long ago.", "within_next": "In the coming time."},
)
form("condition", "value period", {"during": "In a calendar period of the audience's time zone."})


@reads("within", "older_than", "within_next", "during")
def read_window(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """A timestamp or a date, and a window of the literals that follow it."""
    if operands and checker.is_events(operands[0]):
        message = f"{name!r} over events gives events, no condition; aggregate them, e.g. with count"
        return checker.report(pointer, "events-as-value", message)
    window = read_literal_window(checker, name, operands, pointer)
    if not operands:
        return None
    moment = checker.value(operands[0], step(pointer, 0), scope)
    if moment is None or window is None:
        return None
    if moment.type not in (Type.TIMESTAMP, Type.DATE):
        hint = checker.named(operands[0]) or "; use a column of those types"
        message = f"{name!r} takes a timestamp or a date, this is a {checker.noun(moment)}{hint}"
        return checker.report(step(pointer, 0), "type-mismatch", message)
    return Node("in_window", CONDITION, (moment,), window)


def read_literal_window(checker: "Checker", name: str, operands: list[Any], pointer: str) -> Window | None:
    """The window that the operands after the first one say."""
    counts = (2, 3) if name == "within" else (2,)
    if len(operands) not in counts:
        wanted = {
            "within": 'a moment and one or two durations, e.g. "30d"',
            "during": 'a moment and a calendar period, e.g. "last month"',
        }.get(name, 'a moment and one duration, e.g. "30d"')
        return checker.report(
            pointer, "operand-count", f"{name!r} takes {wanted}, not {hints.operands(len(operands))}"
        )
    if name == "during":
        return _phrase(checker, operands[1], step(pointer, 1))
    durations = []
    for index, item in enumerate(operands[1:], start=1):
        seconds = parse_duration(item)
        if seconds is None:
            message = f"{hints.show(item)} is no duration{hints.for_duration(item)}"
            checker.report(step(pointer, index), "bad-duration", message)
        else:
            durations.append(seconds)
    if len(durations) < len(operands) - 1:
        return None
    if name == "older_than":
        return Window("older_than", shortest=durations[0])
    if name == "within_next":
        return Window("within_next", longest=durations[0])
    longest, shortest = durations[0], durations[1] if len(durations) == 2 else 0
    if shortest >= longest:
        message = (
            f"the window from {operands[1]} to {operands[2]} ago is empty; the longer duration comes first"
        )
        return checker.report(pointer, "empty-window", message)
    return Window("within", longest=longest, shortest=shortest)


def _phrase(checker: "Checker", phrase: Any, pointer: str) -> Window | None:
    if isinstance(phrase, str) and phrase in PHRASES:
        return Window("during", phrase=phrase)
    message = f"{phrase!r} is no calendar period{hints.for_period(phrase, PHRASES)}"
    return checker.report(pointer, "bad-period", message)
