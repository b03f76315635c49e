"""Every conformance case, asked of other engines than the one that the tests run on.

    python -m tests.cross_check.run --velox PYTHON --spark PYTHON

Velox (Presto's functions in C++) evaluates the conditions that read attributes alone; Spark runs the whole
members query of every file. Both must find the members that the case names. Exits with 1 on a difference
that is not listed, with its reason, in `KNOWN`.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
from segmentation.language import RuleSet, load_rule_set
from segmentation.language.sql import ListsQuery, Plan, Writer, members_query
from sqlglot import exp

from tests.conformance.readings import Athena, Tables
from tests.conformance.suite import AUDIENCE, Case, Suite, segment, suites

from .spark_sql import to_spark

HERE = Path(__file__).parent

FULL_MAPPING = "Spark maps whole strings (Java's String.toUpperCase), Trino code point by code point"
KNOWN: dict[tuple[str, str, str], str] = {
    ("velox", "case-mapping", "upper case of ß is ß: one code point to one"): "this Velox maps ß to U+1E9E",
    ("velox", "long-ago", "moments in a list"): "this Velox takes a list of whole numbers of one size only",
    **{
        ("spark", "case-mapping", case): FULL_MAPPING
        for case in (
            "upper case of ß is ß: one code point to one",
            "lower case of İ is i without a dot above",
            "lower case of Σ is σ, at the end of a word too",
            "a final ς stays in lower case",
            "a ligature has no upper case of one code point",
            "upper case of ᾳ is ᾼ",
            "lower in a list",
        )
    },
}
"""(engine, file, case) -> why that engine's answer differs from Trino's and does not count."""


@dataclass(frozen=True)
class Asked:
    """A batch of cases of one file, at one moment."""

    suite: Suite
    cases: list[Case]
    rules: RuleSet
    now: int


def asked() -> Iterator[Asked]:
    """All cases about members, as batch segments c0, c1, ... beside the file's own documents."""
    for suite in suites():
        by_now: dict[int, list[Case]] = {}
        for case in suite.cases:
            if case.members is not None and "batch" in case.kinds:
                by_now.setdefault(case.now, []).append(case)
        for now, cases in by_now.items():
            documents = [*suite.documents, *(segment(f"c{i}", case.rule) for i, case in enumerate(cases))]
            yield Asked(suite, cases, load_rule_set(documents, suite.schema, AUDIENCE), now)


def work(python: str, script: str, jobs: Sequence[Any]) -> list[Any]:
    """Let another environment's Python answer."""
    done = subprocess.run(
        [python, str(HERE / script)], input=json.dumps(jobs), capture_output=True, text=True, timeout=1_800
    )
    if done.returncode != 0 or not done.stdout:
        sys.exit(f"{script} failed:\n{done.stderr[-3_000:]}")
    answers: list[Any] = json.loads(done.stdout)
    return answers


