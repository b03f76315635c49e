"""The raw tables that an audience is built of, and what it declares that they do not offer."""

from segmentation.language.problems import Problem, RuleError, did_you_mean, step
from segmentation.language.types import Type

from .audience import AttributeTable, Audience, Behavior, Source
from .event_lake import events_table, links_table
from .identity import Identity
from .source_sql import Catalog, Incompatible, key_text, parse


def raw_tables(audience: Audience) -> list[str]:
    """Every table that the audience is built of: raw ones, and those over the archived events."""
    names = [audience.master_table, *(one.table for one in audience.attributes)]
    names += [one.table for one in audience.known_identities() if one.table is not None]
    for name, behavior in audience.behaviors.items():
        if behavior.source is not Source.EVENTS:
            names += [behavior.table, *(lookup.table for lookup in behavior.lookups)]
        if behavior.source is not Source.TABLE:
            names.append(events_table(audience, name).name)
            names.append(links_table(audience).name)
    return list(dict.fromkeys(names))


def check_sources(audience: Audience, catalog: Catalog) -> None:
    """Whether the raw tables offer what the audience declares; `RuleError` lists all that is not so."""
    if problems := source_problems(audience, catalog):
        raise RuleError(problems)


def source_problems(audience: Audience, catalog: Catalog) -> list[Problem]:
    """All that an audience declares and the raw tables do not offer."""
    look = _Look(audience, catalog)
    look.at_master()
    for index, identity in enumerate(audience.keys.values()):
        look.at_identity(f"/identities/{index}", identity)
    for index, table in enumerate(audience.attributes):
        look.at_attributes(f"/attributes/{index}", table)
    for name, behavior in audience.behaviors.items():
        look.at_behavior(step("/behaviors", name), name, behavior)
    return look.problems


class _Look:
    """Goes through a document, with its pointers, and notes what tables lack."""

    def __init__(self, audience: Audience, catalog: Catalog) -> None:
        self.problems: list[Problem] = []
        self._audience = audience
        self._catalog = catalog

    def at_master(self) -> None:
        master = self._audience.master_table
        if self._has("/master/table", master):
            self._column("/master/key", master, self._audience.master_key, None)
            self._order("/master/latest", master, self._audience.latest)

    def at_identity(self, pointer: str, identity: Identity) -> None:
        if identity.table is not None and self._has(f"{pointer}/table", identity.table):
            self._column(f"{pointer}/key", identity.table, identity.key, None)
            self._column(f"{pointer}/column", identity.table, identity.column, None)
            self._order(f"{pointer}/latest", identity.table, identity.latest)

    def at_attributes(self, pointer: str, declared: AttributeTable) -> None:
        table = declared.table
        if not self._has(f"{pointer}/table", table):
            return
        self._column(f"{pointer}/key", table, declared.key, None)
        if declared.on is not None:
            self._column(f"{pointer}/on", self._audience.master_table, declared.on, None)
        self._order(f"{pointer}/latest", table, declared.latest)
        self._order(f"{pointer}/earliest", table, declared.earliest)
        for one in declared.columns:
            self._column(step(f"{pointer}/columns", one.name), table, one.source, one.type)

    def at_behavior(self, pointer: str, name: str, behavior: Behavior) -> None:
        if behavior.source is not Source.TABLE:
            self._has(f"{pointer}/source", events_table(self._audience, name).name)
        if behavior.source is Source.EVENTS:
            return
        table = behavior.table
        if self._has(f"{pointer}/table", table):
            self._column(f"{pointer}/key", table, behavior.key, None)
            self._column(f"{pointer}/time", behavior.time_from or table, behavior.time, Type.TIMESTAMP)
            for index, identifier in enumerate(behavior.id):
                self._column(f"{pointer}/id/{index}", table, identifier, None)
        for index, lookup in enumerate(behavior.lookups):
            if self._has(f"{pointer}/lookups/{index}/table", lookup.table):
                self._column(f"{pointer}/lookups/{index}/key", lookup.table, lookup.key, None)
                self._column(f"{pointer}/lookups/{index}/on", table, lookup.on, None)
        for one in behavior.columns:
            self._column(step(f"{pointer}/columns", one.name), one.lookup or table, one.source, one.type)

    def _has(self, pointer: str, table: str) -> bool:
        if self._catalog.get(table) is None:
            known = did_you_mean(table, [one for one, found in self._catalog.items() if found is not None])
            self.problems.append(Problem(pointer, "no-table", f"the database has no table {table!r}{known}"))
            return False
        return True

    def _column(self, pointer: str, table: str, column: str, type_: Type | None) -> None:
        """A column that can be read as a type, or, without one, as a key. Of tables that are missing, enough was said."""
        columns = self._catalog.get(table)
        if columns is None:
            return
        if column.lower() not in columns:
            message = f"table {table!r} has no column {column!r}{did_you_mean(column, columns)}"
            self.problems.append(Problem(pointer, "no-column", message))
            return
        try:
            if type_ is None:
                key_text(self._catalog, table, column, "t")
            else:
                parse(type_, "x", self._catalog, table, column)
        except Incompatible as error:
            self.problems.append(Problem(pointer, "source-type", str(error)))

    def _order(self, pointer: str, table: str, column: str | None) -> None:
        """A column that rows are ordered by: of any type, so only whether it is there."""
        if column is not None and column.lower() not in (self._catalog.get(table) or {column.lower(): ""}):
            self._column(pointer, table, column, None)
