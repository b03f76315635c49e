"""How the reader of the event stream is doing, by the metrics that Lambda keeps of each function."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable
from segmentation.domain.stream import Evaluation

from .aws_errors import reason

PERIOD = 60
"""Seconds that a point of a metric stands for."""


class LambdaMetrics:
    """The metrics of one function that reads a stream. They are a minute or two behind."""

    def __init__(self, client: Any, function: str) -> None:
        self._client = client
        self._function = function

    def evaluation(self, since: int, until: int) -> Evaluation:
        """The latest age of what was read, and all errors of the time."""
        try:
            answer = self._client.get_metric_data(
                MetricDataQueries=[self._query("IteratorAge", "Maximum"), self._query("Errors", "Sum")],
                StartTime=dt.datetime.fromtimestamp(since, dt.UTC),
                EndTime=dt.datetime.fromtimestamp(until, dt.UTC),
                ScanBy="TimestampDescending",
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"metrics cannot be read: {reason(error)}") from error
        found: Mapping[str, Any] = {one["Id"]: one for one in answer["MetricDataResults"]}
        age, errors = found["iteratorage"], found["errors"]
        latest = max(zip(age["Timestamps"], age["Values"], strict=True), default=None)
        return Evaluation(
            lag=None if latest is None else round(latest[1] / 1_000),
            at=None if latest is None else int(latest[0].timestamp()),
            errors=int(sum(errors["Values"])),
        )

    def _query(self, name: str, statistic: str) -> dict[str, Any]:
        function = {"Name": "FunctionName", "Value": self._function}
        metric = {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": [function]}
        return {
            "Id": name.lower(),
            "MetricStat": {"Metric": metric, "Period": PERIOD, "Stat": statistic},
        }
