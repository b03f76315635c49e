"""How the stream's reader is doing: the fake and CloudWatch."""

import datetime as dt
from collections.abc import Callable

import pytest
from segmentation.adapters.cloudwatch import LambdaMetrics
from segmentation.domain.errors import Unavailable
from segmentation.domain.stream import Evaluation
from segmentation.ports import StreamMetrics

from tests.contract.conftest import Client
from tests.fakes import MemoryStreamMetrics

NOW = int(dt.datetime.now(dt.UTC).timestamp()) // 60 * 60
Note = Callable[[int, float, bool], None]


@pytest.fixture(params=["fake", "cloudwatch"])
def both(request: pytest.FixtureRequest) -> tuple[StreamMetrics, Note]:
    if request.param == "fake":
        fake = MemoryStreamMetrics()
        return fake, lambda at, age, failed: fake.batches.append((at, age, failed))
    client: Client = request.getfixturevalue("client")
    cloudwatch = client("cloudwatch")

    def note(at: int, age: float, failed: bool) -> None:
        moment = dt.datetime.fromtimestamp(at, dt.UTC)
        for function, more in (("Evaluate", 0), ("Another", 500_000)):
            dimensions = [{"Name": "FunctionName", "Value": function}]
            values = (("IteratorAge", age * 1_000 + more), ("Errors", float(failed) + more))
            cloudwatch.put_metric_data(
                Namespace="AWS/Lambda",
                MetricData=[
                    {"MetricName": name, "Dimensions": dimensions, "Timestamp": moment, "Value": value}
                    for name, value in values
                ],
            )

    return LambdaMetrics(cloudwatch, "Evaluate"), note


def test_nothing_was_read(both: tuple[StreamMetrics, Note]) -> None:
    metrics, note = both
    note(NOW - 3_600, 5.0, True)
    assert metrics.evaluation(NOW - 900, NOW) == Evaluation(None, None, 0)


def test_the_last_minute_s_worst_age_counts_and_all_errors(both: tuple[StreamMetrics, Note]) -> None:
    metrics, note = both
    for at, age, failed in (
        (NOW - 600, 90.0, True),
        (NOW - 600, 80.0, True),
        (NOW - 120, 2.0, False),
        (NOW - 120, 7.4, False),
    ):
        note(at, age, failed)
    found = metrics.evaluation(NOW - 900, NOW)
    assert (found.lag, found.errors) == (7, 2)
    assert found.at is not None
    assert abs(found.at - (NOW - 120)) < 60


def test_what_cannot_be_asked_is_said(client: Client) -> None:
    metrics = LambdaMetrics(client("cloudwatch"), "")  # no metric has a dimension without a value
    with pytest.raises(Unavailable, match="metrics cannot be read"):
        metrics.evaluation(NOW, NOW - 900)
