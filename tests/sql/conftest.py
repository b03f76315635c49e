"""What the tests of SQL on DuckDB share."""

from tests.conformance.conftest import athena

__all__ = ["athena"]
