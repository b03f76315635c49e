"""Many conditional writes in few requests: transactions of a hundred, of which each write stands for itself.

A transaction is the only request of DynamoDB that carries many writes with a condition each. It makes all or none, so
where some of them fail their condition the others are written again without them. What is wanted of it here is the one
round trip, not the atomicity; since it is billed twice, a write that is alone goes as what it is.
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.ports import SaveResult

from .aws_errors import THROTTLED, code_of, reason
from .backoff import Patience, Sleep
from .chunks import chunked

MOST_WRITES = 100
MOST_BYTES = 3_500_000
"""Of a transaction; DynamoDB takes 4 MB."""
ATTEMPTS = 6
LOST = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException"})
BUSY = THROTTLED | {
    "ProvisionedThroughputExceeded",
    "ThrottlingError",
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
}
"""What passes by itself."""
UNTOUCHED = "None"
"""The reason of a write that was cancelled for another one's sake."""

Action = dict[str, Any]


class GuardedWrites:
    """Writes actions of `TransactWriteItems` (one an item), each with its own condition."""

    def __init__(self, client: Any, wait: Sleep) -> None:
        self._client = client
        self._sleep = wait

    def all(self, actions: Mapping[str, Action]) -> SaveResult:
        """Write all, in as few requests as can be; which lost their condition, and which failed and why."""
        lost: set[str] = set()
        failed: dict[str, str] = {}
        for chunk in chunked(actions.items(), MOST_WRITES, MOST_BYTES, _bytes_of):
            self._chunk(dict(chunk), lost, failed)
        return SaveResult(frozenset(lost), failed)

    def _chunk(self, actions: dict[str, Action], lost: set[str], failed: dict[str, str]) -> None:
        patience = Patience(ATTEMPTS, self._sleep)
        while actions:
            refused = self._send(actions)
            busy = ""
            remaining: dict[str, Action] = {}
            for key, why in refused.items():
                if why in LOST:
                    lost.add(key)
                elif why in BUSY or why == UNTOUCHED:
                    remaining[key] = actions[key]
                    busy = busy if why == UNTOUCHED else why
                else:
                    failed[key] = why
            if busy and remaining and not patience.wait():
                failed |= dict.fromkeys(remaining, busy)
                return
            actions = remaining

    def _send(self, actions: Mapping[str, Action]) -> Mapping[str, str]:
        """Why each of the writes that were not made was not; none, if all were."""
        try:
            if len(actions) == 1:
                ((kind, request),) = next(iter(actions.values())).items()
                if kind == "Put":
                    self._client.put_item(**request)
                else:
                    self._client.update_item(**request)
            else:
                self._client.transact_write_items(TransactItems=list(actions.values()))
        except ClientError as error:
            reasons = error.response.get("CancellationReasons")
            if reasons:
                codes = [one.get("Code") or UNTOUCHED for one in reasons]
                if set(codes) != {UNTOUCHED}:
                    return dict(zip(actions, codes, strict=True))
            return dict.fromkeys(actions, code_of(error))
        except BotoCoreError as error:
            return dict.fromkeys(actions, reason(error))
        return {}


def _bytes_of(keyed: tuple[str, Action]) -> int:
    """What a write weighs, nearly: its binary values, and a kilobyte for the rest."""
    item = keyed[1].get("Put", {}).get("Item", {})
    return 1_000 + sum(len(value["B"]) for value in item.values() if "B" in value)