class Score:
    """What an engine said of each case."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.counts: Counter[str] = Counter()
        self.lines: list[str] = []
        self.known = {case for case in KNOWN if case[0] == engine}

    def note(self, suite: str, case: Case, found: frozenset[str] | None, error: str = "") -> None:
        """Count one case."""
        place = (self.engine, suite, case.name)
        if found == case.members:
            self.counts["agree"] += 1
            return
        if place in self.known:
            self.counts["known to differ"] += 1
            self.known.remove(place)
            return
        self.counts["differ" if found is not None else "failed"] += 1
        what = error or f"found {sorted(found or ())}, expected {sorted(case.members or ())}"
        self.lines.append(f"  {self.engine}: {suite}: {case.name}: {what}")


def velox(python: str, folder: Path) -> Score:
    """Conditions over attributes, each alone."""
    score, jobs, rows = Score("velox"), [], []
    for index, one in enumerate(asked()):
        (folder / f"velox{index}").mkdir()
        athena = Athena(folder / f"velox{index}")
        tables = Tables(athena, one.suite.schema, one.suite.profiles)
        scalars = [
            (case, rule)
            for i, case in enumerate(one.cases)
            if (rule := _scalar(one.rules, f"c{i}")) is not None
        ]
        if not scalars:
            continue
        plan = Plan(one.rules, {}, one.now, [], None)
        expressions = [_presto(Writer(plan).expression(rule)) for _, rule in scalars]
        jobs.append({"columns": str(_renamed(folder, tables.profiles, index)), "expressions": expressions})
        rows.append((one, [case for case, _ in scalars]))
    for (one, cases), answers in zip(rows, work(python, "velox_worker.py", jobs), strict=True):
        for case, answer in zip(cases, answers, strict=True):
            found = None
            if "value" in answer:
                found = frozenset(
                    p.key for p, truth in zip(one.suite.profiles, answer["value"], strict=True) if truth
                )
            score.note(one.suite.name, case, found, answer.get("error", ""))
    return score


def _members_of(table: str) -> ListsQuery:
    return lambda _: f"SELECT profile_key, segment FROM {table}"


def spark(python: str, folder: Path) -> Score:
    """Whole members queries."""
    score, jobs, batches = Score("spark"), [], list(asked())
    for index, one in enumerate(batches):
        place = folder / f"spark{index}"
        place.mkdir()
        tables = Tables(Athena(place), one.suite.schema, one.suite.profiles)
        query = members_query(
            one.rules,
            tables.profiles,
            tables.behaviors,
            one.now,
            lists=_members_of(tables.lists),
        )
        names = [tables.profiles, tables.lists, *tables.behaviors.values()]
        jobs.append(
            {"tables": {name: str(place / f"{name}.parquet") for name in names}, "queries": [to_spark(query)]}
        )
    for one, (answer,) in zip(batches, work(python, "spark_worker.py", jobs), strict=True):
        for i, case in enumerate(one.cases):
            found = None
            if "rows" in answer:
                found = frozenset(key for key, names in answer["rows"] if f"c{i}" in names)
            score.note(one.suite.name, case, found, answer.get("error", "")[:300])
    return score


def _scalar(rules: RuleSet, name: str) -> Any:
    """The rule of a segment if it reads attributes alone."""
    (found,) = (one for one in rules if one.id == name)
    if found.rule is None or found.behaviors or found.references or not found.attributes:
        return None
    return found.rule


def _presto(sql: str) -> str:
    """The expression without what this Velox lacks: `nullif` and a minus sign before a function are spelled out."""
    tree = sqlglot.parse_one(f"SELECT {sql}", read="trino")
    while found := tree.find(exp.Nullif):
        differs = exp.NEQ(this=found.this.copy(), expression=found.expression.copy())
        nothing = sqlglot.parse_one("CAST(NULL AS DOUBLE)", read="trino")
        found.replace(exp.Case(ifs=[exp.If(this=differs, true=found.this.copy())], default=nothing))
    text = tree.expressions[0].sql(dialect="trino") if "nullif" in sql else sql
    return re.sub(r"-\s*infinity\(\)", "(0e0 - infinity())", text, flags=re.IGNORECASE)


def _renamed(folder: Path, table: str, index: int) -> Path:
    """The profiles with their columns named as the query names them."""
    import pyarrow.parquet as pq

    read = pq.read_table(folder / f"velox{index}" / f"{table}.parquet")
    names = [name if name == "profile_key" else f"p_{name}" for name in read.column_names]
    path = folder / f"velox{index}.parquet"
    pq.write_table(read.rename_columns(names), path)
    return path


def main() -> None:
    """Ask, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--velox", help="the Python that has pyvelox")
    parser.add_argument("--spark", help="the Python that has pyspark")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scores = [
            ask(python, Path(folder))
            for ask, python in ((velox, chosen.velox), (spark, chosen.spark))
            if python
        ]
    for score in scores:
        stale = [f"  {': '.join(place)}: agrees, so take it out of KNOWN" for place in sorted(score.known)]
        score.counts += Counter({"known, but agree": len(stale)})
        print("\n".join(score.lines + stale))
        print(f"{score.engine}: {', '.join(f'{n} {what}' for what, n in sorted(score.counts.items()))}")
    wrong = ("differ", "failed", "known, but agree")
    bad = sum(score.counts[what] for score in scores for what in wrong)
    print(f"{sum(score.counts['agree'] for score in scores)} passed, {bad} failed")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
