"""The functions behind the HTTP API."""

import base64
import gzip
import json
from typing import Any

import pytest
from segmentation.domain.errors import TooMany
from segmentation.runtime.http import Request, cached, respond

from functions.collect_calls import app as collect_calls
from functions.collect_events import app as collect_events
from functions.serve_api import app as serve_api
from tests.fakes import FixedClock
from tests.fakes.documents import documents
from tests.handlers.conftest import CONTEXT, Aws, golden
from tests.publishing import PublishRules


def call(handler: Any, event: Any) -> tuple[int, Any, dict[str, str]]:
    answer = handler(event, CONTEXT)
    assert set(answer) == {"statusCode", "headers", "body", "isBase64Encoded"}
    return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None, answer["headers"]


def get(path: str, query: str = "", **headers: str) -> Any:
    event = golden("personalize")
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["rawQueryString"] = query
    event["headers"].update(headers)
    return event


def test_events_are_on_the_stream_when_they_are_acknowledged(aws: Aws) -> None:
    status, body, headers = call(collect_events.handler, golden("collect"))
    assert (status, body) == (200, {"receipts": [{"success": True}, {"success": True}]})
    assert headers["access-control-allow-origin"] == "https://shop.example"
    first, second = aws.stream()
    assert first["PartitionKey"] == "person_id:1"
    record = json.loads(first["Data"])
    assert (record["v"], record["id"], record["audience"]) == (1, "10-7", "shop")
    assert (record["behavior"], record["profile"]) == ("purchases", "person_id:1")
    assert record["columns"] == {"person_id": 1, "basket": 10, "item": 7, "amount": 1.5}
    assert record["time"] == record["received"]
    assert json.loads(second["Data"])["profile"] == "td_client_id:c-1"


def test_a_gzip_body_is_read(aws: Aws) -> None:
    event = golden("collect")
    event["body"] = base64.b64encode(gzip.compress(base64.b64decode(event["body"]))).decode()
    event["headers"]["content-encoding"] = "gzip"
    assert call(collect_events.handler, event)[0] == 200


def test_a_plain_text_body_is_read(aws: Aws) -> None:
    event = golden("collect")
    event |= {"body": '{"td_client_id": "ü"}', "isBase64Encoded": False}
    assert call(collect_events.handler, event)[1] == {"receipts": [{"success": True}]}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers.authorization": "TD1 wrong"}, 401),
        ({"rawPath": "/shop_db/nothing"}, 404),
        ({"rawPath": "/nowhere/purchases"}, 404),
        ({"body": base64.b64encode(b"{").decode()}, 400),
        ({"body": "***"}, 400),
        ({"body": base64.b64encode(b'{"x": "' + b"x" * 5_000_000 + b'"}').decode()}, 413),
    ],
)
def test_bad_requests_have_their_status_and_leave_nothing(
    aws: Aws, changes: dict[str, str], status: int
) -> None:
    event = golden("collect")
    for key, value in changes.items():
        place, _, name = key.rpartition(".")
        (event[place] if place else event)[name] = value
    answered, body, headers = call(collect_events.handler, event)
    assert (answered, body["status"]) == (status, status)
    assert body["message"]
    assert headers["access-control-allow-credentials"] == "true"
    assert aws.stream() == []


def test_a_stream_out_of_reach_is_a_503_and_no_receipt(aws: Aws) -> None:
    aws.kinesis.delete_stream(StreamName="events")
    status, body, headers = call(collect_events.handler, golden("collect"))
    assert status == 503
    assert "0 of 2 events were kept" in body["message"]
    assert headers["retry-after"]


def test_the_preflight_is_answered(aws: Aws) -> None:
    for handler, name in ((collect_events.handler, "collect"), (serve_api.handler, "personalize")):
        event = golden(name)
        event["requestContext"]["http"]["method"] = "OPTIONS"
        event.pop("body", None)
        status, body, headers = call(handler, event)
        assert (status, body) == (204, None)
        assert headers["access-control-allow-origin"] == "https://shop.example"
        assert headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("authorization,content-type,x-retry-count", {"authorization", "content-type", "x-retry-count"}),
        ("X-Own-Header, authorization", {"x-own-header", "authorization"}),
        ("*, bad name, \r\nset-cookie: a", set()),
        (",".join(f"x-{number}" for number in range(1_000)), {"authorization", "wp13n-token", "x-0"}),
    ],
)
def test_a_preflight_allows_the_headers_that_a_client_adds(aws: Aws, asked: str, allowed: set[str]) -> None:
    event = golden("collect")
    event["requestContext"]["http"]["method"] = "OPTIONS"
    event["headers"]["access-control-request-headers"] = asked
    _, _, headers = call(collect_events.handler, event)
    found = headers["access-control-allow-headers"].split(", ")
    assert allowed <= set(found)
    assert len(found) <= 30
    assert all(one.replace("-", "").isalnum() for one in found)


