"""What kind of statement a text is, taken apart into what the engine needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from infra.local.athena.errors import NotProven, RequestRefused
from infra.local.athena.trino import TrinoAsWritten, parse_query

Properties: TypeAlias = Mapping[str, "str | int | list[str]"]
Name: TypeAlias = tuple[str, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Select:
    """A query whose rows are the result."""

    query: exp.Query


@dataclass(frozen=True, slots=True)
class CreateTableAs:
    """CREATE TABLE name WITH (...) AS query."""

    name: Name
    query: exp.Query
    properties: Properties = field(default_factory=dict)
    if_not_exists: bool = False
    with_data: bool = True


@dataclass(frozen=True, slots=True)
class Unload:
    """UNLOAD (query) TO 's3://...' WITH (...)."""

    query: exp.Query
    location: str
    properties: Properties


@dataclass(frozen=True, slots=True)
class Insert:
    """INSERT INTO name (columns) query."""

    name: Name
    columns: tuple[str, ...]
    query: exp.Query


@dataclass(frozen=True, slots=True)
class CreateExternal:
    """CREATE EXTERNAL TABLE: an entry in the catalog."""

    name: Name
    columns: Mapping[str, str]
    partition_keys: Mapping[str, str]
    location: str
    serde: str
    serde_parameters: Mapping[str, str]
    parameters: Mapping[str, str]
    if_not_exists: bool


@dataclass(frozen=True, slots=True)
class DropTable:
    """DROP TABLE [IF EXISTS] name."""

    name: Name
    if_exists: bool


@dataclass(frozen=True, slots=True)
class RepairTable:
    """MSCK REPAIR TABLE name: register the partitions that lie in S3."""

    name: Name


@dataclass(frozen=True, slots=True)
class ShowTables:
    """SHOW TABLES [IN database]."""

    database: str


Statement: TypeAlias = (
    Select | CreateTableAs | Unload | Insert | CreateExternal | DropTable | RepairTable | ShowTables
)

# StatementType and SubstatementType of the API.
KINDS: Mapping[type, tuple[str, str]] = {
    Select: ("DML", "SELECT"),
    CreateTableAs: ("DDL", "CREATE_TABLE_AS_SELECT"),
    Unload: ("DML", "UNLOAD"),
    Insert: ("DML", "INSERT"),
    CreateExternal: ("DDL", "CREATE_TABLE"),
    DropTable: ("DDL", "DROP_TABLE"),
    RepairTable: ("DDL", "MSCK_REPAIR_TABLE"),
    ShowTables: ("UTILITY", "SHOW_TABLES"),
}


def parse_statement(sql: str, parameters: Sequence[str]) -> Statement:
    """The statement, or a refusal of the request."""
    sql = sql.rstrip().rstrip(";")
    if shown := re.fullmatch(r"\s*SHOW\s+TABLES(?:\s+(?:IN|FROM)\s+[`\"]?(\w+)[`\"]?)?", sql, re.IGNORECASE):
        return ShowTables((shown[1] or "").lower())
    try:
        reader = _Reader(sql)
    except TokenError as error:
        raise RequestRefused(f"line 1:1: {error}", AthenaErrorCode="MALFORMED_QUERY") from None
    if reader.take("CREATE", "EXTERNAL", "TABLE"):
        return _create_external(sql)
    if reader.take("CREATE", "TABLE"):
        return _create_table_as(reader, parameters)
    if reader.take("UNLOAD"):
        return _unload(reader, parameters)
    if reader.take("INSERT", "INTO"):
        return _insert(reader, parameters)
    if reader.take("DROP", "TABLE"):
        if_exists = reader.take("IF", "EXISTS")
        return DropTable(reader.end(reader.name()), if_exists)
    if reader.take("MSCK", "REPAIR", "TABLE"):
        return RepairTable(reader.end(reader.name()))
    if reader.word() in ("SELECT", "WITH", "VALUES", "("):
        return Select(parse_query(sql, parameters))
    raise RequestRefused(
        f"Queries of this type are not supported by the embedded Athena: {' '.join(sql.split())[:60]}",
        AthenaErrorCode="MALFORMED_QUERY",
    )


class _Reader:
    """Walks the tokens of a statement."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.tokens: list[Token] = list(sqlglot.tokenize(_unquote_hive(sql), dialect=TrinoAsWritten))
        self.at = 0

    def peek(self, offset: int = 0) -> Token | None:
        return self.tokens[self.at + offset] if self.at + offset < len(self.tokens) else None

    def word(self, offset: int = 0) -> str:
        token = self.peek(offset)
        return "" if token is None or token.token_type == TokenType.STRING else token.text.upper()

    def take(self, *words: str) -> bool:
        """Step over the words if they stand here. sqlglot keeps some pairs of words in one token."""
        offset, left = 0, list(words)
        while left:
            found = self.word(offset).split()
            if not found or found != left[: len(found)]:
                return False
            left = left[len(found) :]
            offset += 1
        self.at += offset
        return True

    def expect(self, *words: str) -> None:
        if not self.take(*words):
            raise self.unexpected(" ".join(words))

    def unexpected(self, wanted: str) -> RequestRefused:
        token = self.peek()
        where = (
            f"line {token.line}:{token.col}: mismatched input '{token.text}'"
            if token
            else "mismatched input '<EOF>'"
        )
        return RequestRefused(f"{where}. Expecting: {wanted}", AthenaErrorCode="MALFORMED_QUERY")

    def name(self) -> Name:
        parts = [self._identifier()]
        while self.take("."):
            parts.append(self._identifier())
        return tuple(part.lower() for part in parts)

    def _identifier(self) -> str:
        token = self.peek()
        if token is None or not re.fullmatch(r"[\w$@-]+", token.text):
            raise self.unexpected("a name")
        self.at += 1
        return token.text

    def text(self) -> str:
        token = self.peek()
        if token is None or token.token_type != TokenType.STRING:
            raise self.unexpected("a text in quotes")
        self.at += 1
        return token.text

    def properties(self) -> Properties:
        """(key = value, ...)."""
        found: dict[str, str | int | list[str]] = {}
        self.expect("(")
        while True:
            key = self._identifier().lower()
            self.expect("=")
            token = self.peek()
            if self.take("ARRAY"):
                self.expect("[")
                values = [self.text()]
                while self.take(","):
                    values.append(self.text())
                self.expect("]")
                found[key] = values
            elif token is not None and token.token_type == TokenType.NUMBER:
                found[key] = int(token.text)
                self.at += 1
            else:
                found[key] = self.text()
            if self.take(")"):
                return found
            self.expect(",")

    def rest(self, parameters: Sequence[str], until: int | None = None) -> exp.Query:
        """The query from here on, on the lines and columns where it was written."""
        start = self.peek()
        if start is None:
            raise self.unexpected("a query")
        end = len(self.sql) if until is None else self.tokens[until].start
        blank = re.sub(r"[^\n]", " ", self.sql[: start.start])
        return parse_query(blank + self.sql[start.start : end], parameters)

    def closing(self) -> int:
        """Index of the parenthesis that closes the one just opened."""
        depth = 1
        for index in range(self.at, len(self.tokens)):
            kind = self.tokens[index].token_type
            depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
            if depth == 0:
                return index
        self.at = len(self.tokens)
        raise self.unexpected("')'")

    def end(self, value: T) -> T:
        """What was read, if nothing follows it."""
        if self.peek() is not None:
            raise self.unexpected("the end of the statement")
        return value


