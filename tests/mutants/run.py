"""`python -m tests.mutants.run [module ...]`: put each fault in, run the conformance cases, list what nobody notices.

Each mutant is a process of its own, forked before the language is imported, in which one module's source is the mutated
one. It is noticed if a case fails, by whichever reading, or if it hangs. Exits with 1 if a fault is neither noticed nor
listed in `unnoticed.py` with the reason why it changes nothing.
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

# What is dear to import and knows nothing of the language, once for all processes.
import datalogic_py
import duckdb
import hypothesis
import jsonschema
import pyarrow.parquet
import pytest
import sqlglot

from .mutate import Mutant, mutants, mutated
from .unnoticed import UNNOTICED

PRELOADED = (datalogic_py, duckdb, hypothesis, jsonschema, pyarrow.parquet, pytest, sqlglot)
LANGUAGE = Path(__file__).parents[2] / "layers/core/python/segmentation/language"
MODULES = (
    "operators/arithmetic", "operators/arrays", "operators/behaviors", "operators/compare", "operators/logic",
    "operators/membership", "operators/segments", "operators/sources", "operators/text", "operators/time",
    "evaluate", "times", "values", "normal", "tree", "patterns", "automaton", "moments", "lower", "check", "caps",
    "sqltext", "sql_parts", "sql_latest", "sql_events", "sql_plan", "sql", "partitions",
)  # fmt: skip
SQL_MODULES = ("sqltext", "sql_parts", "sql_latest", "sql_events", "sql_plan", "sql", "partitions")
LONGEST = 300
"""Seconds after which a mutant counts as noticed: it hangs."""
NOTICED, SURVIVED = 0, 77


def notices(sql: bool) -> bool:
    """Whether a conformance case fails, by the cheapest reading first; by the SQL only where it is asked."""
    from tests.conformance import test_cases as cases
    from tests.conformance.readings import WAYS, Athena
    from tests.sql import test_cases as sql_cases

    try:
        for suite in cases.SUITES:
            cases.test_closures(suite)
            cases.test_index(suite)
        for refusal in cases.REFUSALS:
            cases.test_refusal(*refusal.values)
        for case in cases.NORMAL:
            cases.test_normal_form(*case.values)
        for suite in cases.SUITES:
            for lead in cases.LEADS:
                cases.test_visitor(suite, lead)
        cases.test_oracle()
        if not sql:
            return False
        with tempfile.TemporaryDirectory() as folder:
            athena = Athena(Path(folder))
            for suite in cases.SUITES:
                sql_cases.test_sql(suite, athena, partitioned=True)
                sql_cases.test_sql_in_several_queries(suite, athena)
                for way in WAYS:
                    sql_cases.test_sql_of_many_segments(suite, athena, way)
    except BaseException:  # pytest's own failures are no Exceptions; whatever it is, it is noticed
        return True
    return False


class OneModule(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports one module from a source of its own."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def get_source(self, fullname: str) -> str:
        return self.source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, f"<mutant of {self.name}>", "exec", dont_inherit=True)


def source_of(module: str) -> str:
    """The source of a module of the language."""
    return (LANGUAGE / f"{module}.py").read_text(encoding="utf-8")


def start(module: str, mutant: Mutant | None) -> int:
    """The process of a mutant."""
    child = os.fork()
    if child:
        return child
    signal.alarm(LONGEST)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    if mutant is not None:
        faulty = mutated(source_of(module), mutant)
        sys.meta_path.insert(0, OneModule(f"segmentation.language.{module.replace('/', '.')}", faulty))
    sql = mutant is None or module in SQL_MODULES or mutant.function in ("sql", "render")
    try:
        status = NOTICED if notices(sql) else SURVIVED
    except BaseException:
        status = NOTICED
    os._exit(status)


def survivors(module: str, found: Sequence[Mutant], side_by_side: int) -> list[Mutant]:
    """The mutants that nobody notices."""
    running: dict[int, Mutant] = {}
    alive: list[Mutant] = []
    waiting = list(reversed(found))
    while waiting or running:
        while waiting and len(running) < side_by_side:
            mutant = waiting.pop()
            running[start(module, mutant)] = mutant
        child, status = os.wait()
        mutant = running.pop(child)
        if os.waitstatus_to_exitcode(status) == SURVIVED:
            alive.append(mutant)
    return sorted(alive, key=lambda mutant: mutant.line)


def main() -> int:
    """Try the modules that are asked for, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", default=MODULES, help=f"of: {', '.join(MODULES)}")
    parser.add_argument("--side-by-side", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--every", type=int, default=1, help="try only each so manyth mutant")
    chosen = parser.parse_args()
    if os.waitstatus_to_exitcode(os.waitpid(start("", None), 0)[1]) != SURVIVED:
        print("without any fault the conformance cases fail; mend that first")
        return 1
    tried = noticed = unexpected = 0
    for module in chosen.modules:
        began = time.monotonic()
        found = mutants(source_of(module))[:: chosen.every]
        alive = survivors(module, found, chosen.side_by_side)
        harmless = UNNOTICED.get(module, {})
        new = [mutant for mutant in alive if mutant.key not in harmless]
        tried, noticed, unexpected = (
            tried + len(found),
            noticed + len(found) - len(alive),
            unexpected + len(new),
        )
        seconds = time.monotonic() - began
        print(
            f"{module}: {len(found)} faults, {len(found) - len(alive)} noticed, {len(alive) - len(new)} harmless, "
            f"{len(new)} unnoticed ({seconds:.0f} s)",
            flush=True,
        )
        for mutant in new:
            print(f"  {module}.py:{mutant.line}: {mutant.fault}\n    {mutant.text}", flush=True)
    print(f"{tried} faults, {noticed} noticed, {unexpected} unnoticed")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
