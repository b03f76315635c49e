"""Runs that were committed, as the API finds them."""

import json

from segmentation.domain.pipeline import Job, Run, State
from segmentation.domain.run import RunRecord, SegmentCount, run_path, run_pointer_path

from tests.fakes.documents import published
from tests.management.support import Office


def counted(
    office: Office, at: int, sizes: dict[str, int], failed: dict[str, str] | None = None
) -> RunRecord:
    """A committed run with segments of these sizes, of the rules as they are."""
    rules = {one.id: one for one in published().rules}
    identifier = f"run{at}"
    record = RunRecord(
        run=identifier,
        audience="shop",
        now=at,
        started=at,
        finished=at + 5,
        audience_version="v",
        rules_version="r",
        profiles=9,
        segments=tuple(
            SegmentCount(
                one,
                one,
                "batch",
                size,
                1,
                2,
                rules[one].version,
                at,
                at,
                failed=(failed or {}).get(one),
                failures=1 if one in (failed or {}) else 0,
            )
            for one, size in sizes.items()
        ),
        queries=(),
    )
    data = json.dumps(record.to_document()).encode()
    office.lake.put(run_path("shop", identifier, "run.json"), data)
    office.lake.put(run_pointer_path("shop"), data)
    office.runs.note(
        Run("shop", Job.MATERIALIZE, identifier, "hand", at, State.COMMITTED, now=at, ended=at + 5)
    )
    return record
