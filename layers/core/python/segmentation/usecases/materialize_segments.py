"""Materialize all batch segments of an audience: one query, one run, committed by one pointer."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass

from segmentation.domain.errors import NotBuilt, SegmentationError, Superseded
from segmentation.domain.lake_sql import as_the_stream_saw
from segmentation.domain.published import Published
from segmentation.domain.run import (
    RunRecord,
    SegmentCount,
    pointer_path,
    run_id,
    run_path,
    run_pointer_path,
    table_name,
)
from segmentation.domain.run_sql import changes_query, sizes_query
from segmentation.language.sql import members_query
from segmentation.ports import Clock, Lake, Queue, RuleSets, Stored, Warehouse

from .build_audience import chosen, create_table

logger = logging.getLogger("segmentation.materialize_segments")


@dataclass(frozen=True, slots=True)
class MaterializeSegments:
    """The second half of the batch path. `logical_now` stands for the clock on old data."""

    warehouse: Warehouse
    lake: Lake
    rule_sets: RuleSets
    publications: Queue
    clock: Clock
    new_suffix: Callable[[], str]
    logical_now: int | None = None

    def __call__(self, audience: str | None = None, now: int | None = None) -> list[RunRecord]:
        """Run one audience, or all of them; the committed records.

        One that fails leaves its last good run in place and holds up no other; then the first failure is raised.
        """
        records, failures = [], []
        for published in chosen(self.rule_sets, audience):
            try:
                records.append(self._run(published, now if now is not None else self.logical_now))
            except SegmentationError as error:
                logger.error("audience %s: %s", published.audience.id, error)
                failures.append(error)
        if failures:
            raise failures[0]
        return records

    def _run(self, published: Published, now: int | None) -> RunRecord:
        audience, started = published.audience.id, self.clock.now()
        run = run_id(started, self.new_suffix())
        try:
            record, before = self._compute(published, run, started, started if now is None else now)
            data = json.dumps(record.to_document(), indent=1).encode()
            self.lake.put(run_path(audience, run, "run.json"), data)
            # Whoever commits first wins: this run's changes are against the run that was current before it.
            if not self.lake.put(run_pointer_path(audience), data, expected=before.tag if before else ""):
                raise Superseded(f"run {run} of audience {audience!r}: another run was committed meanwhile")
        except SegmentationError as error:
            failure = {"run": run, "audience": audience, "reason": str(error), "kind": type(error).__name__}
            self.lake.put(run_path(audience, run, "failed.json"), json.dumps(failure, indent=1).encode())
            raise
        # Should this be lost, the next run's publication catches up with this one.
        self.publications.send([{"audience": audience, "run": run}])
        return record

    def _compute(
        self, published: Published, run: str, started: int, now: int
    ) -> tuple[RunRecord, Stored | None]:
        audience = published.audience.id
        built = self.lake.get(pointer_path(audience))
        if built is None:
            raise NotBuilt(f"audience {audience!r} is not built yet; run build_audience first")
        pointer = json.loads(built.data)
        before = self.lake.get(run_pointer_path(audience))
        previous = RunRecord.from_document(json.loads(before.data)) if before else None
        attributes = published.published_attributes()
        tables = pointer["tables"]
        rules = as_the_stream_saw(published.rules, published.audience)
        query = members_query(rules, tables["profiles"], tables["behaviors"], now, attributes)
        members, changes = table_name(audience, run, "members"), table_name(audience, run, "changes")
        queries = [
            create_table(self.warehouse, self.lake, members, run_path(audience, run, "members/"), query)
        ]
        old = table_name(audience, previous.run, "members") if previous else None
        diff = changes_query(members, old, attributes, previous.attributes if previous else ())
        queries.append(
            create_table(self.warehouse, self.lake, changes, run_path(audience, run, "changes/"), diff)
        )
        counted, rows = self.warehouse.rows("count members and changes", sizes_query(members, changes))
        counts = {(kind, segment): int(count or 0) for kind, segment, count in rows}
        record = RunRecord(
            run=run,
            audience=audience,
            now=now,
            started=started,
            finished=self.clock.now(),
            audience_version=pointer["version"],
            rules_version=published.version,
            profiles=counts.get(("profiles", ""), 0),
            segments=tuple(
                SegmentCount(
                    id=segment.id,
                    name=segment.name,
                    kind=str(segment.kind),
                    size=counts.get(("size", segment.id), 0),
                    joined=counts.get(("joined", segment.id), 0),
                    left=counts.get(("left", segment.id), 0),
                    version=segment.version,
                )
                for segment in published.rules.segments
                if segment.kind == "batch"
            ),
            queries=(*queries, counted),
            attributes=attributes,
            previous=previous.run if previous else None,
        )
        return record, before
