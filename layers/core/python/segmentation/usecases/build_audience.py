"""Build an audience of its raw tables: a new version beside the old one, committed by one pointer."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.domain import pipeline
from segmentation.domain.build_plan import (
    BEHAVIOR,
    SAMPLED,
    build_tables,
    layout_document,
    sample_properties,
)
from segmentation.domain.erasure import excluded_table
from segmentation.domain.errors import BadRecord, Superseded
from segmentation.domain.pipeline import SAMPLE, Job, Run, Statement
from segmentation.domain.published import Published
from segmentation.domain.raw_tables import check_sources, raw_tables
from segmentation.domain.run import instant, pointer_path, table_name, version_path
from segmentation.domain.run_sql import CONTESTED, create_table, identities_query, rows_query, sample_query
from segmentation.ports import Lake, LakeCatalog, RuleSets, Warehouse

from .published_rules import chosen
from .register_lake import register_lake
from .run_engine import RunEngine, Wanted

logger = logging.getLogger("segmentation.build_audience")


@dataclass(frozen=True, slots=True)
class BuildAudience:
    """Starts builds; `AdvanceRuns` carries them on."""

    engine: RunEngine
    steps: "BuildSteps"
    rule_sets: RuleSets

    def __call__(
        self, audience: str | None = None, *, requested: str = "hand", scheduled: str = ""
    ) -> list[Run]:
        """Start building one audience, or all of them that have no schedule of their own."""
        sets = chosen(self.rule_sets, audience)
        wanted = [one for one in sets if audience is not None or one.audience.schedule is None]
        return [
            self.engine.start(Wanted(one.audience.id, Job.BUILD, requested, scheduled=scheduled), self.steps)
            for one in wanted
        ]


@dataclass(frozen=True, slots=True)
class BuildSteps:
    """What is done at the steps of a build. `logical_now` stands for the clock on old data."""

    warehouse: Warehouse
    lake: Lake
    rule_sets: RuleSets
    lake_catalog: LakeCatalog
    logical_now: int | None = None

    def plan(self, run: Run, now: int) -> Run:
        """Check the raw tables, and write down what each table is made of."""
        path = version_path(run.audience, run.id, "plan.json")
        stored = self.lake.get(path)
        if stored is None:
            (published,) = chosen(self.rule_sets, run.audience)
            plan = self._planned(published, run.started if self.logical_now is None else self.logical_now)
            # Of two who plan at once, the first one's plan holds.
            self.lake.put(path, json.dumps(plan, indent=1).encode(), expected="")
        plan = self._plan(run)
        many = plan["previous_rows"].get("profiles", SAMPLED + 1) > SAMPLED
        return pipeline.planned_build(run, plan["tables"], now, samples=many)

    def _planned(self, published: Published, now: int) -> dict[str, Any]:
        audience = published.audience
        before = self.lake.get(pointer_path(audience.id))
        register_lake(self.lake, self.lake_catalog, audience)
        catalog = {table: self.warehouse.columns(table) for table in raw_tables(audience)}
        check_sources(audience, catalog)
        previous_rows = json.loads(before.data)["rows"] if before else {}
        excluded = excluded_table(audience.id)
        erased = excluded.name if next(iter(self.lake.list(excluded.folder)), None) else None
        tables = build_tables(audience, catalog, now, previous_rows, erased)
        return {
            "rules_version": published.version,
            "expected": before.tag if before else "",
            "previous_rows": previous_rows,
            "layout": layout_document(audience, tables),
            "tables": {name: table.to_document() for name, table in tables.items()},
        }

    def _plan(self, run: Run) -> dict[str, Any]:
        stored = self.lake.get(version_path(run.audience, run.id, "plan.json"))
        if stored is None:
            raise BadRecord(f"build {run.id} of audience {run.audience!r} has lost its plan")
        plan: dict[str, Any] = json.loads(stored.data)
        return plan

    def sql(self, run: Run, statement: Statement) -> str:
        """The text of a statement."""
        if statement.step == "count":
            tables = _tables(run)
            counts = [rows_query([(one.name, tables[one.name]) for one in run.of_step("tables")])]
            counts += identities_query(tables["profiles"], self._plan(run)["layout"]["identities"])
            return " UNION ALL ".join(counts)
        location = self.lake.uri(version_path(run.audience, run.id, statement.table + "/"))
        if statement.step == "samples":
            of = _tables(run)[statement.name.removeprefix(SAMPLE)]
            query = sample_query(of, self._rows(run)["profiles"], SAMPLED)
            return create_table(_table(run, statement), location, query, **sample_properties())
        table = self._plan(run)["tables"][statement.name]
        return create_table(_table(run, statement), location, table["query"], **table["properties"])

    def commit(self, run: Run, now: int) -> int:
        """Point to the new version. A version without profiles is no successor of one with some."""
        plan, path = self._plan(run), pointer_path(run.audience)
        counts = self._rows(run)
        rows = {name: n for name, n in counts.items() if ":" not in name}
        if not rows["profiles"] and plan["previous_rows"].get("profiles"):
            raise BadRecord("the new version has no profiles at all; the last one stays")
        tables = _tables(run)
        bill = pipeline.bill(run)
        pointer = {
            "version": run.id,
            "built": instant(now),
            "rules_version": plan["rules_version"],
            "tables": {
                "profiles": tables.pop("profiles"),
                "behaviors": {name.removeprefix(BEHAVIOR): table for name, table in tables.items()},
            },
            "layout": plan["layout"],
            "sample": _sample(run, rows["profiles"]),
            "rows": rows,
            "identities": _identities(run, plan["layout"]["identities"], counts),
            "queries": queries(run),
            "bytes_scanned": bill.bytes_scanned,
            "dollars": bill.dollars,
        }
        if not self.lake.put(path, json.dumps(pointer, indent=1).encode(), expected=plan["expected"]):
            stored = self.lake.get(path)
            if stored is None or json.loads(stored.data)["version"] != run.id:
                raise Superseded(f"version {run.id}: the pointer was changed by somebody else meanwhile")
        return rows["profiles"]

    def _rows(self, run: Run) -> dict[str, int]:
        """How many rows each table has."""
        count = run.statement("count")
        assert count.query is not None  # noqa: S101 - it has succeeded
        return {str(name): int(number or 0) for name, number in self.warehouse.results(count.query)}

    def tell(self, run: Run) -> None:
        """Segments that are due after a build are started by whoever sees that there is a new version."""

    def report(self, run: Run) -> None:
        """Say beside its remains why it failed."""
        path = version_path(run.audience, run.id, "failed.json")
        self.lake.put(path, failure(run))


def _identities(run: Run, names: Sequence[str], counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """How many keys of each identity lead to a profile, and how many of them more than one profile claims."""
    found = {
        name: {kind: counts.get(f"{kind}:{name}", 0) for kind in ("keys", "contested")} for name in names
    }
    for name, one in found.items():
        if one["contested"]:
            message = "audience %s: %s keys of identity %r are of several profiles; column %r of the profiles names them"
            logger.warning(message, run.audience, one["contested"], name, CONTESTED)
    return found


def failure(run: Run) -> bytes:
    """What a failed run leaves as word of itself."""
    said = {"run": run.id, "audience": run.audience, "step": run.step, "reason": run.error}
    return json.dumps({**said, "queries": queries(run)}, indent=1).encode()


def queries(run: Run) -> list[dict[str, Any]]:
    """The queries of a run, for its record."""
    return [
        {"id": one.query, "bytes_scanned": one.bytes_scanned, "ms": one.ms}
        for one in run.statements
        if one.query is not None
    ]


def _table(run: Run, statement: Statement) -> str:
    return table_name(run.audience, run.id, statement.table.removeprefix(BEHAVIOR))


def _sample(run: Run, profiles: int) -> dict[str, Any] | None:
    """The tables that hold a sample of the version, if there are any, and of which share of the profiles."""
    tables = {one.name.removeprefix(SAMPLE): _table(run, one) for one in run.of_step("samples")}
    if not tables:
        return None
    table = tables.pop("profiles")
    behaviors = {name.removeprefix(BEHAVIOR): table for name, table in tables.items()}
    return {"profiles": table, "behaviors": behaviors, "share": min(1.0, SAMPLED / max(profiles, 1))}


def _tables(run: Run) -> dict[str, str]:
    """The tables of a build by name."""
    return {one.name: _table(run, one) for one in run.of_step("tables")}
