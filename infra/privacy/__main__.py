"""Erase or export everything of a person, named by any of their keys; or lift an erasure.

    python -m infra.privacy erase  --bucket B --table T --queue URL --audience A email=ann@example.com
    python -m infra.privacy lift   --bucket B --table T --audience A person_id=17
    python -m infra.privacy export --bucket B --table T --database D --workgroup W --audience A person_id=17 > ann.json

B, T, D and W are outputs of the stack; the queue is that of activations, by which partners hear that the person left.
Erasing empties the profiles store at once; the function `erase_profiles` does the rest and forgets the keys within 30 days.
Lifting lets later builds and runs take the person in again; what was erased stays erased.
Works on AWS with the account that boto3 finds, and on the embedded cloud with AWS_ENDPOINT_URL set to its address.
"""

import argparse
import json
import sys
import uuid

import boto3
from botocore.exceptions import BotoCoreError
from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.sqs import SqsQueue
from segmentation.domain.errors import SegmentationError
from segmentation.usecases.erase_visitor import EraseVisitor
from segmentation.usecases.export_visitor import ExportVisitor
from segmentation.usecases.lift_erasure import LiftErasure


def main(arguments: list[str]) -> int:
    """Do what is asked; 1 where it could not be done, with the reason."""
    options = _options(arguments)
    column, _, value = options.key.partition("=")
    try:
        lake = S3Lake(boto3.client("s3"), options.bucket)
        rule_sets, clock = S3RuleSets(lake), SystemClock()
        profiles = DynamoProfiles(boto3.client("dynamodb"), options.table, LakeNumberings(lake))
        if options.verb == "erase":
            queue = SqsQueue(boto3.client("sqs"), options.queue)
            erase = EraseVisitor(profiles, lake, rule_sets, queue, clock, lambda: uuid.uuid4().hex[:8])
            request = erase(options.audience, column, value)
            print(
                f"request {request.id}: erased under {len(request.names)} keys; erase_profiles does the rest"
            )
            return 0
        if options.verb == "lift":
            for lifted in LiftErasure(profiles, lake, rule_sets, clock)(options.audience, column, value):
                print(f"request {lifted.id}: lifted; the next build takes the person in again")
            return 0
        warehouse = AthenaWarehouse(
            boto3.client("athena"), boto3.client("glue"), options.workgroup, options.database
        )
        export = ExportVisitor(profiles, lake, ParquetTables(lake), warehouse, rule_sets, clock)
        json.dump(export(options.audience, column, value), sys.stdout, indent=1)
        print()
    except (SegmentationError, BotoCoreError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.privacy", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, needs in (("erase", ("queue",)), ("lift", ()), ("export", ("database", "workgroup"))):
        one = verbs.add_parser(verb)
        for name in ("bucket", "table", *needs, "audience"):
            one.add_argument(f"--{name}", required=True)
        one.add_argument("key", help="<identity column>=<value>")
    options = parser.parse_args(arguments)
    if "=" not in options.key:
        parser.error(f"{options.key!r} is no <identity column>=<value>")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
