"""What is put aside: the fake and S3."""

import pytest
from segmentation.adapters.failures import S3Failures
from segmentation.domain.errors import Unavailable
from segmentation.ports import Failures

from tests.contract.conftest import REGION, Client
from tests.fakes import MemoryFailures


@pytest.mark.parametrize("kind", ["fake", "s3"])
def test_what_is_put_aside_stands_there_however_often(kind: str, client: Client) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="failures", CreateBucketConfiguration={"LocationConstraint": REGION})
    memory = MemoryFailures()
    failures: Failures = memory if kind == "fake" else S3Failures(s3, "failures")
    for _ in range(2):
        failures.put_aside("poison/f/1.json", b"{}")
    found = [one["Key"] for one in s3.list_objects_v2(Bucket="failures").get("Contents", ())] or list(
        memory.objects
    )
    assert found == ["poison/f/1.json"]


def test_a_bucket_out_of_reach_is_said(client: Client) -> None:
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        S3Failures(client("s3"), "nowhere").put_aside("poison/f/1.json", b"{}")
    with pytest.raises(Unavailable):
        MemoryFailures(closed=True).put_aside("poison/f/1.json", b"{}")
