"""What may go wrong, in the shapes in which Athena says it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import duckdb

USER_ERROR = 2
SYSTEM_ERROR = 1


class RequestRefused(Exception):
    """The API refuses the request itself; nothing was started."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class QueryFailed(Exception):
    """A query that was started has failed. The text begins with Trino's name of the error."""

    def __init__(self, code: str, message: str, category: int = USER_ERROR, error_type: int = 1006) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.category = category
        self.error_type = error_type


class NotProven(QueryFailed):
    """The SQL may be good Trino, but its rendering in DuckDB is not on the proven list."""

    def __init__(self, construct: str, where: str = "") -> None:
        super().__init__(
            "NOT_SUPPORTED",
            f"{where}the embedded Athena has no proven rendering of {construct}; "
            "use a construct listed in infra/local/athena/functions.py, or add one there with golden cases",
        )


# The macros raise by failing a cast of such a text: DuckDB's error() is volatile and TRY refuses it.
_RAISED = re.compile(r"«(?P<code>[A-Z_]+): (?P<message>.*?)»", re.DOTALL)
_UNKNOWN_COLUMN = re.compile(
    r"Referenced (?:column \"(?P<column>[^\"]+)\"|table \"(?P<table>[^\"]+)\")"
    r"|does not have a column named \"(?P<member>[^\"]+)\""
)


_NOT_PARQUET = re.compile(r"magic bytes|[Pp]arquet|TProtocolException|[Tt]hrift|decompress|[Ss]nappy|[Zz]std")


def from_duckdb(error: duckdb.Error, locate: Callable[[str], str]) -> QueryFailed:
    """The query failure that Athena would report for what DuckDB raised; `locate` finds a name in the query."""
    text = str(error).split("\n\nLINE ")[0].strip()
    if raised := _RAISED.search(text):
        return QueryFailed(raised["code"], raised["message"])
    detail = text.split(": ", 1)[-1].replace("\n", " ")
    match error:
        case duckdb.BinderException():
            if unknown := _UNKNOWN_COLUMN.search(text):
                name = unknown["column"] or unknown["table"] or unknown["member"]
                return QueryFailed(
                    "COLUMN_NOT_FOUND",
                    f"{locate(name)}Column '{name}' cannot be resolved or requester is not authorized to access requested resources",
                )
            if "mbiguous" in text:
                return QueryFailed("AMBIGUOUS_NAME", detail)
            if "GROUP BY" in text:
                return QueryFailed("EXPRESSION_NOT_AGGREGATE", detail)
            return QueryFailed("TYPE_MISMATCH", detail)
        case duckdb.InternalException() if "within vector of size" in text:
            # DuckDB 1.5 ends so where it reads some columns of text that is not UTF-8 and wants to say that.
            return QueryFailed("HIVE_BAD_DATA", "Text that cannot be read: it is not UTF-8")
        case duckdb.InvalidInputException() if "CSV Error" in text:
            return QueryFailed("HIVE_BAD_DATA", f"Text that cannot be read: {detail}")
        case duckdb.InvalidInputException() if _NOT_PARQUET.search(text):
            return QueryFailed("HIVE_BAD_DATA", f"Not valid Parquet file: {detail}")
        case duckdb.InvalidInputException() if "Malformed JSON" in text:
            return QueryFailed("HIVE_CURSOR_ERROR", f"Row is not a valid JSON Object - {detail}")
        case duckdb.InvalidInputException() if "More than one row returned by a subquery" in text:
            return QueryFailed("SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows")
        case duckdb.ConversionException():
            return QueryFailed("INVALID_CAST_ARGUMENT", detail)
        case duckdb.OutOfRangeException():
            return QueryFailed("NUMERIC_VALUE_OUT_OF_RANGE", detail)
        case duckdb.OutOfMemoryException():
            return QueryFailed(
                "EXCEEDED_MEMORY_LIMIT",
                f"Query exhausted resources at this scale factor: {detail}",
                error_type=1,
            )
        case duckdb.Error() if _NOT_PARQUET.search(text) and not isinstance(error, duckdb.HTTPException):
            return QueryFailed("HIVE_BAD_DATA", f"Not valid Parquet file: {detail}")
        case duckdb.HTTPException() | duckdb.IOException():
            return QueryFailed("HIVE_CANNOT_OPEN_SPLIT", detail)
        case _:
            return QueryFailed("GENERIC_INTERNAL_ERROR", text, category=SYSTEM_ERROR, error_type=200)
