import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from segmentation.domain import errors
from segmentation.language.problems import Problem
from segmentation.runtime.http import STATUS, parse_query, respond
from segmentation.runtime.settings import (
    DeliverSettings,
    EvaluateSettings,
    MaterializeSettings,
    load,
    logical_now,
)

ROOT = Path(__file__).parents[2]


def test_a_line_break_in_what_is_logged_begins_no_line_of_its_own() -> None:
    code = (
        "import logging\n"
        "from segmentation.runtime.observability import logger\n"
        "logger()\n"
        "logging.getLogger('segmentation.any').error('%s is odd', 'a\\r\\n{\"level\": \"INFO\"}\\u2028\\x1b[2J')\n"
    )
    environ = {"PYTHONPATH": "layers/core/python", "POWERTOOLS_SERVICE_NAME": "s"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    (line,) = done.stdout.rstrip("\n").split("\n")
    assert json.loads(line)["message"].startswith("a\r\n{")
    assert not {"\r", "\x1b"} & set(line)


def test_settings_come_of_the_environment() -> None:
    names = ("LAKE_BUCKET", "PROFILES_TABLE", "ACTIVATIONS_QUEUE_URL", "FAILURES_BUCKET")
    environ = {**dict(zip(names, "btqf", strict=True)), "OTHER": "x"}
    assert load(EvaluateSettings, environ) == EvaluateSettings("b", "t", "q", "f")


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(errors.MissingSettings) as caught:
        load(EvaluateSettings, {"PROFILES_TABLE": "t", "LAKE_BUCKET": "", "FAILURES_BUCKET": "f"})
    assert caught.value.names == ["LAKE_BUCKET", "ACTIVATIONS_QUEUE_URL"]


def test_some_settings_may_be_absent() -> None:
    environ = {"LAKE_BUCKET": "b", "ACTIVATIONS_QUEUE_URL": "q", "WEBHOOK_SECRET_ARN": "a"}
    assert load(DeliverSettings, environ).webhook_allow_private == "false"
    with pytest.raises(errors.MissingSettings) as caught:
        load(MaterializeSettings, {})
    assert "LOGICAL_NOW" not in caught.value.names


def test_the_logical_now() -> None:
    assert logical_now("") is None
    assert logical_now("2018-01-01T05:00:00Z") == 1_514_782_800
    assert logical_now("2018-01-01T00:00:00-05:00") == 1_514_782_800
    with pytest.raises(ValueError, match="no offset"):
        logical_now("2018-01-01")
    with pytest.raises(ValueError, match="not an ISO 8601"):
        logical_now("now")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("version=2&token=a,b&key.email=a+b@x.de", {"version": "2", "token": "a,b", "key.email": "a+b@x.de"}),
        ("key.name=J%C3%B6rg%20%2B&x=100%", {"key.name": "Jörg +", "x": "100%"}),
        ("key.a=b=c&&=x&key.a=d", {"key.a": "b=c"}),
        ("", {}),
    ],
)
def test_queries_are_read_encoded_or_not(text: str, query: dict[str, str]) -> None:
    assert parse_query(text) == query


def event(method: str = "GET", origin: str | None = None) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": "/x",
        "headers": {"Origin": origin} if origin else {},
        "requestContext": {"http": {"method": method, "path": "/x"}},
    }


SAID: dict[type[errors.SegmentationError], errors.SegmentationError] = {
    errors.Outdated: errors.Outdated([("segments", "mend-this")]),
    errors.Refused: errors.Refused(
        [errors.RefusedProblem("segments", "one", Problem("/rule", "odd", "mend this"))]
    ),
    errors.TooMany: errors.TooMany("mend this", 7),
    errors.QueryFailed: errors.QueryFailed("q", "id", "mend this"),
}
"""Errors that are made of more than their message."""


@pytest.mark.parametrize(("kind", "status"), STATUS.items())
def test_each_error_has_its_status_and_says_what_to_mend(
    kind: type[errors.SegmentationError], status: int
) -> None:
    error = SAID.get(kind) or kind("mend this")

    def fail(_: object) -> None:
        raise error

    answer = respond(event(), fail)
    assert answer["statusCode"] == status
    body = json.loads(answer["body"])
    assert (body["message"], body["status"], bool(body["error"])) == (str(error), status, True)
    assert "mend" in body["message"]


@pytest.mark.parametrize("error", [KeyError("secret detail"), errors.CorruptObject("x", "secret detail")])
def test_our_own_faults_tell_no_details(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: object) -> None:
        raise error

    answer = respond(event(), fail)
    assert answer["statusCode"] == 500
    assert "secret" not in answer["body"]


def test_a_broken_event_is_a_500_and_not_a_crash() -> None:
    assert respond({}, lambda _: None)["statusCode"] == 500


def test_cors_echoes_the_origin_with_credentials() -> None:
    answer = respond(event("OPTIONS", "https://shop.example"), lambda _: pytest.fail("not to be called"))
    assert answer["statusCode"] == 204
    assert answer["headers"]["access-control-allow-origin"] == "https://shop.example"
    assert answer["headers"]["access-control-allow-credentials"] == "true"
    assert answer["headers"]["vary"] == "Origin, Accept-Encoding"
    allowed = answer["headers"]["access-control-allow-headers"]
    assert {"authorization", "content-type", "wp13n-token"} <= {name.strip() for name in allowed.split(",")}
    asked = respond(event("GET", "https://shop.example"), lambda _: [])
    assert asked["headers"]["vary"] == "Origin, Accept-Encoding"
    assert "access-control-allow-origin" not in respond(event(), lambda _: [])["headers"]
