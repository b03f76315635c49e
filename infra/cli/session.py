"""Which management API is spoken to, and as whom."""

import base64
import hashlib
import json
import os
import secrets
import time
import urllib.request
import webbrowser
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import typer

from infra.documents.remotes import ApiRemote, RemoteRefused, bearer, signed

CALLBACK_PORT = 8400
"""Where the browser leads back to after signing in; the template's CallbackUrls name it."""
SIGN_IN_SECONDS = 300

Url = Annotated[
    str,
    typer.Option(
        "--url", envvar="SEGMENTATION_URL", help="The management API; else the one of the last login."
    ),
]


@dataclass(frozen=True)
class Session:
    """A signed-in caller of one management API."""

    url: str
    token: str
    expires: float = 0.0


def session_path() -> Path:
    """Where the last login is kept, readable by its owner alone."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "segmentation" / "session.json"


def connect(url: str = "") -> ApiRemote:
    """The API of `url`, of the environment, or of the last login.

    With SEGMENTATION_AUTH=aws requests are signed with the AWS credentials at hand: what a machine does.
    """
    kept = _kept()
    url = url or (kept.url if kept else "")
    if not url:
        raise RemoteRefused(
            ["no management API is known; name one with --url, or: segmentation login --url URL"], 401
        )
    if os.environ.get("SEGMENTATION_AUTH") == "aws":
        return ApiRemote(url, signed)
    return ApiRemote(url, bearer(lambda: _token(url, kept)))


def _token(url: str, kept: Session | None) -> str:
    if token := os.environ.get("SEGMENTATION_TOKEN"):
        return token
    if kept is None or kept.url.rstrip("/") != url.rstrip("/"):
        raise RemoteRefused([f"not signed in to {url}"], 401)
    if kept.expires < time.time():
        raise RemoteRefused(["the login has expired"], 401)
    return kept.token


def login(url: str, role: str, name: str) -> Session:
    """Sign in at the API's identity provider, in a browser; at a development issuer without one, in `role` if it is given."""
    told = _get(f"{url.rstrip('/')}/v1/sign-in")
    provider = _get(f"{told['issuer'].rstrip('/')}/.well-known/openid-configuration")
    if role:
        if "client_credentials" not in provider.get("grant_types_supported", ()):
            raise RemoteRefused(["only a development issuer gives out roles; sign in without --role"], 403)
        asked = {
            "grant_type": "client_credentials",
            "client_id": told["client_id"],
            "scope": role,
            "name": name,
        }
        answer = _post(provider["token_endpoint"], asked)
    else:
        answer = _in_browser(told, provider)
    # An id token's audience is the client, and it bears the claim that names roles.
    token = answer.get("id_token") or answer["access_token"]
    session = Session(url, token, time.time() + float(answer.get("expires_in", 3_600)))
    path = session_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(asdict(session)), encoding="utf-8")
    return session


def logout() -> None:
    """Forget the last login."""
    session_path().unlink(missing_ok=True)


def _kept() -> Session | None:
    try:
        return Session(**json.loads(session_path().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _in_browser(told: dict[str, Any], provider: dict[str, Any]) -> dict[str, Any]:
    """The authorization code flow with PKCE, over a port of this machine."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    back = f"http://localhost:{CALLBACK_PORT}/callback"
    asked = {
        "response_type": "code",
        "client_id": told["client_id"],
        "redirect_uri": back,
        "scope": told["scope"],
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    address = f"{provider['authorization_endpoint']}?{urlencode(asked)}"
    found: dict[str, str] = {}

    class Callback(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.update({key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()})
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"Signed in; you can close this page.")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("localhost", CALLBACK_PORT), Callback) as server:
        server.timeout = 1
        typer.echo(f"Sign in here: {address}", err=True)
        webbrowser.open(address)
        until = time.monotonic() + SIGN_IN_SECONDS
        while "code" not in found and "error" not in found and time.monotonic() < until:
            server.handle_request()
    if found.get("state") != state or "code" not in found:
        raise RemoteRefused([f"not signed in: {found.get('error', 'nobody came back from the page')}"], 401)
    given = {"grant_type": "authorization_code", "client_id": told["client_id"], "code": found["code"],
             "redirect_uri": back, "code_verifier": verifier}  # fmt: skip
    return _post(provider["token_endpoint"], given)


def _get(url: str) -> dict[str, Any]:
    return _sent(urllib.request.Request(url))


def _post(url: str, form: dict[str, str]) -> dict[str, Any]:
    return _sent(urllib.request.Request(url, urlencode(form).encode()))


def _sent(request: urllib.request.Request) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
            return told
    except (OSError, ValueError) as error:
        raise RemoteRefused([f"{request.full_url.partition('?')[0]}: {error}"]) from error
