"""What AWS says when it cannot now, told apart by error code."""

from botocore.exceptions import BotoCoreError, ClientError

THROTTLED = frozenset(
    {
        "InternalServerError",
        "InternalFailure",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


def code_of(error: ClientError) -> str:
    """The error's code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def reason(error: BotoCoreError | ClientError) -> str:
    """Why, without the keys and values that a message of AWS may quote."""
    return code_of(error) if isinstance(error, ClientError) else type(error).__name__