def _unquote_hive(sql: str) -> str:
    """DDL quotes names with backticks; the lengths stay the same, so positions do too."""
    return sql.replace("`", '"')


def _create_table_as(reader: _Reader, parameters: Sequence[str]) -> CreateTableAs:
    if_not_exists = reader.take("IF", "NOT", "EXISTS")
    name = reader.name()
    properties = reader.properties() if reader.take("WITH") else {}
    reader.expect("AS")
    words = [token.text.upper() for token in reader.tokens[-3:]]
    with_data, until = True, None
    if words == ["WITH", "NO", "DATA"]:
        with_data, until = False, len(reader.tokens) - 3
    elif words[1:] == ["WITH", "DATA"]:
        until = len(reader.tokens) - 2
    return CreateTableAs(name, reader.rest(parameters, until), properties, if_not_exists, with_data)


def _unload(reader: _Reader, parameters: Sequence[str]) -> Unload:
    reader.expect("(")
    close = reader.closing()
    query = reader.rest(parameters, close)
    reader.at = close + 1
    reader.expect("TO")
    location = reader.text()
    reader.expect("WITH")
    properties = reader.properties()
    reader.end(None)
    return Unload(query, location, properties)


def _insert(reader: _Reader, parameters: Sequence[str]) -> Insert:
    name = reader.name()
    columns: list[str] = []
    if reader.word() == "(" and reader.word(1) not in ("SELECT", "WITH", "VALUES", "("):
        reader.take("(")
        columns.append(reader.name()[-1])
        while reader.take(","):
            columns.append(reader.name()[-1])
        reader.expect(")")
    return Insert(name, tuple(columns), reader.rest(parameters))


