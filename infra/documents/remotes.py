"""Where rules are published: the lake's bucket directly, or the management API."""

import getpass
import json
import socket
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from segmentation.adapters.clock import SystemClock
from segmentation.domain.errors import Outdated, SegmentationError
from segmentation.domain.rulebook import FROM_FILES, KINDS, Edit, Entry, Record
from segmentation.ports import Lake
from segmentation.usecases.edit_rules import Author, EditRules, earlier_versions, read_book, rule_set_path
from segmentation.usecases.manage_documents import check_edits

from .files import Key

MOST_VERSIONS = 100
PAUSES = (0.5, 2.0)
"""Seconds before a request that was not answered is sent again."""


class RemoteRefused(Exception):
    """What the remote said no to; a line for each reason."""

    def __init__(self, lines: Sequence[str], status: int = 0) -> None:
        self.lines, self.status = list(lines), status
        super().__init__("\n".join(lines))


class Remote(Protocol):
    """Published documents and a way to change them."""

    def kinds(self) -> Collection[str]:
        """The kinds of documents that the caller may change; the others are left alone."""
        ...

    def audiences(self) -> list[str]:
        """The audiences that have published rules."""
        ...

    def entries(self, audience: str) -> dict[Key, Entry]:
        """Every document in its current version, deleted ones too; none if the audience is not published."""
        ...

    def from_files(self, audience: str, entry: Entry) -> Entry | None:
        """The last version of a document that was made of files, if it is one of the last hundred."""
        ...

    def apply(self, audience: str, edits: Sequence[Edit], *, dry_run: bool = False) -> str:
        """Make edits, all or none; the version of the rules. `Outdated` if something was changed meanwhile."""
        ...


def made_of_files(record: Record) -> bool:
    """Whether a version came from files; those of rule sets without records did, when there was no other way."""
    return not record.deleted and (
        record.what == FROM_FILES or (record.what, record.updated_by) == ("created", "")
    )


