"""Messages to another function on SQS."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable

from .aws_errors import code_of
from .backoff import Patience, Sleep, sleep
from .chunks import chunked

MESSAGES_A_CALL = 10
BYTES_A_CALL = 250_000
ATTEMPTS = 5


class SqsQueue:
    """One queue."""

    def __init__(self, client: Any, url: str, wait: Sleep = sleep) -> None:
        self._client = client
        self._url = url
        self._sleep = wait

    def send(self, messages: Sequence[Mapping[str, Any]], *, after: int = 0) -> None:
        """Send all, ten a call; what SQS refuses is sent again, alone."""
        bodies = (json.dumps(message, separators=(",", ":")) for message in messages)  # in ASCII
        for chunk in chunked(bodies, MESSAGES_A_CALL, BYTES_A_CALL, len):
            self._send(chunk, after)

    def _send(self, bodies: list[str], after: int) -> None:
        waiting = {"DelaySeconds": after} if after else {}
        entries = [{"Id": str(number), "MessageBody": body, **waiting} for number, body in enumerate(bodies)]
        patience = Patience(ATTEMPTS, self._sleep)
        while entries:
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except ClientError as error:
                raise Unavailable(f"messages cannot be sent: {code_of(error)}") from error
            except BotoCoreError as error:
                raise Unavailable(f"messages cannot be sent: {type(error).__name__}") from error
            refused = {one["Id"] for one in answer.get("Failed", ())}
            entries = [entry for entry in entries if entry["Id"] in refused]
            if entries and not patience.wait():
                raise Unavailable(f"{len(entries)} messages were refused")

    def delay(self, receipt: str, seconds: int) -> None:
        """Let a received message come back only after so long."""
        try:
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            )
        except (ClientError, BotoCoreError) as error:
            # It comes back at the queue's own time instead.
            raise Unavailable(f"a message cannot be held back: {type(error).__name__}") from error
