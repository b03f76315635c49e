"""The bucket of failures."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable

from .aws_errors import reason


class S3Failures:
    """Puts aside what can never be processed."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put_aside(self, path: str, data: bytes) -> None:
        """Keep a document; `Unavailable` when it is not kept."""
        try:
            self._client.put_object(Bucket=self._bucket, Key=path, Body=data, ContentType="application/json")
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"{path} cannot be put aside: {reason(error)}") from error
