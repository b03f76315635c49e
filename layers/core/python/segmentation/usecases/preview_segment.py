"""Preview a segment while it is being edited: how many are in it and who, for instance, before it is saved.

Starting and asking are two calls, so that nobody waits in a function: the query is the warehouse's, its id is the
preview's. First a sample is asked, which takes seconds and reads little, then all profiles, for the exact count.

Segments that the draft refers to are evaluated in the same query, as published and at the same moment. So what a
preview says is what the next run will find, even where the last one is old, or has not seen an edit yet.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.audience import Audience
from segmentation.domain.built import needed
from segmentation.domain.errors import BadRequest, Gone, NotBuilt, NotFound
from segmentation.domain.estimate import CONFIDENCE, Estimate, estimate
from segmentation.domain.lake_sql import as_the_stream_saw
from segmentation.domain.pipeline import COST_PER_BYTE, LEAST_BYTES, Outcome
from segmentation.domain.preview_sql import count_query, for_a_sample, preview_query, refers_to_a_limit
from segmentation.language.limits import WHOLE
from segmentation.language.types import Type
from segmentation.ports import Clock, Lake, RuleSets, Warehouse

from .current_build import CurrentBuild, current_build
from .published_rules import published_one, with_draft

MOST_ATTRIBUTES = 20
"""Attributes that a shown member has, in declared order, unless others are asked for."""
_ID = re.compile(r"[A-Za-z0-9-]{1,128}")


@dataclass(frozen=True, slots=True)
class Member:
    """A member that is shown: its profile key, and attributes that are neither PII nor blocked."""

    profile_key: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview as it stands. `state`: `running`, `done`, `failed` (with a reason) or `cancelled`.

    When done: `count` lies between `low` and `high`, both included, with a probability of `confidence` (1: it is
    exact). `approximate`: the draft refers to a segment with a limit, which a sample can only imitate, so the bounds
    do not hold for that part. `population` profiles there are, of whom so many were `asked`.
    """

    id: str
    state: str
    population: int
    now: int
    asked: int = 0
    count: int | None = None
    low: int | None = None
    high: int | None = None
    confidence: float | None = None
    approximate: bool = False
    members: Sequence[Member] = field(default_factory=tuple)
    reason: str = ""
    bytes_scanned: int = 0
    dollars: float = 0.0
    ms: int = 0


def preview_path(audience: str, preview: str) -> str:
    """Where it stands what a preview is about."""
    return f"previews/{audience}/{preview}.json"