PARQUET_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
_LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
_FORMATS = {"PARQUET": PARQUET_SERDE, "TEXTFILE": _LAZY, "JSON": "org.openx.data.jsonserde.JsonSerDe"}


def _create_external(sql: str) -> CreateExternal:
    try:
        tree = sqlglot.parse_one(sql, dialect="hive")
    except ParseError as error:
        raise RequestRefused(f"FAILED: ParseException {error}", AthenaErrorCode="MALFORMED_QUERY") from None
    if not isinstance(tree, exp.Create) or not isinstance(tree.this, exp.Schema):
        raise RequestRefused("FAILED: ParseException: CREATE EXTERNAL TABLE without columns")
    serde, location = "", ""
    serde_parameters: dict[str, str] = {}
    partition_keys: dict[str, str] = {}
    parameters: dict[str, str] = {"EXTERNAL": "TRUE"}
    for item in tree.args["properties"].expressions if tree.args.get("properties") else []:
        match item:
            case exp.ExternalProperty():
                pass
            case exp.LocationProperty():
                location = item.name
            case exp.PartitionedByProperty():
                partition_keys = _definitions(item.this)
            case exp.FileFormatProperty() if item.name.upper() in _FORMATS:
                serde = serde or _FORMATS[item.name.upper()]
            case exp.FileFormatProperty() if serde:
                pass  # INPUTFORMAT and OUTPUTFORMAT beside a serde that already says it
            case exp.RowFormatSerdeProperty():
                serde = item.name
                inner = item.args.get("serde_properties")
                serde_parameters |= {p.name: p.text("value") for p in inner.expressions} if inner else {}
            case exp.SerdeProperties():
                serde_parameters |= {p.name: p.text("value") for p in item.expressions}
            case exp.RowFormatDelimitedProperty():
                serde = serde or _LAZY
                serde_parameters["field.delim"] = item.text("fields")
            case exp.Property():
                parameters[item.name] = item.text("value")
            case _:
                raise NotProven(f"CREATE EXTERNAL TABLE with {item.sql('hive')}")
    if not location:
        raise RequestRefused(
            "FAILED: CREATE EXTERNAL TABLE without LOCATION", AthenaErrorCode="MALFORMED_QUERY"
        )
    table = tree.this.this
    return CreateExternal(
        name=tuple(part.name.lower() for part in table.parts),
        columns=_definitions(tree.this),
        partition_keys=partition_keys,
        location=location,
        serde=serde or _LAZY,
        serde_parameters=serde_parameters,
        parameters=parameters,
        if_not_exists=bool(tree.args.get("exists")),
    )


def _definitions(schema: exp.Expr) -> dict[str, str]:
    return {
        column.name.lower(): column.args["kind"].sql("hive").lower()
        for column in schema.expressions
        if isinstance(column, exp.ColumnDef)
    }
