"""Put failed records of the event stream back on it.

    segmentation replay --bucket B --stream S            all of them
    segmentation replay --bucket B --stream S --dry-run  say what there is, and why it failed
    segmentation replay --bucket B --stream S --matching EvaluateEvents

B and S are the stack's outputs FailuresBucketName and EventStreamName. Mend what made them fail first.
"""

import argparse
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import SegmentationError

from .failures import replay


def main(arguments: list[str] | None = None) -> int:
    """Replay; 1 where it could not be done, 2 where some objects were left."""
    parser = argparse.ArgumentParser(prog="segmentation replay", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bucket", required=True, help="the bucket of failures")
    parser.add_argument("--stream", required=True, help="the event stream")
    parser.add_argument(
        "--matching", default="", help="only what failed for a reason, or under a name, with this in it"
    )
    parser.add_argument("--dry-run", action="store_true", help="put nothing back")
    options = parser.parse_args(arguments)
    try:
        result = replay(
            boto3.client("s3"), boto3.client("kinesis"), options.bucket, options.stream,
            matching=options.matching, dry=options.dry_run, say=print,
        )  # fmt: skip
    except (SegmentationError, BotoCoreError, ClientError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(
        f"{result.records} records of {result.objects} objects {'would be' if options.dry_run else 'were'} put back"
    )
    for key, reason in result.left.items():
        print(f"left: {key}: {reason}", file=sys.stderr)
    return 2 if result.left else 0


if __name__ == "__main__":
    sys.exit(main())
