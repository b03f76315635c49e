"""The function that takes uploads in: by message, by the end of a query, and on its schedule."""

import itertools
import json
from typing import Any

import pytest
from segmentation.adapters.s3 import S3Uploads
from segmentation.adapters.sqs import SqsQueue
from segmentation.domain.list_upload import UploadState
from segmentation.usecases.upload_list import UploadList

from functions.import_lists import app as import_lists
from tests.fakes import FixedClock, StaticRuleSets
from tests.fakes.documents import documents, published
from tests.handlers.conftest import CONTEXT, Aws, batch
from tests.publishing import PublishRules


def publish(aws: Aws, document: dict[str, Any]) -> None:
    PublishRules(aws.lake, FixedClock())(
        *(document[name] for name in ("audience", "segments", "access", "destinations"))
    )


@pytest.fixture
def uploads(aws: Aws) -> UploadList:
    document = documents()
    publish(aws, document)
    aws.client("glue").create_database(DatabaseInput={"Name": "warehouse"})
    assert import_lists.handler({"source": "aws.scheduler"}, CONTEXT) == {}
    # It has just looked at the rules, and knows the new list all the same.
    document["segments"].append({"id": "vip", "name": "VIP", "audience": "shop", "kind": "list"})
    publish(aws, document)
    numbers = itertools.count(1)
    return UploadList(
        aws.lake,
        S3Uploads(aws.s3, "lake"),
        StaticRuleSets({"shop": published(**document)}),
        FixedClock(),
        SqsQueue(aws.sqs, aws.lists),
        lambda: f"{next(numbers):04x}",
    )


def messages(aws: Aws) -> Any:
    bodies = [json.dumps(one) for one in aws.messages(aws.lists)]
    return batch("sqs", [{"body": body, "messageId": f"m{n}"} for n, body in enumerate(bodies)])


def test_an_upload_is_taken_in(aws: Aws, uploads: UploadList, capsys: pytest.CaptureFixture[str]) -> None:
    upload = uploads.start("shop", "vip").upload
    assert f"lists/shop/vip/{upload.id}/data/00001" in uploads.start("shop", "vip").urls[0].replace(
        "0002", "0001"
    )
    aws.lake.put(upload.path("data/00001"), b"person_id\n1\n\xff\n")
    uploads.complete("shop", "vip", upload.id)
    assert import_lists.handler(messages(aws), CONTEXT) == {"batchItemFailures": []}
    done = uploads.status("shop", "vip", upload.id)
    assert (done.state, done.report.rows, done.report.malformed) == (UploadState.COMMITTED, 1, 1)
    (line,) = [one for one in capsys.readouterr().out.splitlines() if '"_aws"' in one]
    assert json.loads(line)["MembersListed"] == [1.0]
    (table,) = aws.client("glue").get_tables(DatabaseName="warehouse")["TableList"]
    assert table["Parameters"]["projection.version.type"] == "injected"
    # A query that has ended, of somebody else's, and the schedule.
    assert import_lists.handler({"detail": {"queryExecutionId": "q"}}, CONTEXT) == {}
    assert import_lists.handler({"source": "aws.scheduler"}, CONTEXT) == {}


def test_a_message_that_cannot_be_read_comes_back_alone(aws: Aws, uploads: UploadList) -> None:
    upload = uploads.start("shop", "vip").upload
    aws.lake.put(upload.path("data/00001"), b"person_id\n1\n")
    uploads.complete("shop", "vip", upload.id)
    (good,) = (one["body"] for one in messages(aws)["Records"])
    event = batch("sqs", [{"body": body, "messageId": f"m{n}"} for n, body in enumerate(["{", good, "{}"])])
    answer = import_lists.handler(event, CONTEXT)
    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["m0", "m2"]
    assert uploads.status("shop", "vip", upload.id).state is UploadState.COMMITTED
