"""Materialize the segments of an audience that are due: one query, one run, committed by one pointer."""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from segmentation.domain import pipeline
from segmentation.domain.built import built_of
from segmentation.domain.errors import BadRecord, NotFound, Superseded
from segmentation.domain.pipeline import Job, Progress, Run, Statement
from segmentation.domain.published import Published, parse_published
from segmentation.domain.run import (
    KINDS,
    QueryRecord,
    RunRecord,
    SegmentCount,
    run_path,
    run_pointer_path,
    table_name,
)
from segmentation.domain.run_plan import RunPlan
from segmentation.domain.run_sql import BY_KEY, changes_query, create_table, merge_query, sizes_query
from segmentation.domain.sizes import points_of
from segmentation.language.document import Segment
from segmentation.language.sql import IDENTITIES, QueryTooLong
from segmentation.ports import Lake, Queue, RuleSets, Runs, Sizes, Warehouse

from .build_audience import failure, queries
from .current_build import current_lists
from .kept_documents import built_pointer, committed_run, current_run, read_json
from .past_runs import uncleaned
from .published_rules import chosen
from .run_engine import RunEngine, Wanted

logger = logging.getLogger("segmentation.materialize_segments")


@dataclass(frozen=True, slots=True)
class MaterializeSegments:
    """Starts runs; `AdvanceRuns` carries them on."""

    engine: RunEngine
    steps: "MaterializeSteps"
    rule_sets: RuleSets

    def __call__(
        self,
        audience: str | None = None,
        now: int | None = None,
        segments: Collection[str] | None = None,
        *,
        requested: str = "hand",
        scheduled: str = "",
    ) -> list[Run]:
        """Start a run of one audience, or of all of them; one that cannot be started holds up no other.

        By hand all segments are computed, or those that are named. The template's schedule computes those that
        have no schedule of their own. A `now` before that of the current run makes a backfill: it is kept as
        history and does not become the current run. Raises `NotFound`: an audience, or a segment that is named.
        """
        runs: list[Run] = []
        sets = chosen(self.rule_sets, audience)
        known = {one.id for published in sets for one in published.rules.of_kind(*KINDS)}
        if strange := sorted(set(segments or ()) - known):
            raise NotFound(f"no batch segment or list is called {', '.join(map(repr, strange))}")
        for published in sets:
            asked = segments
            if asked is None and requested == pipeline.BY_SCHEDULE:
                asked = unscheduled(published)
            wanted = Wanted(
                published.audience.id,
                Job.MATERIALIZE,
                requested,
                now,
                None if asked is None else tuple(sorted(asked)),
                scheduled,
            )
            runs.append(self.engine.start(wanted, self.steps))
        return runs


def unscheduled(published: Published) -> list[str]:
    """The segments that have no schedule of their own."""
    return [one.id for one in published.rules.of_kind(*KINDS) if one.schedule is None]


