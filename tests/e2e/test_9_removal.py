"""Last of all the audience is removed, through the API, with everything that all the other tests made of it."""

import json
import time
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

from infra.demo.stage import AUDIENCE, Stage

from .conftest import Path
from .support import post, wait_until

PLACE = f"/v1/audiences/{AUDIENCE}"
KEPT = f"removed/{AUDIENCE}.json"
HOUR = 3_600


def ask(stage: Stage, method: str, path: str, if_match: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {stage.cloud.issuer.token('ann', 'admin')}"}
    if if_match:
        headers["If-Match"] = f'"{if_match}"'
    url = stage.cloud.outputs["ManagementApiUrl"] + path
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method)) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def an_hour_later(stage: Stage) -> None:
    """What the schedule does each hour; functions have the machine's clock, so the note is made older instead."""
    s3, place = stage.cloud.client("s3"), {"Bucket": stage.bucket, "Key": f"removals/{AUDIENCE}.json"}
    note = json.loads(s3.get_object(**place)["Body"].read())
    s3.put_object(**place, Body=json.dumps({**note, "since": note["since"] - HOUR}).encode())
    stage.cloud.invoke("RemoveAudiences")


def objects(stage: Stage) -> list[str]:
    pages = stage.cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=stage.bucket)
    return [one["Key"] for page in pages for one in page.get("Contents", ())]


def items(stage: Stage, table: str, key: str) -> list[str]:
    pages = stage.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    return [one[key]["S"] for page in pages for one in page["Items"]]


def test_an_audience_goes_with_everything_that_was_made_of_it(path: Path) -> None:
    stage = path.stage
    dynamodb = stage.cloud.client("dynamodb")
    tables = {name.rpartition("-")[2].lower(): name for name in dynamodb.list_tables()["TableNames"]}
    profiles, runs = tables["profilestable"], tables["runstable"]
    prefix = AUDIENCE.replace("-", "_") + "_"
    assert [one for one in items(stage, profiles, "profile") if one.startswith(f"{AUDIENCE}#")]
    assert [one for one in objects(stage) if f"/{AUDIENCE}/" in one]

    status, document = ask(stage, "GET", PLACE)
    assert status == 200
    status, refused = ask(stage, "DELETE", PLACE, document["etag"])
    assert (status, "segment 'coupon-lovers'" in refused["detail"]) == (409, True)
    status, asked = ask(stage, "DELETE", f"{PLACE}?force=true", document["etag"])
    assert (status, asked["state"], asked["by"]) == (202, "removing", "ann")

    # At once, without anybody's schedule: nothing of it is served, or taken in.
    wait_until(lambda: ask(stage, "GET", PLACE)[0] == 404, 30, "its rules are gone")
    wait_until(
        lambda: post(stage, {"household_id": "1", "department": "X"})[0] == 401, 60, "nothing is collected"
    )
    for _ in range(30):
        status, state = ask(stage, "GET", f"{PLACE}/removal")
        assert status == 200
        if state["state"] == "removed":
            break
        an_hour_later(stage)
        path.clock.turn(timedelta(minutes=1))  # a run that was stopped is ended by the minute's sweep
        time.sleep(0.3)
    assert state["state"] == "removed", state

    left = [one for one in objects(stage) if AUDIENCE in one]
    assert left == [KEPT]
    assert [one for one in items(stage, profiles, "profile") if one.startswith(f"{AUDIENCE}#")] == []
    assert [one for one in items(stage, runs, "audience") if AUDIENCE in one] == []
    glue = stage.cloud.client("glue")
    database = stage.cloud.outputs["GlueDatabaseName"]
    found = [
        one["Name"]
        for page in glue.get_paginator("get_tables").paginate(DatabaseName=database)
        for one in page["TableList"]
    ]
    assert [one for one in found if one.startswith(prefix)] == []
    # The raw tables are the owner's.
    assert "coupon_redemptions" in found
