"""HTTP requests as API Gateway's proxy events (payload version 2.0), and answers as it reads them."""

import base64
import gzip
import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.local.cloud import Cloud
from infra.local.errors import CloudError, TemplateError
from infra.local.http_api import BODY_LIMIT, response, routes
from tests.local.support import FIXTURES, Said


def request(
    cloud: Cloud, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(urlsplit(cloud.api_url).netloc, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def event(cloud: Cloud, method: str, path: str, *rest: Any) -> dict[str, Any]:
    status, _, body = request(cloud, method, path, *rest)
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)["event"]
    return found


def test_the_event_is_api_gateways(cloud: Cloud) -> None:
    golden = json.loads((FIXTURES / "http_event.json").read_text())
    found = event(
        cloud,
        "POST",
        "/items/a%20b/c?x=1&y=%26&x=2&empty=",
        b'{"n": 1}',
        {
            "Content-Type": "application/json; charset=utf-8",
            "Cookie": "k=v; l=w",
            "X-Up": "U",
            "User-Agent": "me",
        },
    )
    context = found["requestContext"]
    assert abs(context.pop("timeEpoch") / 1000) > 1.7e9
    assert context.pop("time").endswith(" +0000")
    assert context.pop("requestId")
    assert context.pop("apiId")
    host = urlsplit(cloud.api_url).netloc
    assert context.pop("domainName") == found["headers"].pop("host") == host
    assert found == golden


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("POST", "/items/x/y", "POST /items/{kind}/{name}", {"kind": "x", "name": "y"}),
        ("GET", "/items/all/y", "GET /items/all/{name}", {"name": "y"}),
        ("POST", "/items/all/y", "POST /items/{kind}/{name}", {"kind": "all", "name": "y"}),
        ("PUT", "/files/a/b/c", "ANY /files/{proxy+}", {"proxy": "a/b/c"}),
        ("DELETE", "/files/a", "ANY /files/{proxy+}", {"proxy": "a"}),
    ],
)
def test_routes(cloud: Cloud, method: str, path: str, key: str, parameters: dict[str, str]) -> None:
    found = event(cloud, method, path)
    assert (found["routeKey"], found["pathParameters"]) == (key, parameters)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/items/x/y"), ("POST", "/plain"), ("GET", "/files"), ("GET", "/plain/")],
)
def test_no_route(cloud: Cloud, method: str, path: str) -> None:
    status, headers, body = request(cloud, method, path)
    assert (status, json.loads(body)) == (404, {"message": "Not Found"})
    assert headers["content-type"] == "application/json"
    assert headers["apigw-requestid"]


@pytest.mark.parametrize(
    ("content_type", "body", "encoded"),
    [
        ("application/json", b"{}", False),
        ("application/vnd.treasuredata.v1+json", b"{}", False),
        ("text/plain", "ä".encode(), False),
        ("text/plain", b"\xff", True),
        ("application/octet-stream", b"ab", True),
        ("application/x-www-form-urlencoded", b"a=b", True),
    ],
)
def test_binary_bodies_are_base64(cloud: Cloud, content_type: str, body: bytes, encoded: bool) -> None:
    found = event(cloud, "POST", "/items/x/y", body, {"Content-Type": content_type})
    assert found["isBase64Encoded"] is encoded
    assert (base64.b64decode(found["body"]) if encoded else found["body"].encode()) == body


def test_compressed_bodies_are_base64(cloud: Cloud) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    found = event(cloud, "POST", "/items/x/y", gzip.compress(b"{}"), headers)
    assert gzip.decompress(base64.b64decode(found["body"])) == b"{}"


def test_no_body(cloud: Cloud) -> None:
    found = event(cloud, "GET", "/items/all/y")
    assert "body" not in found
    assert "queryStringParameters" not in found
    assert "cookies" not in found