@dataclass(frozen=True, slots=True)
class PreviewSegment:
    """Previews of one or several users. `logical_now` stands for the clock on old data."""

    warehouse: Warehouse
    lake: Lake
    rule_sets: RuleSets
    clock: Clock
    new_token: Callable[[], str]
    logical_now: int | None = None

    def start(
        self,
        audience: str,
        document: Mapping[str, Any],
        *,
        exact: bool = False,
        attributes: Sequence[str] | None = None,
    ) -> Preview:
        """Start counting a segment document as it is, over a sample or (`exact`) over all; ask for it by its id.

        `attributes` are to be shown of members. Raises `RuleError` (the document is not in order), `NotBuilt`,
        `NotFound`, `BadRequest`, `Unavailable`.
        """
        published = published_one(self.rule_sets, audience)
        rules, segment = with_draft(published, document)
        build = current_build(self.lake, published.audience)
        now = self.clock.now() if self.logical_now is None else self.logical_now
        rules = as_the_stream_saw(rules, published.audience)
        build.check(needed(rules, segment.id))
        source = build.whole if exact or build.sample is None else build.sample
        whole = source is build.whole
        shown: list[str] = []
        approximate = False
        if not whole:
            rules = for_a_sample(rules, segment, source.share)
            approximate = refers_to_a_limit(rules, segment)
        segment = next(one for one in rules if one.id == segment.id)
        tables = (source.profiles_table, source.behaviors, now, source.lists, source.partitions)
        if exact and build.sample is not None:
            sql = count_query(rules, segment, *tables)
        else:
            shown = self._shown(published.audience, build, attributes)
            sql = preview_query(rules, segment, *tables, shown)
        query = self.warehouse.start("preview", sql, self.new_token())
        limit = None if whole else with_draft(published, document)[1].limit
        record = {
            "query": query,
            "segment": segment.id,
            "population": build.profiles,
            "now": now,
            "shown": {name: str(rules.schema.attributes[name]) for name in shown},
            "limit": None if limit is None else [limit.count, limit.share],
            "approximate": approximate,
            "started": self.clock.now(),
        }
        self.lake.put(preview_path(audience, query), json.dumps(record).encode())
        return self._preview(record, "running")

    def _shown(self, audience: Audience, build: CurrentBuild, asked: Sequence[str] | None) -> list[str]:
        """The attributes to show: of those that are neither PII nor blocked, and are built."""
        public = audience.public()
        can = [
            name for name, one in audience.columns().items() if name in public and build.has(name, one.type)
        ]
        if asked is None:
            return can[:MOST_ATTRIBUTES]
        for name in asked:
            if name not in public:
                raise BadRequest(f"attribute {name!r} cannot be shown; these can: {', '.join(sorted(can))}")
            if name not in can:
                raise NotBuilt(
                    f"attribute {name!r} was declared since the audience was built: start a build first"
                )
        return list(dict.fromkeys(asked))

    def poll(self, audience: str, preview: str) -> Preview:
        """How a preview stands. Raises `NotFound`, `Gone`, `Unavailable`."""
        record = self._record(audience, preview)
        status = self.warehouse.statuses([preview]).get(preview)
        if status is None:
            raise Gone(f"preview {preview!r} is no longer kept; start it again")
        cost: dict[str, Any] = {
            "bytes_scanned": status.bytes_scanned,
            "ms": status.ms,
            "dollars": round(max(status.bytes_scanned, LEAST_BYTES) * COST_PER_BYTE, 6),
        }
        match status.outcome:
            case Outcome.ACTIVE:
                return self._preview(record, "running")
            case Outcome.STOPPED:
                return self._preview(record, "cancelled", reason=status.reason, **cost)
            case Outcome.FAILED | Outcome.PASSING:
                return self._preview(record, "failed", reason=status.reason, **cost)
        rows = self.warehouse.results(preview)
        members, asked = 0, 0
        if rows:
            members = int(rows[0][0] or 0)
            asked = int(rows[0][1] or 0) if len(rows[0]) > 1 else record["population"]
        found = estimate(members, asked, max(asked, record["population"]))
        if record["limit"] is not None:
            count, share = record["limit"]
            found = found.limited(count, share, WHOLE)
        more = {**cost, "asked": asked, "members": _members(rows, record["shown"])}
        return self._preview(record, "done", found, **more)

    def cancel(self, audience: str, preview: str) -> Preview:
        """Stop a preview's query; one that has ended stays as it is."""
        self._record(audience, preview)
        self.warehouse.stop(preview)
        return self.poll(audience, preview)

    def _record(self, audience: str, preview: str) -> dict[str, Any]:
        """Only what was started as a preview of this audience can be asked for, and no other query."""
        stored = self.lake.get(preview_path(audience, preview)) if _ID.fullmatch(preview) else None
        if stored is None:
            raise NotFound(f"audience {audience!r} has no preview {preview!r}")
        record: dict[str, Any] = json.loads(stored.data)
        return record

    def _preview(
        self,
        record: Mapping[str, Any],
        state: str,
        found: Estimate | None = None,
        **more: Any,
    ) -> Preview:
        if found is not None:
            more |= {"count": found.count, "low": found.low, "high": found.high}
            more["confidence"] = 1.0 if found.exact else CONFIDENCE
        return Preview(
            record["query"],
            state,
            record["population"],
            record["now"],
            approximate=record["approximate"],
            **more,
        )


def _members(rows: Sequence[Sequence[str | None]], shown: Mapping[str, str]) -> tuple[Member, ...]:
    """Of rows of `preview_query`; those of `count_query` show nobody."""
    return tuple(
        Member(
            str(row[3]),
            {
                name: _value(type_, value)
                for (name, type_), value in zip(shown.items(), row[4:], strict=True)
                if value is not None
            },
        )
        for row in rows
        if len(row) > 2 and row[2] == "true"
    )


def _value(type_: str, value: str) -> Any:
    """The warehouse's text as JSON has it; arrays stay text."""
    match type_:
        case Type.NUMBER:
            return float(value)
        case Type.BOOLEAN:
            return value == "true"
        case Type.TIMESTAMP:
            return int(value)
    return value
