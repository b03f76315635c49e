"""What random tests share with the conformance cases."""

from tests.conformance.conftest import athena

__all__ = ["athena"]
