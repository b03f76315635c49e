"""The mutants of a module: its source with one small fault each."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "bisect_left": "bisect_right", "bisect_right": "bisect_left"}  # fmt: skip
SQL = re.compile(r" AND | OR | <= | >= | < | > | = | <> |\bfalse\b|\btrue\b|\bASC\b|\bDESC\b|NULLS LAST|\bNOT\b|\bUNION ALL\b|\bDISTINCT\b|\bmin\b|\bmax\b| \+ | - ")  # fmt: skip
SQL_SWAPS = {
    " AND ": " OR ",
    " OR ": " AND ",
    " <= ": " < ",
    " >= ": " > ",
    " < ": " <= ",
    " > ": " >= ",
    " = ": " <> ",
    " <> ": " = ",
    "false": "true",
    "true": "false",
    "ASC": "DESC",
    "DESC": "ASC",
    "NULLS LAST": "NULLS FIRST",
    "NOT": "",
    "UNION ALL": "UNION",
    "DISTINCT": "",
    "min": "max",
    "max": "min",
    " + ": " - ",
    " - ": " + ",
}
WORDS_ONLY = frozenset(
    {"sentence", "denial", "comparison", "between", "_entries", "_counted", "__repr__", "__str__", "report"}
)
"""Functions whose results people read; other tests hold those."""
MESSAGES = frozenset({"message", "hint", "wanted", "takes", "noun", "fit", "fitting", "how", "each", "mend", "example", "usual", "names", "named", "plain", "_SAID"})  # fmt: skip
"""What such are assigned to is said, too."""


@dataclass(frozen=True)
class Mutant:
    """A fault: its number in the module, the line and the function that it is in, and what it does."""

    number: int
    line: int
    function: str
    text: str
    fault: str

    @property
    def key(self) -> tuple[str, str]:
        """What names it while lines move."""
        return self.text, self.fault


Change = tuple[str, Callable[[ast.AST], None]]


def mutants(source: str) -> list[Mutant]:
    """All faults that a source can be given, in its order."""
    tree = ast.parse(source)
    lines = source.splitlines()
    found = []
    for number, (node, fault, _) in enumerate(_changes(tree)):
        line = getattr(node, "lineno", 0)
        found.append(Mutant(number, line, _function_at(tree, line), lines[line - 1].strip(), fault))
    return found


def mutated(source: str, mutant: Mutant) -> str:
    """The source with one of its faults."""
    tree = ast.parse(source)
    place, _, change = next(islice(_changes(tree), mutant.number, None))
    change(place)
    return ast.unparse(ast.fix_missing_locations(tree))


def _function_at(tree: ast.AST, line: int) -> str:
    """The name of the outermost function that a line is in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0):
            return node.name
    return ""


def _changes(tree: ast.AST) -> Iterator[tuple[ast.AST, str, Callable[[ast.AST], None]]]:
    for node in _code(tree):
        for fault, change in _of(node):
            yield node, fault, change


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that are code: no annotations, docstrings, messages and registered forms."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_words(child):
                continue
            yield child
            yield from _code(child)


def _is_words(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in WORDS_ONLY
    if isinstance(node, ast.Raise | ast.Assert):
        return True
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _calls(node.value, "form")
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in MESSAGES


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == name


def _of(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=ops):
            for index, operator in enumerate(ops):
                if type(operator) in COMPARED:
                    other = COMPARED[type(operator)]
                    yield (
                        f"comparison {index + 1}: {_name(operator)} is {other.__name__}",
                        _put("ops", index, other()),
                    )
        case ast.BoolOp():
            other_word = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield f"{_name(node.op)} is {_name(other_word)}", _put("op", None, other_word)
        case ast.UnaryOp(op=ast.Not()):
            yield "not is gone", _put("op", None, ast.Not(), twice=True)
        case ast.BinOp() if type(node.op) in COMPUTED:
            computed = COMPUTED[type(node.op)]
            yield f"{_name(node.op)} is {computed.__name__}", _put("op", None, computed())
        case ast.Constant(value=bool() as truth):
            yield f"{truth} is {not truth}", _put("value", None, not truth)
        case ast.Constant(value=int() as number):
            yield f"{number} is {number + 1}", _put("value", None, number + 1)
        case ast.Constant(value=str() as text) if SQL.search(text):
            yield from _of_sql(text)
        case ast.If() | ast.IfExp() | ast.While():
            yield "condition turned round", _turn_round
        case ast.Name(id=name) if name in NAMES:
            yield f"{name} is {NAMES[name]}", _put("id", None, NAMES[name])
        case ast.Continue():
            yield "continue is gone", lambda _node: None


def _of_sql(text: str) -> Iterator[Change]:
    for found in SQL.finditer(text):
        other = text[: found.start()] + SQL_SWAPS[found[0]] + text[found.end() :]
        yield (
            f"SQL {found[0].strip()} is {SQL_SWAPS[found[0]].strip() or 'gone'} in {text!r}",
            _put("value", None, other),
        )


def _put(field: str, index: int | None, value: object, *, twice: bool = False) -> Callable[[ast.AST], None]:
    def change(node: ast.AST) -> None:
        if twice:  # `not not x` is x as a truth
            node.operand = ast.UnaryOp(ast.Not(), node.operand)  # type: ignore[attr-defined]
        elif index is None:
            setattr(node, field, value)
        else:
            getattr(node, field)[index] = value

    return change


def _turn_round(node: ast.AST) -> None:
    node.test = ast.UnaryOp(ast.Not(), node.test)  # type: ignore[attr-defined]


def _name(node: ast.AST) -> str:
    return type(node).__name__
