"""Other functions of this service, invoked and waited for."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable

from .aws_errors import code_of


class LambdaFunctions:
    """Functions by what they are for; `names` maps that to the function's name."""

    def __init__(self, client: Any, names: Mapping[str, str]) -> None:
        self._client = client
        self._names = names

    def call(self, what: str, payload: Mapping[str, Any]) -> Any:
        """What the function answers. `Unavailable` if it did not run, or failed."""
        try:
            answer = self._client.invoke(FunctionName=self._names[what], Payload=json.dumps(payload).encode())
            body = answer["Payload"].read()
        except ClientError as error:
            raise Unavailable(f"{what} cannot be started: {code_of(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"{what} did not answer: {type(error).__name__}") from error
        if answer.get("FunctionError"):
            raise Unavailable(f"{what} failed; its log says why")
        return json.loads(body)
