"""An OpenID Connect issuer with a development key, which stands where a Cognito user pool or a company's own would.

It lets everybody in, as whoever and in whichever role they choose: on one machine there is nobody to keep out. What it
issues is real: discovery, a key set, the authorization code flow with PKCE, client credentials, RS256 tokens that expire.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT = "segmentation"
"""The client's id, and the audience of its tokens."""
ROLES = ("viewer", "editor", "admin")
ROLES_CLAIM = "cognito:groups"
"""As a Cognito user pool names its groups."""
TOKEN_SECONDS = 3_600
CODE_SECONDS = 60

_FORM = """<!doctype html><html lang=en><meta charset=utf-8><title>Sign in</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 15vh auto; padding: 0 1rem }}
label, select, input, button {{ display: block; width: 100%; font: inherit; margin: .3rem 0; box-sizing: border-box }}</style>
<h1>Sign in to the embedded cloud</h1><p>A development issuer: there is no password.</p>
<form method=post action="authorize">{hidden}
<label>Name <input name=name value=developer required maxlength=100></label>
<label>Role <select name=role>{roles}</select></label><button>Sign in</button></form>"""


class Issuer:
    """A WSGI application. `url` is set when its address is known."""

    def __init__(self) -> None:
        self.url = ""
        self._key: rsa.RSAPrivateKey | None = None
        self._lock = threading.Lock()
        self._codes: dict[str, dict[str, str]] = {}

    def token(self, name: str = "developer", role: str = "admin", **claims: Any) -> str:
        """A signed token; `claims` replace its own, `None` takes one out."""
        now = int(time.time())
        content = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": name,
            "email": name,
            ROLES_CLAIM: [role],
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            **claims,
        }
        content = {claim: value for claim, value in content.items() if value is not None}
        return jwt.encode(content, self._private(), algorithm="RS256", headers={"kid": self._kid()})

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        size = min(int(environ.get("CONTENT_LENGTH") or 0), 100_000)
        query = environ.get("QUERY_STRING", "")
        form = parse_qs(environ["wsgi.input"].read(size).decode("utf-8", "replace"), keep_blank_values=True)
        given = {name: values[0] for name, values in (parse_qs(query, keep_blank_values=True) | form).items()}
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET", "/.well-known/openid-configuration":
                status, headers, body = self._json(self._discovery())
            case "GET", "/jwks.json":
                status, headers, body = self._json({"keys": [self._public()]})
            case "GET", "/authorize":
                status, headers, body = self._form(given)
            case "POST", "/authorize":
                status, headers, body = self._authorized(given)
            case "POST", "/token":
                status, headers, body = self._token(given)
            case "OPTIONS", _:
                status, headers, body = 204, [], b""
            case _:
                status, headers, body = self._json({"error": "not_found"}, 404)
        cors = [
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Allow-Headers", "content-type, authorization"),
        ]
        start_response(f"{status} {status}", [*headers, *cors, ("Content-Length", str(len(body)))])
        return [body]

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks.json",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        }

    def _form(self, given: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
        if problem := _wrong(given):
            return self._json({"error": "invalid_request", "error_description": problem}, 400)
        kept = ("client_id", "redirect_uri", "state", "nonce", "code_challenge")
        hidden = "".join(
            f'<input type=hidden name="{name}" value="{html.escape(given[name])}">'
            for name in kept
            if name in given
        )
        roles = "".join(f"<option{' selected' if role == 'admin' else ''}>{role}</option>" for role in ROLES)
        page = _FORM.format(hidden=hidden, roles=roles).encode()
        return 200, [("Content-Type", "text/html; charset=utf-8")], page

    def _authorized(self, given: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
        problem = _wrong({"response_type": "code", "code_challenge_method": "S256", **given})
        if problem or given.get("role") not in ROLES or not given.get("name"):
            return self._json(
                {"error": "invalid_request", "error_description": problem or "name and role"}, 400
            )
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._codes[code] = {**given, "until": str(time.time() + CODE_SECONDS)}
        answer = urlencode({"code": code, **({"state": given["state"]} if "state" in given else {})})
        join = "&" if urlsplit(given["redirect_uri"]).query else "?"
        return 302, [("Location", f"{given['redirect_uri']}{join}{answer}")], b""

    def _token(self, given: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
        if given.get("grant_type") == "client_credentials":
            role = given.get("scope", "admin")
            if given.get("client_id") != CLIENT or role not in ROLES:
                return self._json({"error": "invalid_request"}, 400)
            return self._tokens(given.get("name", "developer")[:100], role, "")
        with self._lock:
            kept = self._codes.pop(given.get("code", ""), None)
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            kept is None
            or float(kept["until"]) < time.time()
            or not secrets.compare_digest(challenge, kept["code_challenge"])
            or kept["redirect_uri"] != given.get("redirect_uri")
        ):
            return self._json({"error": "invalid_grant"}, 400)
        return self._tokens(kept["name"], kept["role"], kept.get("nonce", ""))

    def _tokens(self, name: str, role: str, nonce: str) -> tuple[int, list[tuple[str, str]], bytes]:
        token = self.token(name, role, **({"nonce": nonce} if nonce else {}))
        told = {"access_token": token, "id_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        return self._json(told)

    def _json(self, value: Any, status: int = 200) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        return status, headers, json.dumps(value).encode()

    def _private(self) -> rsa.RSAPrivateKey:
        """The key, made when it is first needed: it takes a tenth of a second."""
        with self._lock:
            if self._key is None:
                self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return self._key

    def _public(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._private().public_key()))
        return {**told, "use": "sig", "alg": "RS256", "kid": self._kid()}

    def _kid(self) -> str:
        number = self._private().public_key().public_numbers().n
        return hashlib.sha256(str(number).encode()).hexdigest()[:16]


def _wrong(given: dict[str, str]) -> str:
    """What is wrong with an authorization request. Only this machine is sent back to."""
    redirect = urlsplit(given.get("redirect_uri", ""))
    if redirect.scheme not in ("http", "https") or redirect.hostname not in ("localhost", "127.0.0.1", "::1"):
        return "redirect_uri must be an address of this machine"
    if given.get("client_id") != CLIENT:
        return f"client_id must be {CLIENT!r}"
    if given.get("response_type") != "code":
        return "response_type must be 'code'"
    if not given.get("code_challenge") or given.get("code_challenge_method", "S256") != "S256":
        return "a code_challenge of the method S256 is needed"
    return ""