def test_a_preflight_allows_what_the_known_clients_send(aws: Aws) -> None:
    event = golden("collect")
    event["requestContext"]["http"]["method"] = "OPTIONS"
    _, _, headers = call(collect_events.handler, event)
    # Segment's client counts its attempts in a header, from the second one on: without it no event is ever sent again.
    assert {"authorization", "content-type", "wp13n-token", "x-retry-count"} <= set(
        headers["access-control-allow-headers"].split(", ")
    )


def test_a_profile_nobody_knows_is_an_empty_array(aws: Aws) -> None:
    assert call(serve_api.handler, golden("personalize"))[:2] == (200, [])


def test_a_known_profile_is_answered(aws: Aws) -> None:
    aws.dynamodb.put_item(
        TableName="profiles",
        Item={
            "profile": {"S": "shop#person_id:1"},
            "part": {"S": "batch"},
            "run": {"S": "20240101t000000z_0000"},
            "now": {"N": "1704067200"},
            "segments": {"S": "adults buyers"},
            "attributes": {"M": {"country": {"S": "DE"}, "age": {"N": "30.0"}}},
        },
    )
    status, body, headers = call(serve_api.handler, golden("personalize"))
    assert status == 200
    assert body == [
        {
            "values": ["adults"],
            "attributes": {"country": "DE"},
            "key": {"person_id": "1"},
            "audienceId": "shop",
        }
    ]
    assert headers["vary"].startswith("Origin")


@pytest.mark.parametrize(
    ("path", "query", "headers", "status"),
    [
        ("/cdp/lookup/collect/segments", "token=wrong&key.person_id=1", {}, 401),
        ("/cdp/lookup/collect/segments", "token=site-token", {}, 400),
        ("/cdp/lookup/collect/segments", "key.person_id=1", {}, 400),
        ("/v1/audiences/shop/segments/adults/members", "", {}, 401),
        ("/v1/audiences/shop/segments/adults/members", "", {"authorization": "Bearer partner-token"}, 404),
        ("/v1/audiences/shop/segments/buyers/members", "", {"authorization": "Bearer partner-token"}, 403),
        (
            "/v1/audiences/shop/segments/adults/changes",
            "since=!",
            {"authorization": "Bearer partner-token"},
            400,
        ),
        ("/nothing/here", "", {}, 404),
    ],
)
def test_errors_are_objects_under_their_real_status(
    aws: Aws, path: str, query: str, headers: dict[str, str], status: int
) -> None:
    answered, body, _ = call(serve_api.handler, get(path, query, **headers))
    assert (answered, set(body), body["status"]) == (status, {"error", "message", "status"}, status)


def test_members_and_changes_are_served(aws: Aws) -> None:
    folder = "syndication/shop/r1/adults"
    aws.lake.put("syndication/shop/index.json", b'{"runs": ["r1"]}')
    aws.lake.put(f"{folder}/contents.json", b'{"now": 5, "changes": [[0, 1]], "members": [[1, 1]]}')
    aws.lake.put(f"{folder}/members-000001-00000.json", b'["1"]')
    aws.lake.put(f"{folder}/changes-000000-00000.json", b'[["1", "joined"]]')
    token = {"authorization": "Bearer partner-token"}
    base = "/v1/audiences/shop/segments/adults"
    assert call(serve_api.handler, get(f"{base}/members", **token))[:2] == (
        200,
        {"run": "r1", "now": 5, "members": ["1"], "next": None},
    )
    assert call(serve_api.handler, get(f"{base}/changes", **token))[1] == {
        "changes": [{"profile": "1", "change": "joined", "run": "r1", "now": 5}],
        "next": "r1",
    }
    assert call(serve_api.handler, get(f"{base}/changes", "since=r1", **token))[1]["changes"] == []


