"""Who may call a route: tokens and signatures, verified as API Gateway verifies them before the function runs."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import jwt
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra.local.errors import TemplateError

ALGORITHMS = ["RS256", "RS384", "RS512"]
"""What API Gateway takes: signatures by RSA only."""
SIGNATURE_SECONDS = 300
"""How far the time of a signature may be from now."""
LOCAL_KEYS = {"local": "local"}
"""Access key -> secret key, of this cloud."""

Headers = Mapping[str, str]


class Refused(Exception):
    """A caller that API Gateway turns away, with its status and words."""

    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message
        super().__init__(message)


class JwtAuthorizer:
    """A JWT authorizer of an HTTP API. The issuer's keys are fetched when first needed, and again for an unknown one."""

    def __init__(self, name: str, scheme: Mapping[str, Any]) -> None:
        told = scheme.get("x-amazon-apigateway-authorizer", {})
        source = told.get("identitySource")
        if told.get("type") != "jwt" or source != "$request.header.Authorization":
            raise TemplateError(
                f"authorizer {name}: the embedded cloud knows JWT authorizers whose identity source is "
                "$request.header.Authorization, and AWS_IAM"
            )
        self._issuer = str(told["jwtConfiguration"]["issuer"])
        self._audience = [str(one) for one in told["jwtConfiguration"]["audience"]]
        self._keys: jwt.PyJWKClient | None = None

    def __call__(self, headers: Headers) -> dict[str, Any]:
        """What the function is told of the caller; `Refused` with what API Gateway answers."""
        value = headers.get("authorization", "")
        scheme, _, token = value.partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else value.strip()
        if not token:
            raise Refused(401, "Unauthorized")
        try:
            claims = self._claims(token)
        except (jwt.InvalidTokenError, jwt.PyJWKClientError, ValueError, KeyError, OSError):
            raise Refused(401, "Unauthorized") from None
        return {"jwt": {"claims": {name: _text(one) for name, one in claims.items()}, "scopes": None}}

    def _claims(self, token: str) -> dict[str, Any]:
        if jwt.get_unverified_header(token).get("alg") not in ALGORITHMS:
            raise ValueError("the algorithm is not one of API Gateway's")
        key = self._client().get_signing_key_from_jwt(token)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            issuer=self._issuer,
            options={"require": ["exp", "iss"], "verify_aud": False},
        )
        # Access tokens of Cognito name their client in `client_id` and have no `aud`.
        audience = claims.get("aud", claims.get("client_id"))
        if not set(audience if isinstance(audience, list) else [audience]) & set(self._audience):
            raise ValueError("it is of another audience")
        return claims

    def _client(self) -> jwt.PyJWKClient:
        if self._keys is None:
            with urllib.request.urlopen(
                f"{self._issuer}/.well-known/openid-configuration", timeout=5
            ) as answer:
                found = json.load(answer)
            self._keys = jwt.PyJWKClient(found["jwks_uri"], cache_keys=True, timeout=5)
        return self._keys


class IamAuthorizer:
    """AWS_IAM: the request is signed (Signature Version 4) for execute-api with a key of this cloud."""

    def __init__(self, region: str, account: str) -> None:
        self._region, self._account = region, account

    def __call__(self, method: str, path: str, query: str, headers: Headers, body: bytes) -> dict[str, Any]:
        """What the function is told of the caller."""
        try:
            parts = dict(
                part.strip().split("=", 1)
                for part in headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(",")
            )
            key, date, region, service, _ = parts["Credential"].split("/")
            secret, sent = LOCAL_KEYS[key], headers["x-amz-date"]
            moment = time.mktime(time.strptime(sent, "%Y%m%dT%H%M%SZ")) - time.timezone
            signed = {name: headers[name] for name in parts["SignedHeaders"].split(";")}
            fresh = abs(time.time() - moment) <= SIGNATURE_SECONDS and sent.startswith(date)
        except (KeyError, ValueError):
            raise Refused(403, "Forbidden") from None
        signer = SigV4Auth(Credentials(key, secret), service, region)
        address = f"http://{headers.get('host', '')}{quote(path, safe='/-_.~%')}" + (
            f"?{query}" if query else ""
        )
        request = AWSRequest(method, address, data=body)
        for name, value in signed.items():
            request.headers[name] = value
        request.context["timestamp"] = sent
        digest = hashlib.sha256(body).hexdigest()
        whole = signed.get("x-amz-content-sha256", digest) == digest
        text = signer.string_to_sign(request, signer.canonical_request(request))
        good = hmac.compare_digest(signer.signature(text, request), parts.get("Signature", ""))
        ours = (service, region) == ("execute-api", self._region) and "host" in signed
        if not (good and fresh and whole and ours):
            raise Refused(403, "Forbidden")
        arn = f"arn:aws:iam::{self._account}:user/{key}"
        return {
            "iam": {
                "accessKey": key,
                "accountId": self._account,
                "userArn": arn,
                "userId": key,
                "callerId": key,
            }
        }


def _text(value: Any) -> str:
    """A claim as API Gateway hands it over: text, lists in brackets."""
    if isinstance(value, list):
        return f"[{' '.join(map(_text, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
