"""`python -m infra.local`: the embedded cloud in the foreground, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from infra.local.cloud import ROOT, Cloud
from infra.local.errors import CloudError


def parse(given: list[str] | None) -> argparse.Namespace:
    """The arguments; ends the process with a message where they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument(
        "--template", type=Path, default=None, help="default: template.yaml of this repository"
    )
    parser.add_argument(
        "--built",
        action="store_true",
        help="run what `sam build` built (.aws-sam/build) instead of the sources; "
        "build it for this machine's processor and Python",
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="of the HTTP API (default 8000; 0 = any free one)"
    )
    parser.add_argument(
        "--https-port",
        type=int,
        default=None,
        help="the HTTP API over TLS too, signed by nobody (0 = any free one)",
    )
    parser.add_argument(
        "--aws-port", type=int, default=4566, help="of all AWS APIs (default 4566; 0 = any free one)"
    )
    parser.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the template"
    )
    parser.add_argument(
        "--env-file", type=Path, help="write what a client needs (AWS_ENDPOINT_URL, ...) into this file"
    )
    arguments = parser.parse_args(given)
    if arguments.template is None:
        arguments.template = ROOT / (".aws-sam/build/template.yaml" if arguments.built else "template.yaml")
    if arguments.built and not arguments.template.exists():
        parser.error(f"{arguments.template} does not exist; run `sam build` first")
    if wrong := [item for item in arguments.parameter if "=" not in item]:
        parser.error(f"--parameter wants NAME=VALUE, not {', '.join(wrong)}")
    return arguments


def show(cloud: Cloud, variables: Mapping[str, str], *, https: bool) -> None:
    """Say what is where."""
    print(f"  HTTP API  {cloud.api_url}")
    if https:
        print(f"            {cloud.https_url}")
    print(f"  tokens    {cloud.issuer.url} (a development issuer)")
    print("  AWS APIs  " + " ".join(f"{name}={value}" for name, value in variables.items()))
    for name, value in sorted(cloud.outputs.items()):
        print(f"  {name:<28} {value}")


def main(given: list[str] | None = None) -> int:
    """Start, say what is where, wait for Ctrl-C, stop."""
    arguments = parse(given)
    parameters = dict(item.split("=", 1) for item in arguments.parameter)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    began = time.monotonic()
    try:
        with Cloud(
            arguments.template,
            parameters,
            arguments.port,
            arguments.aws_port,
            https_port=arguments.https_port,
        ) as cloud:
            print(f"ready in {time.monotonic() - began:.1f} s: {arguments.template}")
            variables = {
                "AWS_ENDPOINT_URL": cloud.endpoint_url,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
            }
            if arguments.env_file:
                arguments.env_file.write_text(
                    "".join(f"{name}={value}\n" for name, value in variables.items())
                )
            show(cloud, variables, https=arguments.https_port is not None)
            print("Ctrl-C stops it.", flush=True)
            stop.wait()
            print("stopping", flush=True)
    except CloudError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
