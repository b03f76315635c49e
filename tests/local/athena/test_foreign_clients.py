"""Clients that know nothing of this project and take the embedded Athena for Athena."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from pyathena import connect
from pyathena.error import OperationalError

from tests.local.athena.conftest import CREDENTIALS, Cloud


def test_pyathena(cloud: Cloud) -> None:
    with connect(
        endpoint_url=cloud.url, work_group="open", schema_name="shop", poll_interval=0.02, **CREDENTIALS
    ) as c:
        cursor = c.cursor()
        cursor.execute(
            "SELECT household, amount, day, department FROM sales WHERE amount > %(least)s ORDER BY 1",
            {"least": 11},
        )
        assert [column[:2] for column in cursor.description or []] == [
            ("household", "bigint"),
            ("amount", "double"),
            ("day", "date"),
            ("department", "varchar"),
        ]
        assert cursor.fetchall() == [
            (0, 13.5, dt.date(2018, 1, 10), None),
            (2, 12.0, dt.date(2018, 1, 9), "grocery"),
        ]
        assert (cursor.data_scanned_in_bytes or 0) > 0
        with pytest.raises(OperationalError, match="TABLE_NOT_FOUND"):
            cursor.execute("SELECT * FROM missing")


@pytest.fixture
def wrangler(cloud: Cloud) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import awswrangler

    config = awswrangler.config
    config.athena_endpoint_url = config.s3_endpoint_url = config.glue_endpoint_url = (
        config.sts_endpoint_url
    ) = cloud.url
    yield awswrangler
    for name in ("athena", "s3", "glue", "sts"):
        config.reset(f"{name}_endpoint_url")


@pytest.mark.parametrize(
    "way", [{}, {"ctas_approach": False}, {"ctas_approach": False, "unload_approach": True}]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_awswrangler(cloud: Cloud, wrangler: Any, way: dict[str, bool]) -> None:
    place = {"s3_output": f"s3://results/wrangler-{len(way)}/"} if way else {}
    frame = wrangler.athena.read_sql_query(
        "SELECT household, sum(amount) AS amount FROM sales GROUP BY household ORDER BY household",
        database="shop",
        workgroup="open",
        boto3_session=boto3.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name=CREDENTIALS["region_name"]
        ),
        athena_query_wait_polling_delay=0.02,
        use_threads=False,
        **place,
        **way,
    )
    found = sorted(zip(frame["household"].tolist(), frame["amount"].tolist(), strict=True))
    assert found == [(0, 27.0), (1, 18.0), (2, 22.5)]