def test_too_large_a_body(cloud: Cloud) -> None:
    status, _, body = request(cloud, "POST", "/items/x/y", b"x" * (BODY_LIMIT + 1))
    assert (status, json.loads(body)) == (413, {"message": "Request Entity Too Large"})


def test_a_body_that_lambda_would_not_take(cloud: Cloud) -> None:
    status, _, _ = request(cloud, "POST", "/items/x/y", b"x" * 7_000_000, {"Content-Type": "text/plain"})
    assert status == 413


def test_a_chunked_body(cloud: Cloud) -> None:
    connection = http.client.HTTPConnection(urlsplit(cloud.api_url).netloc, timeout=20)
    connection.request(
        "POST", "/items/x/y", iter([b"ab", b"cd"]), {"Content-Type": "text/plain"}, encode_chunked=True
    )
    answer = connection.getresponse()
    assert json.loads(answer.read())["event"]["body"] == "abcd"
    connection.close()


def test_answers(cloud: Cloud) -> None:
    status, headers, body = request(cloud, "GET", "/binary")
    assert (status, body) == (201, b"\x89PNG")
    assert (headers["content-type"], headers["x-kept"]) == ("image/png", "yes")
    assert headers.get_all("set-cookie") == ["a=1", "b=2"]
    status, headers, body = request(cloud, "GET", "/plain")
    assert (status, headers["content-type"], body) == (200, "application/json", b'{"any": "json"}')


def test_answers_without_a_content_type() -> None:
    assert response({"statusCode": 202, "body": "x"}) == (
        202,
        [("Content-Type", "text/plain; charset=utf-8")],
        b"x",
    )
    assert response({"statusCode": "204"}) == (204, [], b"")
    assert response("text") == (200, [("Content-Type", "application/json")], b"text")


def test_failures_are_500_and_their_traceback_is_in_the_log(cloud: Cloud, said: Said) -> None:
    status, _, body = request(cloud, "GET", "/raise")
    assert (status, json.loads(body)) == (500, {"message": "Internal Server Error"})
    assert "KeyError: 'on purpose'" in said.of("http")
    status, _, body = request(cloud, "GET", "/nonsense")
    assert (status, json.loads(body)) == (500, {"message": "Internal Server Error"})
    assert "not an answer that API Gateway understands" in said.of("http")
    assert request(cloud, "GET", "/plain")[0] == 200


def test_unknown_integrations_stop() -> None:
    integration = {"type": "aws_proxy", "payloadFormatVersion": "1.0", "uri": "x"}
    with pytest.raises(
        TemplateError, match="route get /x: only Lambda proxy integrations with payload version 2"
    ):
        routes({"/x": {"get": {"x-amazon-apigateway-integration": integration}}})


def test_the_default_route_comes_last() -> None:
    integration = {"type": "aws_proxy", "payloadFormatVersion": "2.0", "uri": "x"}
    operation = {"x-amazon-apigateway-integration": integration}
    found = routes({"$default": {"x-amazon-apigateway-any-method": operation}, "/{a+}": {"get": operation}})
    assert [route.key for route in found] == ["GET /{a+}", "$default"]


def test_the_api_answers_over_tls_while_a_connection_says_nothing(tmp_path: Path) -> None:
    with Cloud(FIXTURES / "template.yaml", {"Journal": str(tmp_path)}, 0, 0, Said(), https_port=0) as running:
        address = urlsplit(running.https_url)
        assert address.port is not None
        with socket.create_connection(("127.0.0.1", address.port)):  # a browser that may want to ask later
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(address.netloc, timeout=20, context=context)
            for _ in range(2):  # one connection
                connection.request("POST", "/items/a/b", b"{}")
                found = json.loads(connection.getresponse().read())["event"]
                assert found["headers"]["x-forwarded-proto"] == "https"
            connection.close()


def test_without_the_option_there_is_no_https(cloud: Cloud) -> None:
    with pytest.raises(CloudError, match="https_port"):
        _ = cloud.https_url
