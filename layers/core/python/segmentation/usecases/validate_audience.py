"""Look at the raw tables of an audience before anything is built: do they hold what its document says?"""

from dataclasses import dataclass

from segmentation.domain.audience import Audience
from segmentation.domain.errors import QueryFailed
from segmentation.domain.event_lake import lake_tables
from segmentation.domain.raw_tables import raw_tables, source_problems
from segmentation.domain.source_sql import Catalog
from segmentation.domain.validation import Finding, TableReport, Validation, report
from segmentation.domain.validation_sql import looks
from segmentation.ports import Clock, Warehouse


@dataclass(frozen=True, slots=True)
class ValidateAudience:
    """Reads raw tables, and changes nothing."""

    warehouse: Warehouse
    clock: Clock

    def __call__(self, audience: Audience, now: int | None = None) -> Validation:
        """The report. What is wrong at one place does not keep the others from being looked at."""
        # Tables over archived events are made by the build; what they lack is no problem of the document.
        made = {one.name for one in lake_tables(audience)}
        catalog: dict[str, dict[str, str] | None] = {
            table: self.warehouse.columns(table) for table in raw_tables(audience) if table not in made
        }
        problems = source_problems(audience, {**catalog, **{name: {} for name in made}})
        findings = [Finding("error", one.pointer, one.message) for one in problems]
        if any(one.pointer.startswith("/master") for one in problems):
            return Validation(audience.id, (), tuple(findings))
        broken = {_place(one.pointer) for one in problems}
        moment = self.clock.now() if now is None else now
        return self._look(audience, catalog, moment, broken, findings)

    def _look(
        self, audience: Audience, catalog: Catalog, now: int, broken: set[str], findings: list[Finding]
    ) -> Validation:
        tables: list[TableReport] = []
        queries = scanned = profiles = 0
        for look in looks(audience, catalog, now, broken):
            try:
                record, rows = self.warehouse.rows("validate", look.sql)
                queries, scanned = queries + 1, scanned + record.bytes_scanned
                samples: list[tuple[str | None, ...]] = []
                if look.samples:
                    record, samples = self.warehouse.rows("samples", look.samples)
                    queries, scanned = queries + 1, scanned + record.bytes_scanned
            except QueryFailed as error:
                message = f"table {look.table!r} cannot be read: {error.reason}"
                findings.append(Finding("error", look.pointer, message))
                continue
            made, found = report(look, rows[0], samples, profiles)
            if look.kind == "master":
                profiles = made.figures.get("keys") or 0
            tables.append(made)
            findings += found
        return Validation(audience.id, tuple(tables), tuple(findings), queries, scanned)


def _place(pointer: str) -> str:
    """The look that a problem is about: `/attributes/0/columns/x` is of `/attributes/0`."""
    return "/".join(pointer.split("/")[:3])
