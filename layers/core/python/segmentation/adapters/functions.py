"""Another function of this service, invoked."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable

from .aws_errors import code_of, reason


class LambdaFunction:
    """One function."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def call(self, payload: Mapping[str, Any]) -> Any:
        """What the function answers. `Unavailable` if it did not run, or failed."""
        try:
            answer = self._client.invoke(FunctionName=self._name, Payload=json.dumps(payload).encode())
            body = answer["Payload"].read()
        except ClientError as error:
            raise Unavailable(f"{self._name} cannot be started: {code_of(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"{self._name} did not answer: {type(error).__name__}") from error
        if answer.get("FunctionError"):
            raise Unavailable(f"{self._name} failed; its log says why")
        return json.loads(body)

    def start(self, payload: Mapping[str, Any]) -> None:
        """Have it run, without waiting. `Unavailable` if Lambda did not take the request."""
        try:
            self._client.invoke(
                FunctionName=self._name, InvocationType="Event", Payload=json.dumps(payload).encode()
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"{self._name} cannot be started: {reason(error)}") from error
