"""One embedded cloud of a small template for all tests of infra/local."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from infra.local.clock import TurnableClock
from infra.local.cloud import Cloud
from tests.local.support import FIXTURES, Journal, Said


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    return Journal(tmp_path_factory.mktemp("journal"))


@pytest.fixture(scope="session")
def said() -> Said:
    return Said()


@pytest.fixture(scope="session")
def clock() -> TurnableClock:
    return TurnableClock(datetime(2026, 1, 10, 0, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def cloud(journal: Journal, said: Said, clock: TurnableClock) -> Iterator[Cloud]:
    with Cloud(
        FIXTURES / "template.yaml",
        {"Journal": str(journal.folder)},
        api_port=0,
        aws_port=0,
        log=said,
        clock=clock,
        stack_name="small",
        sqs_retry_seconds=0,
    ) as running:
        yield running
