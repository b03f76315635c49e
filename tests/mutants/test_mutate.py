"""The maker of mutants makes the faults that it says, in code and in nothing else."""

import ast

from .mutate import mutants, mutated
from .run import MODULES, source_of
from .unnoticed import UNNOTICED

SOURCE = '''
"""A module of 3 things < 4."""
LIMIT = 10

def within(low: int, value: int, high: int) -> bool:
    """Whether 1 < 2."""
    if not value:
        raise ValueError("it is < 3")
    message = f"{value} < 5"
    return low < value and value <= LIMIT

def sql(column: str) -> str:
    return f"coalesce({column} <= 1, false)"

def sentence(value: int) -> str:
    return "more than 3" if value > 3 else "few"
'''


def test_each_fault_is_one_change_of_code() -> None:
    made = {(mutant.function, mutant.fault) for mutant in mutants(SOURCE)}
    assert made == {
        ("", "10 is 11"),
        ("within", "not is gone"),
        ("within", "condition turned round"),
        ("within", "And is Or"),
        ("within", "comparison 1: Lt is LtE"),
        ("within", "comparison 1: LtE is Lt"),
        ("sql", "SQL <= is < in ' <= 1, false)'"),
        ("sql", "SQL false is true in ' <= 1, false)'"),
    }


def test_a_mutant_differs_in_its_line_alone() -> None:
    whole = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in mutants(SOURCE):
        differing = [
            (old, new)
            for old, new in zip(whole, mutated(SOURCE, mutant).splitlines(), strict=True)
            if old != new
        ]
        assert len(differing) == 1, mutant


def test_the_mutants_can_be_told_apart_and_the_harmless_ones_exist() -> None:
    for module in MODULES:
        found = mutants(source_of(module))
        assert found, module
        keys = {mutant.key for mutant in found}
        gone = UNNOTICED.get(module, {}).keys() - keys
        assert not gone, f"{module}: no such fault any more: {gone}"
    assert UNNOTICED.keys() <= set(MODULES)
