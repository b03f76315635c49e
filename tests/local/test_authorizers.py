"""Tokens and signatures before the function runs: good ones are told to it, bad ones never reach it."""

import base64
import hashlib
import hmac
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import rsa

from infra.documents.remotes import ApiRemote
from infra.documents.remotes import signed as signed_by_aws
from infra.local.authorizers import JwtAuthorizer, Refused
from infra.local.cloud import Cloud
from infra.local.errors import TemplateError
from infra.local.issuer import CLIENT, ROLES_CLAIM, Issuer
from tests.local.support import FIXTURES, Said


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cloud]:
    with Cloud(
        FIXTURES / "guarded.yaml", api_port=0, aws_port=0, log=Said(), stack_name="guarded"
    ) as running:
        yield running


def send(
    url: str, headers: dict[str, str] | None = None, data: bytes | None = None, method: str | None = None
) -> tuple[int, Any]:
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def ask(cloud: Cloud, token: str, path: str = "/v1/me") -> tuple[int, Any]:
    return send(cloud.outputs["GuardedUrl"] + path, {"Authorization": f"Bearer {token}"})


def test_a_good_token_tells_the_function_who_calls(guarded: Cloud) -> None:
    status, body = ask(guarded, guarded.issuer.token("ann", "editor"))
    assert status == 200
    claims = body["event"]["requestContext"]["authorizer"]["jwt"]["claims"]
    assert (claims["sub"], claims[ROLES_CLAIM], claims["iss"]) == ("ann", "[editor]", guarded.issuer.url)


def test_open_routes_and_other_apis_ask_nobody(guarded: Cloud) -> None:
    assert guarded.outputs["OpenUrl"] != guarded.outputs["GuardedUrl"]
    assert guarded.api_url == guarded.outputs["OpenUrl"]
    for url in (guarded.outputs["OpenUrl"] + "/open", guarded.outputs["GuardedUrl"] + "/v1/free"):
        status, body = send(url)
        assert status == 200
        assert "authorizer" not in body["event"]["requestContext"]


def foreign() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def by_secret(claims: dict[str, Any], secret: bytes, kid: str) -> str:
    """Signed by a shared secret: what the issuer's public key is to a careless library."""
    parts = [json.dumps({"alg": "HS256", "kid": kid}).encode(), json.dumps(claims).encode()]
    text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def unsigned(issuer: Issuer, header: dict[str, Any]) -> str:
    """A token with a body of ours and a header of the attacker's, and no signature."""
    _, body, _ = issuer.token().split(".")
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return f"{head}.{body}."


def test_tokens_that_are_not_the_issuers_are_refused(guarded: Cloud) -> None:
    issuer, now = guarded.issuer, int(time.time())
    kid = jwt.get_unverified_header(issuer.token())["kid"]
    public = json.dumps(issuer._public()).encode()
    good = {"iss": issuer.url, "aud": CLIENT, "sub": "x", ROLES_CLAIM: ["admin"], "exp": now + 60}
    head, body, signature = issuer.token(role="viewer").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims[ROLES_CLAIM] = ["admin"]
    raised = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    bad = {
        "none": unsigned(issuer, {"alg": "none", "kid": kid}),
        "None": unsigned(issuer, {"alg": "None", "kid": kid}),
        "no algorithm": unsigned(issuer, {"kid": kid}),
        "signed with the public key as a secret": by_secret(good, public, kid),
        "of another key": jwt.encode(good, foreign(), "RS256", {"kid": kid}),
        "of an unknown key": jwt.encode(good, foreign(), "RS256", {"kid": "other"}),
        "with its own key in it": jwt.encode(
            good, foreign(), "RS256", {"kid": kid, "jku": "http://127.0.0.1:1/"}
        ),
        "expired": issuer.token(exp=now - 10),
        "never expiring": issuer.token(exp=None),
        "not yet valid": issuer.token(nbf=now + 600),
        "of another audience": issuer.token(aud="another"),
        "of no audience": issuer.token(aud=None),
        "of another issuer": issuer.token(iss="https://evil.example"),
        "with another body": f"{head}.{raised}.{signature}",
        "without a signature": f"{head}.{body}.",
        "not one": "x.y.z",
        "empty": "",
        "long": "a" * 20_000,
    }
    answers = {name: ask(guarded, token)[0] for name, token in bad.items()}
    assert answers == dict.fromkeys(bad, 401)
    assert send(guarded.outputs["GuardedUrl"] + "/v1/me")[0] == 401


def test_an_access_token_of_cognito_names_its_client(guarded: Cloud) -> None:
    assert ask(guarded, guarded.issuer.token(aud=None, client_id=CLIENT))[0] == 200
    assert ask(guarded, guarded.issuer.token(aud=None, client_id="another"))[0] == 401
    assert ask(guarded, guarded.issuer.token(aud=["another", CLIENT]))[0] == 200


