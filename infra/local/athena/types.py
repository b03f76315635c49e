"""Types by their three names: DuckDB's, Athena's in results, and the Glue catalog's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from infra.local.athena.errors import NotProven

_T = exp.DataType.Type

# DuckDB -> (name in a result set, name in the catalog, precision, scale)
_SIMPLE: Final = {
    _T.BOOLEAN: ("boolean", "boolean", 0, 0),
    _T.TINYINT: ("tinyint", "tinyint", 3, 0),
    _T.SMALLINT: ("smallint", "smallint", 5, 0),
    _T.INT: ("integer", "int", 10, 0),
    _T.BIGINT: ("bigint", "bigint", 19, 0),
    _T.INT128: ("bigint", "bigint", 19, 0),
    _T.FLOAT: ("float", "float", 17, 0),
    _T.DOUBLE: ("double", "double", 17, 0),
    _T.TEXT: ("varchar", "string", 2147483647, 0),
    _T.VARCHAR: ("varchar", "string", 2147483647, 0),
    _T.VARBINARY: ("varbinary", "binary", 1073741824, 0),
    _T.DATE: ("date", "date", 0, 0),
    _T.TIMESTAMP: ("timestamp", "timestamp", 3, 0),
    _T.TIMESTAMPNTZ: ("timestamp", "timestamp", 3, 0),
    _T.TIMESTAMPTZ: ("timestamp with time zone", "timestamp", 3, 0),
    _T.UNKNOWN: ("unknown", "string", 0, 0),
    _T.NULL: ("unknown", "string", 0, 0),
}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of one output column, parsed from DuckDB's name of it."""

    duckdb: exp.DataType

    @classmethod
    def of(cls, name: str) -> ColumnType:
        """From DuckDB's text, such as `DECIMAL(38,6)` or `VARCHAR[]`."""
        if name in ('"NULL"', "NULL"):
            return cls(exp.DataType.build("NULL"))
        return cls(exp.DataType.build(name, dialect="duckdb"))

    @property
    def has_zone(self) -> bool:
        """Whether values are instants, which DuckDB's client hands over only with a further package."""
        return bool(self.duckdb.this == _T.TIMESTAMPTZ)

    def storage(self) -> str | None:
        """The DuckDB type to cast to before writing: Parquet and Trino have no 128-bit integer, tables no zone."""
        wanted = self.duckdb.copy()
        for part in wanted.find_all(exp.DataType):
            if part.this == _T.INT128:
                part.set("this", _T.BIGINT)
            elif part.this == _T.TIMESTAMPTZ:
                part.set("this", _T.TIMESTAMP)
        return None if wanted == self.duckdb else wanted.sql(dialect="duckdb")

    def glue(self) -> str:
        """The catalog's name, such as `array<string>`."""
        return _glue(self.duckdb)

    def column_info(self, name: str) -> dict[str, object]:
        """Athena's description of a result column."""
        kind, precision, scale = _result(self.duckdb)
        return {
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": name,
            "Label": name,
            "Type": kind,
            "Precision": precision,
            "Scale": scale,
            "Nullable": "UNKNOWN",
            "CaseSensitive": kind == "varchar",
        }


def _result(kind: exp.DataType) -> tuple[str, int, int]:
    if kind.this in _SIMPLE:
        name, _, precision, scale = _SIMPLE[kind.this]
        return name, precision, scale
    if kind.this == _T.DECIMAL:
        sizes = [int(part.name) for part in kind.expressions]
        return "decimal", sizes[0], sizes[1]
    names = {_T.ARRAY: "array", _T.LIST: "array", _T.MAP: "map", _T.STRUCT: "row"}
    if kind.this in names:
        return names[kind.this], 0, 0
    raise NotProven(f"a result of DuckDB type {kind.sql('duckdb')}")


def _glue(kind: exp.DataType) -> str:
    if kind.this in _SIMPLE:
        return _SIMPLE[kind.this][1]
    if kind.this == _T.DECIMAL:
        sizes = [part.name for part in kind.expressions]
        return f"decimal({sizes[0]},{sizes[1]})"
    if kind.this in (_T.ARRAY, _T.LIST):
        return f"array<{_glue(kind.expressions[0])}>"
    if kind.this == _T.MAP:
        return f"map<{_glue(kind.expressions[0])},{_glue(kind.expressions[1])}>"
    raise NotProven(f"a table column of DuckDB type {kind.sql('duckdb')}")


def from_glue(name: str) -> str:
    """DuckDB's name of a catalog type."""
    return exp.DataType.build(name, dialect="hive").sql(dialect="duckdb")
