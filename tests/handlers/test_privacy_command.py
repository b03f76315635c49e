"""`python -m infra.privacy`, against the stores that the functions use."""

import json

import pytest

from functions.evaluate_events import app as evaluate_events
from infra.privacy.__main__ import main
from tests.handlers.batches import event, kinesis
from tests.handlers.conftest import CONTEXT, Aws


def test_a_person_is_exported_and_erased(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate_events.handler(kinesis(event("e1")), CONTEXT)
    capsys.readouterr()
    places = ["--bucket", "lake", "--table", "profiles", "--audience", "shop", "person_id=1"]
    export = ["export", "--database", "warehouse", "--workgroup", "batch", *places]
    assert main(export) == 0
    (profile,) = json.loads(capsys.readouterr().out)["profiles"]
    assert profile["realtime"][0]["segments"] == ["buying-now"]
    assert main(["erase", "--queue", aws.activations, *places]) == 0
    assert "erased under 1 keys" in capsys.readouterr().out
    assert len(list(aws.lake.list("erasures/shop/requests/"))) == 1
    assert main(export) == 0
    assert json.loads(capsys.readouterr().out)["profiles"] == []


def test_an_erasure_is_lifted(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--bucket", "lake", "--table", "profiles", "--audience", "shop", "person_id=1"]
    assert main(["lift", *places]) == 1
    assert "no erasure of audience 'shop' has this person_id" in capsys.readouterr().err
    assert main(["erase", "--queue", aws.activations, *places]) == 0
    key = {"profile": {"S": "shop#person_id:1"}, "part": {"S": "batch"}}
    assert "erased" in aws.dynamodb.get_item(TableName="profiles", Key=key)["Item"]
    assert main(["lift", *places]) == 0
    assert "lifted" in capsys.readouterr().out
    assert "Item" not in aws.dynamodb.get_item(TableName="profiles", Key=key)
    assert main(["lift", *places]) == 1


def test_what_cannot_be_done_says_why(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--bucket", "lake", "--table", "profiles", "--queue", aws.activations]
    assert main(["erase", *places, "--audience", "shop", "phone=1"]) == 1
    assert "its identities are person_id, td_client_id" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["erase", *places, "--audience", "shop", "person_id"])
