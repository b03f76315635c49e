"""An audience whose behaviors take archived events in."""

from typing import Any

from segmentation.adapters.parquet import ParquetTables
from segmentation.domain.event import Event
from segmentation.domain.stream import StreamRecord
from segmentation.usecases.archive_events import ArchiveEvents

from tests.contract.batch import Batch
from tests.fakes import StaticRuleSets
from tests.fakes.documents import documents

COLUMNS: dict[str, Any] = {
    "page": {"type": "string"},
    "seconds": {"type": "number"},
    "known": {"type": "boolean"},
    "due": {"type": "timestamp"},
    "day": {"type": "date"},
    "tags": {"type": "strings"},
}


def segment(identifier: str, rule: Any, kind: str = "batch") -> dict[str, Any]:
    return {"id": identifier, "name": identifier, "audience": "shop", "kind": kind, "rule": rule}


COUNT = {"count": [{"var": "behaviors.purchases"}]}

RECENT = {"count": [{"within": [{"var": "behaviors.purchases"}, "2h"]}]}

SEGMENTS = [
    segment("buyers", {">=": [COUNT, 1]}),
    segment("twice", {">=": [COUNT, 2]}),
    segment("visitors", {">=": [{"count": [{"var": "behaviors.visits"}]}, 1]}),
    segment("buying", {">=": [RECENT, 1]}, "realtime"),
    segment(
        "spending",
        {">": [{"sum": [{"within": [{"var": "behaviors.purchases"}, "3h"]}, "amount"]}, 10]},
        "realtime",
    ),
    segment(
        "back-to-back",
        {
            ">=": [
                {
                    "count": [
                        {
                            "within": [
                                {
                                    "followed_by": [
                                        {
                                            "filter": [
                                                {"var": "behaviors.purchases"},
                                                {"==": [{"var": "item"}, "a"]},
                                            ]
                                        },
                                        {"var": "behaviors.purchases"},
                                        "30m",
                                    ]
                                },
                                "6h",
                            ]
                        }
                    ]
                },
                1,
            ]
        },
        "realtime",
    ),
    *(
        segment(f"was-{name}", {"in": [name, {"var": "segments"}]})
        for name in ("buying", "spending", "back-to-back")
    ),
]


def rules(source: str = "both") -> dict[str, Any]:
    document = documents()
    document["segments"] = SEGMENTS
    document["access"]["tokens"] = document["access"]["partners"] = document["destinations"] = []
    document["audience"]["behaviors"]["visits"] = {"source": "events", "id": ["visit"], "columns": COLUMNS}
    document["audience"]["behaviors"]["purchases"]["source"] = source
    return document


def archive(batch: Batch, events: list[Event], first: int = 1, shard: str = "shard-0") -> None:
    use_case = ArchiveEvents(ParquetTables(batch.lake), batch.lake, StaticRuleSets({"shop": batch.rules}))
    records = [StreamRecord(str(n), one.to_json()) for n, one in enumerate(events, first)]
    assert use_case(shard, records).failed == set()


def built(batch: Batch, behavior: str) -> list[dict[str, str | None]]:
    """The rows of a behavior as it is built now."""
    batch.clock.time += 1
    table = batch.build()["tables"]["behaviors"][behavior]
    names = list(batch.warehouse.columns(table) or {})
    selected = ", ".join(f'"{name}"' for name in names)
    query = f'SELECT {selected} FROM {table} ORDER BY event_id, profile_key, "time"'
    rows = batch.warehouse.rows("look", query)[1]
    return [dict(zip(names, row, strict=True)) for row in rows]