@dataclass(frozen=True, slots=True)
class MaterializeSteps:
    """What is done at the steps of a run. `logical_now` stands for the clock on old data."""

    warehouse: Warehouse
    lake: Lake
    runs: Runs
    rule_sets: RuleSets
    publications: Queue
    sizes: Sizes
    logical_now: int | None = None
    _plans: dict[str, RunPlan] = field(default_factory=dict)

    def plan(self, run: Run, now: int) -> Run:
        """Write down what the run is about: the rules, the built version, the run before, the queries."""
        path = run_path(run.audience, run.id, "plan.json")
        if self.lake.get(path) is None:
            # Of two who plan at once, the first one's plan holds.
            self.lake.put(path, json.dumps(self._planned(run)).encode(), expected="")
        document = self._plan(run).document
        return pipeline.planned_materialize(
            run,
            document["groups"],
            document["hopeless"],
            now=now,
            logical_now=document["now"],
            kept=bool(document["kept"]),
            backfill=document["backfill"],
        )

    def _planned(self, run: Run) -> dict[str, Any]:
        (published,) = chosen(self.rule_sets, run.audience)
        pointer = built_pointer(self.lake, run.audience)
        before = self.lake.get(run_pointer_path(run.audience))
        previous = RunRecord.from_document(json.loads(before.data)) if before else None
        now = run.now if run.now is not None else self.logical_now
        backfill = run.now is not None and previous is not None and run.now < previous.now
        now = run.started if now is None else now
        if backfill:
            previous = self._last_before(run.audience, now)
        batch = published.rules.of_kind(*KINDS)
        asked = {one.id for one in batch if run.asked is None or backfill or one.id in run.asked}
        kept = [
            one.id
            for one in batch
            if one.id not in asked and previous is not None and previous.segment(one.id)
        ]
        document = {
            "now": now,
            "backfill": backfill,
            "audience_version": pointer["version"],
            "tables": pointer["tables"],
            "layout": pointer.get("layout", {}),
            "rows": pointer.get("rows", {}),
            "rules": published.document,
            "expected": before.tag if before else "",
            "previous": previous.to_document() if previous else None,
            "attributes": _built_attributes(published, pointer),
            "kept": kept,
            "lists": current_lists(self.lake, run.audience).members_only().to_document(),
        }
        plan = RunPlan(document, published, previous)
        unbuilt = plan.unbuilt(asked)
        groups, too_long = self._groups(plan, [one for one in batch if one.id in asked - unbuilt.keys()])
        hopeless = {**unbuilt, **too_long}
        return {
            **document,
            "unbuilt": list(unbuilt),
            "groups": [len(group) for group in groups],
            "hopeless": list(hopeless.values()),
            "segments": [one for group in groups for one in group] + list(hopeless),
        }

    def _groups(
        self, plan: RunPlan, asked: Sequence[Segment]
    ) -> tuple[list[tuple[str, ...]], dict[str, str]]:
        """The segments of each query, and those that no query can be made of, with the reason."""
        hopeless: dict[str, str] = {}
        names = {one.id for one in asked}
        try:
            return [group for _, group in plan.parts(names, plan.attributes)] if names else [], hopeless
        except QueryTooLong:
            for name in sorted(names):
                try:
                    plan.parts({name}, plan.attributes)
                except QueryTooLong as error:
                    hopeless[name] = str(error)
        rest = names - hopeless.keys()
        return [group for _, group in plan.parts(rest, plan.attributes)] if rest else [], hopeless

    def _last_before(self, audience: str, now: int) -> RunRecord | None:
        """The run of the latest moment up to one, that a backfill is compared with."""
        runs = [
            one
            for one in uncleaned(self.runs, audience, Job.MATERIALIZE)
            if one.is_committed and not one.cleaned and one.now is not None and one.now <= now
        ]
        for run in sorted(runs, key=lambda one: (one.now or 0, one.id), reverse=True):
            record = committed_run(self.lake, audience, run.id)
            if record is not None:
                return record
        return None

    def _plan(self, run: Run) -> RunPlan:
        key = f"{run.audience}/{run.id}"
        if key not in self._plans:
            document = read_json(self.lake, run_path(run.audience, run.id, "plan.json"))
            if document is None:
                raise BadRecord(f"run {run.id} of audience {run.audience!r} has lost its plan")
            before = document["previous"]
            previous = RunRecord.from_document(before) if before else None
            self._plans.clear()
            self._plans[key] = RunPlan(document, parse_published(document["rules"]), previous)
        return self._plans[key]

    def sql(self, run: Run, statement: Statement) -> str:
        """The text of a statement."""
        plan = self._plan(run)
        match statement.step:
            case "members":
                # What a query says must not depend on what became of the others: it is known by its token.
                alone = len(plan.document["groups"]) == 1 and not plan.document["kept"]
                inline = alone and statement.name == "members"
                wanted = plan.order[statement.first : statement.last]
                query = plan.parts(wanted, plan.attributes if inline else (), inline=inline)[0][0]
            case "merge":
                query = self._merge(run, plan)
            case "changes":
                before = plan.previous
                same = before.comparable(plan.types) if before else ()
                query = changes_query(
                    _table(run, _members(run)),
                    before.members_table() if before else None,
                    plan.attributes,
                    same,
                    given_up=[
                        one
                        for one in (before.attributes if before else ())
                        if one not in same or one not in plan.attributes
                    ],
                    identities=plan.identities,
                    old_identities=before is not None and before.identities,
                )
            case _:
                return sizes_query(_table(run, _members(run)), _table(run, run.statement("changes")))
        location = self.lake.uri(run_path(run.audience, run.id, statement.table + "/"))
        return create_table(_table(run, statement), location, query + BY_KEY)

    def _merge(self, run: Run, plan: RunPlan) -> str:
        parts = [one for one in run.of_step("members") if one.progress is Progress.SUCCEEDED]
        before = plan.previous
        kept = {*plan.document["kept"], *_failures(run, plan)}
        return merge_query(
            plan.document["tables"]["profiles"],
            [_table(run, one) for one in parts],
            before.members_table() if before else None,
            sorted(one for one in kept if before and before.segment(one)),
            (*plan.attributes, IDENTITIES) if plan.identities else plan.attributes,
        )

    def commit(self, run: Run, now: int) -> int:
        """Write the record, then point to it. Whoever commits first wins: changes are against what was current."""
        plan, path = self._plan(run), run_pointer_path(run.audience)
        record = self._record(run, plan, now)
        data = json.dumps(record.to_document(), indent=1).encode()
        current = current_run(self.lake, run.audience)
        if current is not None and current.run == run.id:
            return record.profiles
        self.lake.put(run_path(run.audience, run.id, "run.json"), data)
        if not run.backfill and not self.lake.put(path, data, expected=plan.document["expected"]):
            current = current_run(self.lake, run.audience)
            if current is None or current.run != run.id:
                raise Superseded(f"run {run.id}: another run was committed meanwhile")
        return record.profiles

    def _record(self, run: Run, plan: RunPlan, now: int) -> RunRecord:
        sizes = run.statement("sizes")
        assert sizes.query is not None  # noqa: S101 - it has succeeded
        counts = {(kind, name): int(n or 0) for kind, name, n in self.warehouse.results(sizes.query)}
        failures, bill = _failures(run, plan), pipeline.bill(run)
        segments = []
        for segment in plan.published.rules.of_kind(*KINDS):
            made = self._segment(run, plan, segment, failures.get(segment.id))
            if made is not None:
                figures = {kind: counts.get((kind, segment.id), 0) for kind in ("size", "joined", "left")}
                segments.append(SegmentCount(**{**made, **figures}))
        return RunRecord(
            run=run.id,
            audience=run.audience,
            now=plan.now,
            started=run.started,
            finished=now,
            audience_version=plan.document["audience_version"],
            rules_version=plan.published.version,
            profiles=counts.get(("profiles", ""), 0),
            segments=tuple(segments),
            queries=tuple(QueryRecord(**one) for one in queries(run)),
            attributes=plan.attributes,
            previous=plan.previous.run if plan.previous else None,
            backfill=run.backfill,
            members=_members(run).table,
            changes=run.statement("changes").table,
            bytes_scanned=bill.bytes_scanned,
            dollars=bill.dollars,
            identities=plan.identities,
            types=plan.types,
        )

    def _segment(
        self, run: Run, plan: RunPlan, segment: Segment, failed: str | None
    ) -> dict[str, Any] | None:
        """What the record says of a segment beside its figures; nothing: it was not yet computed at all."""
        last = plan.previous.segment(segment.id) if plan.previous else None
        fresh: dict[str, Any] = {
            "id": segment.id,
            "name": segment.name,
            "kind": str(segment.kind),
            "version": segment.version,
            "now": plan.now,
            "computed": run.started,
            "audience_version": plan.document["audience_version"],
            "list_version": plan.lists.of(segment.id).version,
        }
        if failed is not None:
            unknown = {
                **fresh,
                "version": "",
                "now": None,
                "computed": 0,
                "audience_version": "",
                "list_version": "",
            }
            before = asdict(last) if last else {**unknown, "failures": 0}
            failures = before["failures"] + 1
            return {
                **before,
                "name": segment.name,
                "failed": failed,
                "failures": failures,
                "failed_at": run.started,
                "lacking": plan.document["audience_version"]
                if segment.id in plan.document.get("unbuilt", ())
                else "",
            }
        if segment.id in plan.order:
            return fresh
        return {**asdict(last), "name": segment.name} if last else None

    def tell(self, run: Run) -> None:
        """Keep its sizes as history, and have it published, unless it is itself history."""
        record = committed_run(self.lake, run.audience, run.id)
        if record is None:
            raise BadRecord(f"run {run.id} of audience {run.audience!r} has lost its record")
        self.sizes.add(run.audience, points_of(record), record.finished)
        if not run.backfill:
            self.publications.send([{"audience": run.audience, "run": run.id}])

    def report(self, run: Run) -> None:
        """Say beside its remains why it failed."""
        self.lake.put(run_path(run.audience, run.id, "failed.json"), failure(run))


def _built_attributes(published: Published, pointer: Mapping[str, Any]) -> list[str]:
    """The attributes to publish, as far as the version has them: what was declared since comes with the next build."""
    built = built_of(pointer, pointer["version"])
    wanted = published.published_attributes()
    return [name for name in wanted if built is None or name in built.attributes]


def _members(run: Run) -> Statement:
    """The statement that made the run's members."""
    return run.statement("merge") if run.merge else run.statement("members")


def _failures(run: Run, plan: RunPlan) -> dict[str, str]:
    """The segments that could not be computed, each with the reason."""
    found = {name: one.reason for one in run.failed for name in plan.order[one.first : one.last]}
    hopeless = plan.document["hopeless"]
    return found | dict(zip(plan.order[len(plan.order) - len(hopeless) :], hopeless, strict=True))


def _table(run: Run, statement: Statement) -> str:
    return table_name(run.audience, run.id, statement.table)
