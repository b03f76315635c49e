"""The clients that sites carry already, against the embedded cloud: in a real browser over HTTPS, and in Python.

`make browser` installs what these need. Chromium is looked for under its Debian name, or at $CHROMIUM.
"""

import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from segment.analytics import Client
from segmentation.adapters.s3 import S3Lake
from segmentation.domain.event import Event

from infra.local.cloud import Cloud
from tests.fakes import FixedClock
from tests.fakes.documents import AUDIENCE, sha
from tests.local.support import Said
from tests.publishing import PublishRules

HERE = Path(__file__).parent
PAGES = ("td", "segment", "own")

SHOP: dict[str, Any] = {
    **AUDIENCE,
    "behaviors": {
        "pageviews": {
            "source": "events",
            "columns": {
                **{name: {"type": "string"} for name in ("department", "td_url", "td_title", "event", "url")},
                "user_agent": {"type": "string", "visibility": "pii"},
            },
        },
        "traits": {"source": "events", "columns": {"plan": {"type": "string"}}},
    },
    "calls": {
        "user_id": "person_id",
        "anonymous_id": "td_client_id",
        "track": {"behavior": "pageviews"},
        "page": {"behavior": "pageviews"},
        "identify": {"behavior": "traits"},
    },
}


def viewed(identifier: str, department: str) -> dict[str, Any]:
    events = {"filter": [{"var": "behaviors.pageviews"}, {"==": [{"var": "department"}, department]}]}
    rule = {">=": [{"count": [{"within": [events, "1h"]}]}, 1]}
    return {"id": identifier, "name": identifier, "audience": "shop", "kind": "realtime", "rule": rule}


SEGMENTS = [viewed("readers", "books"), viewed("more-readers", "books & more"), viewed("players", "toys")]


def access(origin: str) -> dict[str, Any]:
    sections = {
        "hero": {
            "when": {"in": ["players", {"var": "segments"}]},
            "segments": ["players", "readers"],
            "texts": {"greeting": "Hello {{attributes.country|there}}"},
        },
        "closed": {"when": {"!": [{"in": ["players", {"var": "segments"}]}]}},
    }
    token = {
        "key_columns": ["td_client_id"],
        "segments": ["readers", "more-readers", "players"],
        "origins": [origin],
    }
    return {
        "write_keys": [{"id": "site", "sha256": sha("write-key"), "origins": [origin]}],
        "tokens": [
            {"id": "site", "sha256": sha("site-token"), **token, "sections": sections},
            {"id": "other", "sha256": sha("other-token"), **token},
        ],
    }


class Pages(http.server.SimpleHTTPRequestHandler):
    """The bundled pages, each as a script in an empty document."""

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/")
        if name.endswith(".html"):
            text = f"<!doctype html><title>{name}</title><script src='/{name[:-5]}.js'></script>".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        else:
            super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is, with its pages bundled."""
    folder = tmp_path_factory.mktemp("pages")
    bundler = HERE / "node_modules/.bin/esbuild"
    assert bundler.exists(), "run `make browser`, which installs the clients"
    entries = [str(HERE / "pages" / f"{name}.js") for name in PAGES]
    subprocess.run(
        [bundler, *entries, "--bundle", f"--outdir={folder}", "--log-level=error", "--define:global=window"],
        check=True,
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def cloud(origin: str) -> Iterator[Cloud]:
    with Cloud(api_port=0, aws_port=0, log=Said(), https_port=0) as running:
        lake = S3Lake(running.client("s3"), running.outputs["LakeBucketName"])
        PublishRules(lake, FixedClock())(SHOP, SEGMENTS, access(origin), [])
        yield running


@pytest.fixture(scope="module")
def tried(cloud: Cloud, origin: str) -> dict[str, Any]:
    """What each page found in the browser."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium, "Chromium is not there; `apt-get install chromium`, or name it in $CHROMIUM"
    host = cloud.https_url.removeprefix("https://")
    done = subprocess.run(
        ["node", HERE / "drive.mjs", chromium, origin, host, *PAGES],
        capture_output=True,
        text=True,
        timeout=180,
        cwd=HERE,
        env={**os.environ, "AWS_URL": cloud.endpoint_url},
    )
    assert done.returncode == 0, done.stderr
    return {one["page"]: one for one in map(json.loads, done.stdout.splitlines())}


def stream(cloud: Cloud) -> list[Event]:
    """Every event that was kept."""
    kinesis, name = cloud.client("kinesis"), cloud.outputs["EventStreamName"]
    found = []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found += [
            Event.from_json(one["Data"]) for one in kinesis.get_records(ShardIterator=iterator)["Records"]
        ]
    return found


