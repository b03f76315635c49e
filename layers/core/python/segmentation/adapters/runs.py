"""Batch runs on DynamoDB: hash key `audience`, range key `run`.

A run is `(<audience>, <job>#<run id>)`. The locks of all audiences stand together under one hash key, so that one query
tells which runs are under way: `(#locks, <audience>#<job>)`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable
from segmentation.domain.pipeline import (
    BY_SCHEDULE,
    FailedSegments,
    Job,
    Lock,
    Progress,
    Run,
    State,
    Statement,
)

from .aws_errors import code_of

LOCKS = "#locks"
KEPT_SECONDS = 400 * 86_400
"""How long the record of a run is kept after its end."""
LOST = frozenset(
    {"ConditionalCheckFailedException", "TransactionCanceledException", "TransactionConflictException"}
)
PASSING = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"})

Item = dict[str, Any]


class DynamoRuns:
    """Runs and locks of one table."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def lock(self, audience: str, job: Job) -> Lock:
        """Who runs a job of an audience; a lock that was never taken is free."""
        item = self._get(LOCKS, f"{audience}#{job}")
        return Lock(audience, job) if item is None else _lock(item)

    def held(self) -> list[Lock]:
        """The locks that have a holder."""
        return [lock for item in self._query(LOCKS, "") if (lock := _lock(item)).holder is not None]

    def begin(self, run: Run, lock: Lock) -> bool:
        """Keep a new run and its lock in one transaction."""
        new = {
            "TableName": self._table,
            "Item": _run_item(run),
            "ConditionExpression": "attribute_not_exists(audience)",
        }
        return self._transact({"Put": new}, {"Put": self._lock_put(lock)})

    def change(self, lock: Lock) -> bool:
        """Write a lock that nobody changed meanwhile."""
        return self._write(self._client.put_item, **self._lock_put(lock))

    def read(self, audience: str, job: Job, run: str) -> Run | None:
        """A run."""
        item = self._get(audience, f"{job}#{run}")
        return None if item is None else _run(item)

    def save(self, run: Run) -> bool:
        """Write a run that nobody changed meanwhile; at its end, with its lock."""
        put = {
            "TableName": self._table,
            "Item": _run_item(run),
            "ConditionExpression": "version = :before",
            "ExpressionAttributeValues": {":before": {"N": str(run.version - 1)}},
        }
        if not run.is_over:
            return self._write(self._client.put_item, **put)
        return self._transact({"Put": put}, {"Update": self._release(run)})

    def note(self, run: Run) -> None:
        """Write a run that holds no lock."""
        self._write(self._client.put_item, TableName=self._table, Item=_run_item(run))

    def recent(self, audience: str, job: Job, most: int = 100, before: str | None = None) -> list[Run]:
        """The latest runs, latest first."""
        options: Item = {"ScanIndexForward": False, "Limit": most}
        if before is not None:
            options["ExclusiveStartKey"] = {"audience": {"S": audience}, "run": {"S": f"{job}#{before}"}}
        found = []
        for item in self._query(audience, f"{job}#", **options):
            found.append(_run(item))
            if len(found) == most:
                break
        return found

    def forget(self, audience: str) -> None:
        """Remove all runs of an audience, then its locks."""
        keys = [(audience, item["run"]["S"]) for item in self._query(audience, "")]
        keys += [(LOCKS, f"{audience}#{job}") for job in Job]
        for one, run in keys:
            self._write(
                self._client.delete_item,
                TableName=self._table,
                Key={"audience": {"S": one}, "run": {"S": run}},
            )

    def _get(self, audience: str, run: str) -> Item | None:
        try:
            answer = self._client.get_item(
                TableName=self._table,
                Key={"audience": {"S": audience}, "run": {"S": run}},
                ConsistentRead=True,
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"runs cannot be read: {_reason(error)}") from error
        item: Item | None = answer.get("Item")
        return item

    def _query(self, audience: str, prefix: str, **options: Any) -> Iterator[Item]:
        condition = "audience = :audience" + (" AND begins_with(#run, :prefix)" if prefix else "")
        values = {":audience": {"S": audience}} | ({":prefix": {"S": prefix}} if prefix else {})
        names = {"ExpressionAttributeNames": {"#run": "run"}} if prefix else {}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            **names,
            **options,
        )
        try:
            for page in pages:
                yield from page["Items"]
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"runs cannot be read: {_reason(error)}") from error

    def _lock_put(self, lock: Lock) -> Item:
        put: Item = {"TableName": self._table, "Item": _lock_item(lock)}
        if lock.version == 1:
            return put | {"ConditionExpression": "attribute_not_exists(audience)"}
        return put | {
            "ConditionExpression": "version = :before",
            "ExpressionAttributeValues": {":before": {"N": str(lock.version - 1)}},
        }

    def _release(self, run: Run) -> Item:
        """What `pipeline.released` says, written only by the holder."""
        values: Item = {":run": {"S": run.id}, ":one": {"N": "1"}, ":zero": {"N": "0"}}
        if run.state is State.FAILED:
            change = "failures = if_not_exists(failures, :zero) + :one, failed = :at"
            values[":at"] = {"N": str(run.ended or run.started)}
            if run.requested == BY_SCHEDULE:
                change += ", pending = :yes"
                values[":yes"] = {"BOOL": True}
        else:
            change = "failures = :zero, failed = :zero"
        return {
            "TableName": self._table,
            "Key": {"audience": {"S": LOCKS}, "run": {"S": f"{run.audience}#{run.job}"}},
            "UpdateExpression": f"SET version = version + :one, {change} REMOVE holder",
            "ConditionExpression": "holder = :run",
            "ExpressionAttributeValues": values,
        }

    def _transact(self, *items: Item) -> bool:
        return self._write(self._client.transact_write_items, TransactItems=list(items))

    def _write(self, operation: Any, **request: Any) -> bool:
        try:
            operation(**request)
        except ClientError as error:
            reasons = {one.get("Code") for one in error.response.get("CancellationReasons", ())}
            if code_of(error) in LOST and not reasons & PASSING:
                return False
            raise Unavailable(f"a run cannot be written: {_reason(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"a run cannot be written: {_reason(error)}") from error
        return True


def _reason(error: Exception) -> str:
    return code_of(error) if isinstance(error, ClientError) else type(error).__name__


def _run_item(run: Run) -> Item:
    """What is asked for by name stands in attributes of its own; the whole run is one JSON text beside them."""
    item: Item = {
        "audience": {"S": run.audience},
        "run": {"S": f"{run.job}#{run.id}"},
        "version": {"N": str(run.version)},
        "state": {"S": run.state},
        "step": {"S": run.step},
        "content": {"S": json.dumps(asdict(run), separators=(",", ":"))},
    }
    if run.error is not None:
        item["error"] = {"S": run.error[:1_000]}
    if run.is_over:
        item["expires"] = {"N": str((run.ended or run.started) + KEPT_SECONDS)}
    return item


def _run(item: Item) -> Run:
    content = json.loads(item["content"]["S"])
    content["job"], content["state"] = Job(content["job"]), State(content["state"])
    content["asked"] = None if content["asked"] is None else tuple(content["asked"])
    content["failed"] = tuple(FailedSegments(**one) for one in content["failed"])
    content["statements"] = tuple(
        Statement(**{**one, "progress": Progress(one["progress"])}) for one in content["statements"]
    )
    return Run(**content)


def _lock_item(lock: Lock) -> Item:
    item: Item = {
        "audience": {"S": LOCKS},
        "run": {"S": f"{lock.audience}#{lock.job}"},
        "version": {"N": str(lock.version)},
        "stamp": {"N": str(lock.stamp)},
        "failures": {"N": str(lock.failures)},
        "failed": {"N": str(lock.failed)},
        "scheduled": {"S": lock.scheduled},
        "pending": {"BOOL": lock.pending},
    }
    return item if lock.holder is None else item | {"holder": {"S": lock.holder}}


def _lock(item: Item) -> Lock:
    audience, _, job = item["run"]["S"].rpartition("#")
    return Lock(
        audience=audience,
        job=Job(job),
        holder=item["holder"]["S"] if "holder" in item else None,
        version=int(item["version"]["N"]),
        stamp=int(item["stamp"]["N"]),
        failures=int(item["failures"]["N"]),
        failed=int(item["failed"]["N"]),
        scheduled=item["scheduled"]["S"],
        pending=item["pending"]["BOOL"],
    )
