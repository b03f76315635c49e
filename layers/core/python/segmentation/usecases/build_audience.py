"""Build an audience of its raw tables: a new version beside the old one, committed by one pointer."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from segmentation.domain.build_sql import check_sources, profiles_query, raw_tables
from segmentation.domain.errors import NotFound
from segmentation.domain.lake_sql import behavior_rows
from segmentation.domain.published import Published
from segmentation.domain.run import QueryRecord, instant, pointer_path, stamp, table_name
from segmentation.domain.run_sql import rows_query
from segmentation.ports import Clock, Lake, LakeCatalog, RuleSets, Warehouse

from .register_lake import register_lake

logger = logging.getLogger("segmentation.build_audience")


@dataclass(frozen=True, slots=True)
class BuildAudience:
    """The first half of the batch path."""

    warehouse: Warehouse
    lake: Lake
    rule_sets: RuleSets
    clock: Clock
    new_suffix: Callable[[], str]
    lake_catalog: LakeCatalog

    def __call__(self, audience: str | None = None) -> list[dict[str, Any]]:
        """Build one audience, or all of them; the pointers that were committed."""
        return [self._build(one) for one in chosen(self.rule_sets, audience)]

    def _build(self, published: Published) -> dict[str, Any]:
        audience, started = published.audience, self.clock.now()
        version = f"{stamp(started)}_{self.new_suffix()}"
        register_lake(self.lake, self.lake_catalog, audience)
        catalog = {table: self.warehouse.columns(table) for table in raw_tables(audience)}
        check_sources(audience, catalog)
        queries: list[QueryRecord] = []
        profiles = table_name(audience.id, version, "profiles")
        sources = {"profiles": (profiles, profiles_query(audience, catalog))}
        behaviors: dict[str, str] = {}
        for name, behavior in audience.behaviors.items():
            behaviors[name] = table_name(audience.id, version, name)
            sources[f"behavior_{name}"] = (behaviors[name], behavior_rows(audience, behavior, catalog))
        for folder, (table, query) in sources.items():
            prefix = f"audiences/{audience.id}/{version}/{folder}/"
            queries.append(create_table(self.warehouse, self.lake, table, prefix, query))
            logger.info("built %s in %d ms", table, queries[-1].ms)
        counted, rows = self._count({folder: table for folder, (table, _) in sources.items()})
        pointer = {
            "version": version,
            "built": instant(self.clock.now()),
            "rules_version": published.version,
            "tables": {"profiles": profiles, "behaviors": behaviors},
            "rows": rows,
            "queries": [
                {"id": one.id, "bytes_scanned": one.bytes_scanned, "ms": one.ms}
                for one in (*queries, counted)
            ],
        }
        self.lake.put(pointer_path(audience.id), json.dumps(pointer, indent=1).encode())
        return {"audience": audience.id, **pointer}

    def _count(self, tables: Mapping[str, str]) -> tuple[QueryRecord, dict[str, int]]:
        record, rows = self.warehouse.rows("count the built rows", rows_query(list(tables.items())))
        return record, {str(name): int(count or 0) for name, count in rows}


def chosen(rule_sets: RuleSets, audience: str | None) -> list[Published]:
    """The rule sets to work on: one by name, or all."""
    sets = rule_sets.all()
    if audience is None:
        return [sets[name] for name in sorted(sets)]
    if audience not in sets:
        raise NotFound(f"no rule set of audience {audience!r} is published")
    return [sets[audience]]


def create_table(warehouse: Warehouse, lake: Lake, table: str, prefix: str, query: str) -> QueryRecord:
    """Write a query's rows as a table. Remains of an interrupted attempt are removed first."""
    warehouse.run(f"drop {table}", f"DROP TABLE IF EXISTS {table}")
    lake.delete_prefix(prefix)
    properties = f"format = 'PARQUET', external_location = '{lake.uri(prefix)}'"
    return warehouse.run(f"create {table}", f"CREATE TABLE {table} WITH ({properties}) AS {query}")