def test_treasure_datas_sdk_tracks_looks_up_and_personalizes(tried: dict[str, Any], cloud: Cloud) -> None:
    page = tried["td"]
    found, visitor = page["found"], page["found"]["visitor"]
    assert "error" not in found, found
    assert page["elsewhere"] == [], "no other host hears of a visitor"
    assert found["before"] == [], "nobody is known yet"
    assert found["event"] == {"receipts": [{"success": True}]}
    hero = {
        "attributes": {"greeting": "Hello there"},
        "batch_segments": [],
        "realtime_segments": [{"id": "players"}],
    }
    assert found["offers"] == {"offers": {"hero": hero}}, "with the event that it came with"
    (after,) = found["after"]
    assert set(after["values"]) >= {"more-readers", "players"}
    assert (after["key"], after["audienceId"]) == ({"td_client_id": visitor}, "shop")
    assert found["refused"], "an unknown token is an error to the page"
    assert found["anonymous"] == {"receipts": [{"success": True, "kept": False, "reason": "anonymous"}]}
    kept = [one for one in stream(cloud) if one.profile == f"td_client_id:{visitor}"]
    assert [one.columns["department"] for one in kept] == ["books & more", "toys"]
    assert kept[0].columns["td_title"] == "td.html"
    assert not any("td_user_agent" in one.columns or "td_ip" in one.columns for one in kept)


def test_segments_client_tracks_and_identifies(tried: dict[str, Any], cloud: Cloud) -> None:
    page = tried["segment"]
    found = page["found"]
    assert "error" not in found, found
    assert ["GET", "/v1/projects/write-key/settings", 200] in page["requests"]
    assert page["elsewhere"] == [], "no other host hears of a visitor"
    assert {(path, status) for method, path, status in page["requests"] if method == "POST"} == {
        ("/v1/p", 200),
        ("/v1/t", 200),
        ("/v1/t", 503),
        ("/v1/i", 200),
    }
    kept = {one.id: one for one in stream(cloud)}
    home, clicked, identified, again = (kept[one["id"]] for one in found["sent"])
    assert (again.columns["event"], found["refused"] > 0) == ("Clicked again", True), (
        "sent until it was taken"
    )
    assert home.columns["url"].endswith("/segment.html?host=" + cloud.https_url.removeprefix("https://"))
    assert "Mozilla" in home.columns["user_agent"]
    assert (clicked.columns["event"], clicked.columns["amount"]) == ("Clicked", 2)
    assert clicked.profile == f"td_client_id:{found['visitor']}"
    assert (identified.profile, identified.also) == ("person_id:7", (f"td_client_id:{found['visitor']}",))
    assert (identified.behavior, identified.columns["plan"]) == ("traits", "pro")


def test_our_own_module_does_all_of_it(tried: dict[str, Any], cloud: Cloud) -> None:
    page = tried["own"]
    found = page["found"]
    assert "error" not in found, found
    assert page["elsewhere"] == []
    assert (found["tracked"], found["identified"]) == ({"success": True}, {"success": True})
    assert found["offers"]["hero"]["realtime_segments"][0] == {"id": "players"}
    assert {"readers", "players"} <= set(found["profile"]["segments"])
    assert found["refused"] == "unknown write key"
    (late,) = [one for one in stream(cloud) if one.columns.get("event") == "Clicked late"]
    assert [status for _, path, status in page["requests"] if path == "/v1/track"].count(503) >= 2
    assert late.received - found["happened"] > 1, "it was refused twice, and a second passes after each"
    assert abs(late.time - found["happened"]) < 1.5, "sent again, it has not happened later"
    preflights = [path for method, path, _ in page["requests"] if method == "OPTIONS"]
    assert not [path for path in preflights if path.startswith("/v1/")], "plain calls need no preflight"


def test_segments_python_client_sends_batches(cloud: Cloud) -> None:
    failed: list[Exception] = []
    client = Client(
        "write-key",
        host=cloud.api_url,
        gzip=True,
        sync_mode=False,
        on_error=lambda error, _: failed.append(error),
    )
    for number in range(250):
        client.track("p-9", "Clicked", {"department": "books", "n": number}, message_id=f"python-{number}")
    client.identify("p-9", {"plan": "pro"}, message_id="python-identify")
    client.flush()
    client.join()
    assert failed == []
    kept = [one for one in stream(cloud) if one.profile == "person_id:p-9"]
    assert {one.id for one in kept} == {"python-identify", *(f"python-{number}" for number in range(250))}
    refused = Client("nobody", host=cloud.api_url, sync_mode=True, max_retries=1)
    with pytest.raises(Exception, match="unknown write key"):
        refused.track("p-9", "Clicked")
