"""Names and literals as Trino reads them. Nothing else may put a user's text into SQL."""

from .types import Type
from .values import Value


def identifier(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A string literal. Trino knows no escape but the doubled quote."""
    return "'" + value.replace("'", "''") + "'"


def double(value: float) -> str:
    """A double literal: without an exponent Trino would read a decimal."""
    shortest = repr(float(value)).removesuffix(".0")
    literal = shortest if "e" in shortest else f"{shortest}e0"
    return f"({literal})" if value < 0 else literal


def literal(type_: Type, value: Value) -> str:
    """A scalar constant of a type."""
    match type_:
        case Type.STRING:
            return text(str(value))
        case Type.NUMBER:
            return double(float(value))  # type: ignore[arg-type]
        case Type.BOOLEAN:
            return "true" if value else "false"
        case Type.TIMESTAMP:
            return f"({value})" if int(value) < 0 else str(value)  # type: ignore[arg-type]
        case Type.DATE:
            return f"DATE {text(str(value))}"
        case _:
            raise TypeError(f"no literal of type {type_}")


def sql_type(type_: Type) -> str:
    """The column type that the built audience gives to a type of the language."""
    return {
        Type.STRING: "varchar",
        Type.NUMBER: "double",
        Type.BOOLEAN: "boolean",
        Type.TIMESTAMP: "bigint",
        Type.DATE: "date",
        Type.STRINGS: "array(varchar)",
        Type.NUMBERS: "array(double)",
    }[type_]
