"""What stands in AWS's place in the bench of the stream: a dictionary behind the store's adapter, or behind boto3's wire."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse


class Dictionary:
    """DynamoDB's client, as a dictionary. `calls` counts requests by operation."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Any] = {}
        self.calls: Counter[str] = Counter()

    def batch_get_item(self, RequestItems: Any) -> Any:
        self.calls["BatchGetItem"] += 1
        ((name, asked),) = RequestItems.items()
        keys = [(one["profile"]["S"], one["part"]["S"]) for one in asked["Keys"]]
        return {"Responses": {name: [self.items[key] for key in keys if key in self.items]}}

    def put_item(self, **request: Any) -> Any:
        self.calls["PutItem"] += 1
        self._put(request["Item"])

    def update_item(self, **request: Any) -> Any:
        self.calls["UpdateItem"] += 1
        self._update(request)

    def transact_write_items(self, TransactItems: Any) -> Any:
        self.calls["TransactWriteItems"] += 1
        for one in TransactItems:
            if "Put" in one:
                self._put(one["Put"]["Item"])
            else:
                self._update(one["Update"])

    def _put(self, item: Any) -> None:
        self.items[item["profile"]["S"], item["part"]["S"]] = item

    def _update(self, request: Any) -> None:
        key = request["Key"]["profile"]["S"], request["Key"]["part"]["S"]
        self.items[key] = {name: value for name, value in self.items[key].items() if name != "untold"}


class Wire:
    """What stands behind boto3 instead of HTTP: the dictionary's answers, and the time that they took."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self.spent = 0.0

    def __call__(self, request: Any, **_: Any) -> Any:
        began = time.process_time()
        operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        body = json.loads(request.body)
        if operation == "SendMessageBatch":
            answer: Any = {
                "Successful": [
                    {"Id": e["Id"], "MessageId": "m", "MD5OfMessageBody": ""} for e in body["Entries"]
                ]
            }
        else:
            method = {"BatchGetItem": "batch_get_item", "PutItem": "put_item", "UpdateItem": "update_item"}
            name = method.get(operation, "transact_write_items")
            arguments = {k: body[k] for k in body if k not in ("ClientRequestToken",)}
            answer = getattr(self.dictionary, name)(**arguments) or {}
        data = json.dumps(answer).encode()
        raw = SimpleNamespace(stream=lambda *a, **k: iter([data]), read=lambda *a, **k: data)
        response = AWSResponse(request.url, 200, {"content-length": str(len(data))}, raw)
        self.spent += time.process_time() - began
        return response


@contextmanager
def cut_wire() -> Iterator[tuple[Any, Any, Dictionary, Wire]]:
    """boto3's clients, with a dictionary in place of HTTP."""
    dictionary = Dictionary()
    wire = Wire(dictionary)
    options = {"region_name": "us-east-1", "aws_access_key_id": "b", "aws_secret_access_key": "b"}
    dynamodb, sqs = boto3.client("dynamodb", **options), boto3.client("sqs", **options)
    for client in (dynamodb, sqs):
        client.meta.events.register("before-send.*", wire)
    yield dynamodb, sqs, dictionary, wire
