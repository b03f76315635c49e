"""A steady mixed stream through the embedded cloud, with throttles, kills, duplicates and redeliveries, for some minutes.

    python -m tests.soak [seconds] [seed]

Then nothing may be lost: every person is in what an oracle says of all accepted events, partners were told just that, the
lake has every event, queues are empty, and no process has grown. It says what was done, and ends with 1 where one of that
is not so. Nothing is measured: on a slow machine fewer events are sent.
"""

import sys
import threading
import time
from datetime import UTC, datetime

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.s3 import S3Lake

from infra.demo.__main__ import PARAMETERS
from infra.demo.receiver import Receiver
from infra.local.cloud import Cloud
from tests.publishing import PublishRules

from . import checks
from .faults import Faults
from .rules import Oracle, documents
from .site import Site

SENDERS = 2
QUIET: list[tuple[str, str]] = []
"""The cloud's log: faults fill it."""


def main(arguments: list[str]) -> int:
    """Run it; 1 where something is not as it must be."""
    seconds = int(arguments[0]) if arguments else 240
    seed = int(arguments[1]) if len(arguments) > 1 else 1
    parameters = {name: value for name, value in PARAMETERS.items() if name != "LogicalNow"}
    with (
        Receiver() as receiver,
        Cloud(
            parameters=parameters,
            api_port=0,
            aws_port=0,
            log=lambda source, text: QUIET.append((source, text)),
            sqs_retry_seconds=2,
        ) as cloud,
    ):
        secret = cloud.client("secretsmanager").get_secret_value(SecretId=cloud.outputs["WebhookSecretArn"])
        receiver.trust(secret["SecretString"])
        lake = S3Lake(cloud.client("s3"), cloud.outputs["LakeBucketName"])
        published = PublishRules(lake, SystemClock())(*documents(receiver.url))
        try:
            _run(cloud, receiver, Oracle(published), seconds, seed)
        except checks.Failed as failed:
            print(f"FAILED: {failed}", file=sys.stderr)
            for source, text in [line for line in QUIET if '"_aws"' not in line[1]][-60:]:
                print(f"  {source}: {text[:300]}", file=sys.stderr)
            return 1
    return 0


def _run(cloud: Cloud, receiver: Receiver, oracle: Oracle, seconds: int, seed: int) -> None:
    _say(f"a stream of {seconds} s with faults, seed {seed}")
    site = Site(cloud.api_url.rstrip("/"), int(time.time()), seconds, seed)
    senders = [threading.Thread(target=site.run, name=f"sender-{n}") for n in range(SENDERS)]
    faults = Faults(cloud, seed)
    for thread in (*senders, faults):
        thread.start()
    time.sleep(seconds * 0.4)
    warm = checks.memory()
    for thread in senders:
        thread.join()
    if site.failed is not None:
        raise site.failed
    largest = checks.grown(warm)
    faults.stop()
    site.sign_in()
    events = sum(map(len, site.accepted.values()))
    _say(
        f"{events} events accepted, {site.refused} requests refused and sent again, {site.again} sent twice; "
        + ", ".join(f"{count} {what}" for what, count in sorted(faults.done.items()))
    )
    checks.check(events > 0 and faults.done.total() > 0, "nothing was tried")
    checks.at_rest(cloud)
    _say(f"{checks.memberships(cloud, site, oracle)} people are in what the oracle says")
    _say(f"{checks.partners(receiver, site, oracle)} messages to a partner add up to the same")
    _say(f"{checks.lake(cloud, site)} rows in the lake hold every event")
    _say(f"{checks.queues(cloud)} queues are empty, and nothing was put aside")
    _say(f"the largest process of a function has {largest:.0f} MB")


def _say(what: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
