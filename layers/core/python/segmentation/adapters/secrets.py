"""The secrets in Secrets Manager."""

import base64
import binascii
import time
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable

from .aws_errors import code_of

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


class SigningKeys:
    """The secret that visitors' keys are signed with: the current version and the one before, while that is kept."""

    def __init__(self, client: Any, arn: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._arn = arn
        self._clock = clock
        self._kept: tuple[float, tuple[bytes, ...]] | None = None

    def signing(self) -> Sequence[bytes]:
        """The secrets' bytes, as the text of the secret has them."""
        if self._kept is None or self._clock() - self._kept[0] >= FRESH_SECONDS:
            found = [self._version("AWSCURRENT"), self._version("AWSPREVIOUS")]
            if found[0] is None:
                raise Unavailable("the signing secret has no current version")
            self._kept = (self._clock(), tuple(one for one in found if one is not None))
        return self._kept[1]

    def _version(self, stage: str) -> bytes | None:
        try:
            answer = self._client.get_secret_value(SecretId=self._arn, VersionStage=stage)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise Unavailable(f"the signing secret cannot be read: {code_of(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"the signing secret cannot be read: {type(error).__name__}") from error
        return str(answer["SecretString"]).strip().encode()
