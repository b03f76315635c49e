"""Clients that start quickly are the same clients."""

import re
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from segmentation.runtime.composition import clients

COMPOSITION = Path(clients.__file__).parent
SERVICES = sorted(
    {
        name
        for path in COMPOSITION.glob("*.py")
        for name in re.findall(r'client\("([a-z0-9]+)"', path.read_text())
    }
)


def test_the_services_of_all_functions_are_looked_at() -> None:
    assert {"athena", "dynamodb", "glue", "kinesis", "s3", "secretsmanager", "sqs"} <= set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("kind", ["service-2", "endpoint-rule-set-1", "paginators-1"])
def test_a_service_is_described_as_botocore_describes_it(service: str, kind: str) -> None:
    ours = clients.Descriptions(file_loader=clients.Documents())
    assert ours.load_service_model(service, kind) == Loader().load_service_model(service, kind)


def test_botocore_s_own_documents_are_read_as_botocore_reads_them() -> None:
    ours = clients.Descriptions(file_loader=clients.Documents())
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        assert ours.load_data(name) == Loader().load_data(name)


def test_a_service_that_there_is_not_is_named() -> None:
    with pytest.raises(UnknownServiceError, match="'sss'"):
        clients.client("sss")


@pytest.mark.parametrize("service", ["dynamodb", "s3", "secretsmanager"])
def test_a_client_speaks_to_where_boto3_s_does(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    clients.client.cache_clear()
    clients._session.cache_clear()
    ours = clients.client(service, clients.SHORT)
    stock = boto3.session.Session().client(service, config=clients.SHORT)  # type: ignore[call-overload]
    assert ours.meta.endpoint_url == stock.meta.endpoint_url
    assert ours.meta.region_name == stock.meta.region_name
    assert set(dir(stock)) - set(dir(ours)) <= {
        *("copy", "download_file", "download_fileobj", "upload_file", "upload_fileobj"),  # s3transfer's
    }
    clients.client.cache_clear()