def who() -> str:
    """The person at this machine, as the author of a change."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except OSError:  # no such user: a container
        return f"somebody@{socket.gethostname()}"


@dataclass(frozen=True)
class LakeRemote:
    """The bucket itself: what a pipeline with the right to write `rules/` and `history/` uses."""

    lake: Lake
    by: str = field(default_factory=who)

    def kinds(self) -> Collection[str]:
        """See `Remote`."""
        return KINDS

    def audiences(self) -> list[str]:
        """See `Remote`."""
        return [path.split("/")[1] for path in self.lake.list("rules/") if path.endswith("/ruleset.json")]

    def entries(self, audience: str) -> dict[Key, Entry]:
        """See `Remote`."""
        stored = self.lake.get(rule_set_path(audience))
        return dict(read_book(audience, stored.data).entries) if stored else {}

    def from_files(self, audience: str, entry: Entry) -> Entry | None:
        """See `Remote`."""
        versions = earlier_versions(self.lake, audience, entry, entry.record.version, MOST_VERSIONS)
        return next((one for one in versions if made_of_files(one.record)), None)

    def apply(self, audience: str, edits: Sequence[Edit], *, dry_run: bool = False) -> str:
        """See `Remote`."""
        if dry_run:
            return check_edits(self.lake, audience, edits, self.by).published.version
        return EditRules(self.lake, SystemClock())(audience, edits, Author(self.by)).published.version


Authorize = Callable[[urllib.request.Request], urllib.request.Request]
"""Makes a request one of a known caller."""


def bearer(token: Callable[[], str]) -> Authorize:
    """With a token, which is asked for when it is needed."""

    def authorize(request: urllib.request.Request) -> urllib.request.Request:
        request.add_header("Authorization", f"Bearer {token()}")
        return request

    return authorize


def signed(request: urllib.request.Request) -> urllib.request.Request:
    """Signed with the AWS credentials at hand, for the routes of machines."""
    import boto3
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    session = boto3.Session()
    credentials = session.get_credentials()
    if credentials is None:
        raise RemoteRefused(["there are no AWS credentials to sign with"], 401)
    url = request.full_url.replace("/v1/", "/machine/", 1)
    made = AWSRequest(request.get_method(), url, headers=dict(request.header_items()), data=request.data)
    SigV4Auth(credentials, "execute-api", session.region_name or "us-east-1").add_auth(made)
    return urllib.request.Request(url, request.data, dict(made.headers), method=request.get_method())


@dataclass(frozen=True)
class ApiRemote:
    """The management API."""

    url: str
    authorize: Authorize

    def kinds(self) -> Collection[str]:
        """See `Remote`. Of keys and tokens, none but an admin is shown the hashes that files hold."""
        return KINDS if self.request("GET", "/v1/me")["role"] == "admin" else ("segments",)

    def audiences(self) -> list[str]:
        """See `Remote`."""
        return [one["id"] for one in self._pages("/v1/audiences")]

    def entries(self, audience: str) -> dict[Key, Entry]:
        """See `Remote`."""
        try:
            found = [_entry(one) for one in self._pages(f"/v1/audiences/{audience}/documents")]
        except RemoteRefused as error:
            if error.status == 404:
                return {}
            raise
        return {(entry.kind, entry.id): entry for entry in found}

    def from_files(self, audience: str, entry: Entry) -> Entry | None:
        """See `Remote`."""
        place = f"/v1/audiences/{audience}/{entry.kind.replace('_', '-')}/{quote(entry.id, safe='')}"
        if entry.kind == "audience":
            place = f"/v1/audiences/{audience}"
        for one in self.request("GET", f"{place}/versions?limit={MOST_VERSIONS}")["items"]:
            record = Record(
                one["version"],
                one["folder"],
                one["archived"],
                one["deleted"],
                what=one["what"],
                updated_by=one["by"],
            )
            if not one["current"] and made_of_files(record):
                return Entry(entry.kind, entry.id, one["document"], record)
        return None

    def apply(self, audience: str, edits: Sequence[Edit], *, dry_run: bool = False) -> str:
        """See `Remote`."""
        told = [_edit(edit) for edit in edits]
        note = next((edit.note for edit in edits if edit.note), "")
        body = {"edits": told, "note": note, "dry_run": dry_run, "from_files": True}
        try:
            path = f"/v1/audiences/{audience}/changes"
            return str(self.request("POST", path, body, write=not dry_run)["version"])
        except RemoteRefused as error:
            if error.status == 412:
                named = (line.partition("/") for line in error.lines)
                raise Outdated([(kind, identifier) for kind, _, identifier in named]) from error
            raise

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        write: bool = False,
    ) -> Any:
        """One request; its JSON. `RemoteRefused` with everything that the problem says.

        A read is sent again where no answer came. So is a `write` of documents, under one idempotency key: it is made once.
        """
        data = json.dumps(body).encode() if body is not None else None
        given = {"Content-Type": "application/json", **(headers or {})}
        if write:
            given["Idempotency-Key"] = str(uuid.uuid4())
        for pause in PAUSES if write or method == "GET" else ():
            try:
                return self._sent(method, path, data, given)
            except RemoteRefused as error:
                if error.status not in (0, 503):
                    raise
                time.sleep(pause)
        return self._sent(method, path, data, given)

    def _sent(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Any:
        url = self.url.rstrip("/") + path
        request = self.authorize(urllib.request.Request(url, data, dict(headers), method=method))
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error.code, error.read()) from None
        except OSError as error:
            raise RemoteRefused([f"{self.url} cannot be reached: {error}"]) from error

    def _pages(self, path: str) -> list[Any]:
        items: list[Any] = []
        cursor = ""
        while True:
            page = self.request("GET", f"{path}?limit=200{'&cursor=' + cursor if cursor else ''}")
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = page["next"]


def _refused(status: int, body: bytes) -> RemoteRefused:
    try:
        told = json.loads(body)
    except ValueError:
        return RemoteRefused([f"{status}: {body[:300].decode('utf-8', 'replace')}"], status)
    if status == 412:
        return RemoteRefused(told.get("documents", []), status)
    problems = told.get("problems", [])
    lines = [
        f"{one.get('document', '')}{one.get('pointer') or one.get('parameter') or ''}: {one['message']} [{one['code']}]"
        for one in problems
    ]
    return RemoteRefused(lines or [str(told.get("detail") or told.get("message") or status)], status)


def _entry(told: Mapping[str, Any]) -> Entry:
    record = Record(
        version=told["version"],
        folder=told["folder"],
        archived=told["archived"],
        deleted=told["deleted"],
        created=told["created"]["at"],
        created_by=told["created"]["by"],
        updated=told["updated"]["at"],
        updated_by=told["updated"]["by"],
        what=told["what"],
        note=told["note"],
    )
    return Entry(told["kind"], told["id"], told["document"], record)


def _edit(edit: Edit) -> dict[str, Any]:
    told: dict[str, Any] = {"action": "delete" if edit.delete else "put", "kind": edit.kind, "id": edit.id}
    for name in ("document", "folder", "archived", "expected"):
        if getattr(edit, name) is not None:
            told[name] = getattr(edit, name)
    return told


def told(error: SegmentationError | RemoteRefused) -> list[str]:
    """What an error says, a line for each reason."""
    return error.lines if isinstance(error, RemoteRefused) else str(error).splitlines()
