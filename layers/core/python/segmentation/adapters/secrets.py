"""The webhook secret in Secrets Manager."""

import base64
import binascii
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable

FRESH_SECONDS = 300.0


class SecretsManager:
    """Fetches the secret and keeps it for a few minutes, so that a rotated one takes over."""

    def __init__(self, client: Any, arn: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._arn = arn
        self._clock = clock
        self._kept: tuple[float, bytes] | None = None

    def webhook_secret(self) -> bytes:
        """The key's bytes."""
        if self._kept is None or self._clock() - self._kept[0] >= FRESH_SECONDS:
            try:
                text = self._client.get_secret_value(SecretId=self._arn)["SecretString"]
            except (ClientError, BotoCoreError) as error:
                raise Unavailable(f"the webhook secret cannot be read: {type(error).__name__}") from error
            self._kept = (self._clock(), key_bytes(text))
        return self._kept[1]


def key_bytes(text: str) -> bytes:
    """The bytes that a secret's text stands for: base64, with or without `whsec_`, as Standard Webhooks has it."""
    try:
        return base64.b64decode(text.strip().removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise Unavailable("the webhook secret is not base64, with or without 'whsec_' before it") from error
