"""What the conformance tests share."""

import pytest

from .readings import Athena


@pytest.fixture(scope="session")
def athena(tmp_path_factory: pytest.TempPathFactory) -> Athena:
    """One DuckDB for the whole session."""
    return Athena(tmp_path_factory.mktemp("lake"))