def test_health_needs_no_store() -> None:
    assert call(serve_api.handler, get("/health"))[:2] == (200, {"status": "ok"})


def test_only_reading_is_served(aws: Aws) -> None:
    event = golden("personalize")
    event["requestContext"]["http"]["method"] = "DELETE"
    assert call(serve_api.handler, event)[0] == 405


def test_logs_tell_no_keys_and_no_columns(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    event = golden("collect")
    event["body"] = base64.b64encode(b'{"person_id": "secret-person", "time": "secret-time"}').decode()
    event["headers"]["authorization"] = "TD1 write-key"
    call(collect_events.handler, event)
    call(
        serve_api.handler,
        get("/cdp/lookup/collect/segments", "token=secret-token&key.person_id=secret-person"),
    )
    personal = {"td_client_id": "secret-cookie", "td_ip": "203.0.113.7", "person_id.sig": "secret-signature"}
    headers = {
        "authorization": "TD1 write-key",
        "wp13n-token": "secret-token",
        "user-agent": "secret-browser",
    }
    call(collect_events.handler, post("/public/shop_db/purchases", personal, **headers))
    call(
        collect_calls.handler,
        post("/v1/t", {"writeKey": "secret-key", "userId": "secret-person", "event": "e"}),
    )
    call(
        serve_api.handler,
        get("/v1/profiles/person_id/secret-person", "token=site-token&sig=secret-signature"),
    )
    aws.kinesis.delete_stream(StreamName="events")
    call(collect_events.handler, golden("collect"))
    logged = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert "events were kept" in logged
    assert "secret" not in logged
    assert "write-key" not in logged
    assert "203.0.113" not in logged


def test_a_long_answer_is_compressed_for_who_takes_gzip() -> None:
    event = get("/x", **{"accept-encoding": "br;q=1.0, gzip;q=0.8"})
    long = respond(event, lambda _: ["segment"] * 200)
    assert (long["isBase64Encoded"], long["headers"]["content-encoding"]) == (True, "gzip")
    assert json.loads(gzip.decompress(base64.b64decode(long["body"]))) == ["segment"] * 200
    assert "content-encoding" not in respond(event, lambda _: ["segment"])["headers"]
    refused = get("/x", **{"accept-encoding": "gzip;q=0"})
    assert json.loads(respond(refused, lambda _: ["segment"] * 200)["body"]) == ["segment"] * 200


def test_too_many_requests_say_when_to_come_back() -> None:
    def refuse(_: Request) -> None:
        raise TooMany("this key may ask 5 times a minute", 7)

    answer = respond(get("/x"), refuse)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (429, "7")
    assert json.loads(answer["body"])["error"] == "Too Many Requests"


def test_a_tag_that_the_caller_has_is_not_sent_again() -> None:
    def reply(event: Any, body: Any) -> dict[str, Any]:
        return respond(event, lambda request: cached(request, body, 9, unmarked=("now",)))

    first = reply(get("/x"), {"a": 1, "now": 5})
    assert first["headers"]["cache-control"] == "private, max-age=9"
    again = get("/x", **{"if-none-match": first["headers"]["etag"]})
    assert (reply(again, {"a": 1, "now": 6})["statusCode"], reply(again, {"a": 2})["statusCode"]) == (
        304,
        200,
    )


# ------------------------------------------------------------------------------------------ calls and personalization


def post(path: str, body: Any, **headers: str) -> Any:
    event = golden("collect")
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event |= {"body": json.dumps(body), "isBase64Encoded": False}
    del event["headers"]["authorization"]
    event["headers"].update(headers)
    return event


def publish(aws: Aws, **changes: Any) -> None:
    document = {**documents(), **changes}
    PublishRules(aws.lake, FixedClock())(
        *(document[name] for name in ("audience", "segments", "access", "destinations"))
    )


def with_calls() -> dict[str, Any]:
    audience = documents()["audience"]
    calls = {"anonymous_id": "td_client_id", "track": {"behavior": "purchases"}}
    return {**audience, "calls": calls}


def test_calls_of_segments_clients_are_kept(aws: Aws) -> None:
    publish(aws, audience=with_calls())
    body = {"writeKey": "write-key", "anonymousId": "a", "event": "Bought", "messageId": "m-1"}
    text = post("/v1/t", body, **{"content-type": "text/plain"})
    status, answer, headers = call(collect_calls.handler, text)
    assert (status, answer) == (200, {"success": True})
    assert headers["access-control-allow-origin"] == "https://shop.example"
    assert json.loads(aws.stream()[0]["Data"])["id"] == "m-1"
    status, answer, _ = call(collect_calls.handler, post("/v1/track", {**body, "writeKey": "no"}))
    assert (status, answer["code"], answer["success"]) == (401, "Unauthorized", False)
    good = {**body, "type": "track", "messageId": "m-2"}
    status, answer, _ = call(collect_calls.handler, post("/v1/batch", {**body, "batch": [good, {}]}))
    assert (status, answer["success"], len(answer["rejected"])) == (200, True, 1)
    assert len(aws.stream()) == 2
    aws.kinesis.delete_stream(StreamName="events")
    assert call(collect_calls.handler, text)[0] == 503


def test_the_browsers_client_is_told_where_to_send(aws: Aws) -> None:
    publish(aws, audience=with_calls())
    status, answer, headers = call(collect_calls.handler, get("/v1/projects/write-key/settings"))
    assert (status, headers["cache-control"]) == (200, "max-age=300")
    host = golden("personalize")["requestContext"]["domainName"]
    assert answer["integrations"]["Segment.io"] == {
        "apiKey": "write-key",
        "apiHost": f"{host}/v1",
        "versionSettings": {"version": "4.4.7"},
    }
    assert call(collect_calls.handler, get("/v1/projects/nobody/settings"))[0] == 404
    assert call(collect_calls.handler, post("/v1/projects/write-key/settings", {}))[0] == 405


def sectioned() -> dict[str, Any]:
    access = documents()["access"]
    access["tokens"][0] |= {
        "key_columns": ["td_client_id"],
        "sections": {"hero": {"segments": ["buying-now"]}},
    }
    del access["tokens"][0]["key_column"]
    return access


@pytest.mark.parametrize("path", ["/public/shop_db/purchases", "/shop_db/purchases"])
def test_personalization_counts_the_event_that_it_answers(aws: Aws, path: str) -> None:
    publish(aws, access=sectioned())
    headers = {"authorization": "TD1 write-key", "wp13n-token": "site-token"}
    status, body, _ = call(collect_events.handler, post(path, {"td_client_id": "c"}, **headers))
    section = {"attributes": {}, "batch_segments": [], "realtime_segments": [{"id": "buying-now"}]}
    assert (status, body) == (200, {"offers": {"hero": section}})
    assert len(aws.stream()) == 1
    status, body, _ = call(collect_events.handler, post(path, {}, **{**headers, "wp13n-token": "no"}))
    assert (status, body) == (400, {"code": 3001, "message": "unknown personalization token"})
    headers["authorization"] = "TD1 no"
    assert call(collect_events.handler, post(path, {}, **headers))[:2] == (
        401,
        {"code": 401, "message": "unknown write key"},
    )
    assert call(collect_events.handler, post("/public/shop_db", {}, **headers))[0] == 404


def test_a_profile_is_read_plainly_and_asked_about_by_its_tag(aws: Aws) -> None:
    path = "/v1/profiles/person_id/1/segments"
    bearer = {"authorization": "Bearer site-token"}
    status, body, headers = call(serve_api.handler, get(path, **bearer))
    assert (status, body["segments"]) == (200, [])
    assert headers["cache-control"] == "private, no-cache"
    again = get(path, "token=site-token", **{"if-none-match": headers["etag"]})
    assert call(serve_api.handler, again)[:2] == (304, None)
    assert call(serve_api.handler, get(path + "/adults", **bearer))[1]["member"] is False
    for wrong, status in ((path + "/nothing", 404), (path.replace("person", "x"), 403)):
        assert call(serve_api.handler, get(wrong, **bearer))[0] == status
    assert call(serve_api.handler, get(path))[0] == 401


def test_a_key_over_its_rate_is_told_to_wait(aws: Aws) -> None:
    access = documents()["access"]
    access["write_keys"][0]["per_minute"] = 1
    publish(aws, access=access)
    assert call(collect_events.handler, golden("collect"))[0] == 200
    status, body, headers = call(collect_events.handler, golden("collect"))
    assert (status, body["error"]) == (429, "Too Many Requests")
    assert 0 < int(headers["retry-after"]) <= 60
    assert headers["access-control-expose-headers"]