def test_a_browser_signs_in_with_a_code_and_a_proof(guarded: Cloud) -> None:
    issuer = guarded.issuer.url
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code", "client_id": CLIENT, "redirect_uri": "http://localhost:1/back", "state": '"><script>',
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    with urllib.request.urlopen(f"{issuer}/authorize?{urlencode(asked)}", timeout=20) as page:
        assert "<script" not in page.read().decode()

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    def code() -> str:
        form = urlencode({**asked, "name": "ann", "role": "viewer"}).encode()
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.build_opener(Stay).open(f"{issuer}/authorize", form, timeout=20)
        found = parse_qs(urlsplit(caught.value.headers["Location"]).query)
        caught.value.close()
        assert found["state"] == [asked["state"]]
        return found["code"][0]

    def exchange(**changes: str) -> tuple[int, Any]:
        given = {
            "grant_type": "authorization_code",
            "redirect_uri": asked["redirect_uri"],
            "code_verifier": verifier,
        }
        return send(f"{issuer}/token", data=urlencode(given | changes).encode())

    once = code()
    status, told = exchange(code=once)
    assert status == 200
    assert ask(guarded, told["id_token"])[0] == 200
    assert exchange(code=once)[0] == 400
    assert exchange(code=code(), code_verifier="other")[0] == 400
    assert exchange(code=code(), redirect_uri="http://localhost:1/else")[0] == 400
    for change in ({"redirect_uri": "https://evil.example/"}, {"client_id": "x"}, {"code_challenge": ""}):
        assert send(f"{issuer}/authorize?{urlencode(asked | change)}")[0] == 400


def signed(
    cloud: Cloud, method: str, path: str, body: bytes = b"", key: str = "local", **more: str
) -> tuple[str, dict[str, str]]:
    url = cloud.outputs["GuardedUrl"] + path
    request = AWSRequest(method, url, data=body, headers={"Content-Type": "application/json"})
    credentials = Credentials(key, more.get("secret", "local"))
    SigV4Auth(credentials, more.get("service", "execute-api"), more.get("region", "us-east-1")).add_auth(
        request
    )
    return url, dict(request.headers)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/machine/me", b""),
        ("GET", "/machine/a%20b/c?y=2&x=%26", b""),
        ("POST", "/machine/x", b'{"n": 1}'),
    ],
)
def test_a_signed_request_tells_the_function_whose_key_it_was(
    guarded: Cloud, method: str, path: str, body: bytes
) -> None:
    url, headers = signed(guarded, method, path, body)
    status, answer = send(url, headers, body or None, method)
    assert status == 200
    assert answer["event"]["requestContext"]["authorizer"]["iam"]["userArn"].endswith(":user/local")


def test_signatures_that_do_not_hold_are_refused(guarded: Cloud) -> None:
    good, headers = signed(guarded, "POST", "/machine/x", b"{}")
    assert send(good, headers, b"{}", "POST")[0] == 200
    other = {**headers, "X-Amz-Date": "20200101T000000Z"}
    trials = {
        "nothing": send(good, {}, b"{}", "POST"),
        "another body": send(good, headers, b"{1}", "POST"),
        "another path": send(good + "y", headers, b"{}", "POST"),
        "another method": send(good, headers, b"{}", "PUT"),
        "another time": send(good, other, b"{}", "POST"),
        "unknown key": send(*signed(guarded, "POST", "/machine/x", b"{}", key="x"), b"{}", "POST"),
        "wrong secret": send(*signed(guarded, "POST", "/machine/x", b"{}", secret="x"), b"{}", "POST"),
        "another service": send(*signed(guarded, "POST", "/machine/x", b"{}", service="s3"), b"{}", "POST"),
        "another region": send(
            *signed(guarded, "POST", "/machine/x", b"{}", region="eu-west-1"), b"{}", "POST"
        ),
        "a token": ask(guarded, guarded.issuer.token(), "/machine/x"),
    }
    assert {name: status for name, (status, _) in trials.items()} == dict.fromkeys(trials, 403)


def test_the_client_of_segments_as_code_signs_as_it_is_verified(
    guarded: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    remote = ApiRemote(guarded.outputs["GuardedUrl"], signed_by_aws)
    assert remote.request("GET", "/v1/me")["event"]["rawPath"] == "/machine/me"
    assert (
        remote.request("GET", "/v1/a%20b?limit=200&cursor=a-b_")["event"]["rawQueryString"]
        == "limit=200&cursor=a-b_"
    )
    changed = remote.request("PATCH", "/v1/x", {"a": "é"}, {"If-Match": '"1.ab"'})["event"]
    assert (changed["headers"]["if-match"], json.loads(changed["body"])) == ('"1.ab"', {"a": "é"})


def test_a_signature_opens_no_route_that_wants_a_token(guarded: Cloud) -> None:
    assert send(*signed(guarded, "GET", "/v1/me"))[0] == 401


def test_an_authorizer_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(TemplateError, match="authorizer Mine"):
        JwtAuthorizer("Mine", {"x-amazon-apigateway-authorizer": {"type": "request"}})


def test_an_issuer_out_of_reach_lets_nobody_in() -> None:
    scheme = {
        "x-amazon-apigateway-authorizer": {
            "type": "jwt",
            "identitySource": "$request.header.Authorization",
            "jwtConfiguration": {"issuer": "http://127.0.0.1:1", "audience": [CLIENT]},
        }
    }
    issuer = Issuer()
    issuer.url = "http://127.0.0.1:1"
    with pytest.raises(Refused):
        JwtAuthorizer("Jwt", scheme)({"authorization": f"Bearer {issuer.token()}"})
