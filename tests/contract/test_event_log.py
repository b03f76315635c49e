"""EventLog: the fake and Kinesis."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from segmentation.adapters.kinesis import KinesisEventLog
from segmentation.domain.errors import Unavailable
from segmentation.domain.event import Event
from segmentation.domain.stream import Mark, StreamRecord
from segmentation.ports import EventLog

from tests.contract.conftest import Client
from tests.fakes import MemoryEventLog

Log = tuple[EventLog, Callable[[], list[Event]]]


@pytest.fixture(params=["fake", "kinesis"])
def log(request: pytest.FixtureRequest) -> Log:
    if request.param == "fake":
        fake = MemoryEventLog()
        return fake, lambda: fake.events
    kinesis = request.getfixturevalue("client")("kinesis")
    kinesis.create_stream(StreamName="events", ShardCount=1)
    return KinesisEventLog(kinesis, "events"), lambda: read(kinesis)


def read(kinesis: Any) -> list[Event]:
    shards = kinesis.list_shards(StreamName="events")["Shards"]
    found = []
    for shard in shards:
        iterator = kinesis.get_shard_iterator(
            StreamName="events", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            answer = kinesis.get_records(ShardIterator=iterator, Limit=1000)
            found += [Event.from_json(record["Data"]) for record in answer["Records"]]
            iterator = answer["NextShardIterator"]
            if not answer["Records"]:
                break
    return found


def event(number: int, size: int = 1) -> Event:
    return Event(f"e{number}", "shop", "purchases", "person_id:1", 1, 2, {"x": "é" * size, "n": number})


def test_events_come_out_as_they_went_in_and_in_order(log: Log) -> None:
    put, read_back = log
    events = [event(number) for number in range(1_203)]
    put.append(events)
    assert read_back() == events


def test_large_events_are_spread_over_calls(log: Log) -> None:
    put, read_back = log
    events = [event(number, 400_000) for number in range(8)]
    put.append(events)
    assert read_back() == events


def test_the_longest_key_fits(log: Log) -> None:
    put, read_back = log
    name = "c" * 128 + ":" + "é" * 200
    longest = [replace(event(number), profile=name) for number in range(2)]
    put.append(longest)
    assert read_back() == longest


class Throttling:
    """A Kinesis that refuses some records of its first calls."""

    def __init__(self, refusals: Sequence[set[int]]) -> None:
        self.refusals = list(refusals)
        self.kept: list[str] = []

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:
        refused = self.refusals.pop(0) if self.refusals else set()
        answers: list[dict[str, str]] = []
        for position, record in enumerate(Records):
            if position in refused:
                answers.append(
                    {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow"}
                )
            else:
                self.kept.append(Event.from_json(record["Data"]).id)
                answers.append({"SequenceNumber": "1", "ShardId": "s"})
        return {"FailedRecordCount": len(refused), "Records": answers}


def test_only_what_was_refused_is_put_again() -> None:
    kinesis = Throttling([{1, 3}, {0}])
    waits: list[float] = []
    KinesisEventLog(kinesis, "events", waits.append).append([event(number) for number in range(5)])
    assert kinesis.kept == ["e0", "e2", "e4", "e3", "e1"]
    assert len(waits) == 2
    assert waits[0] < waits[1] * 4


def test_what_stays_refused_is_said() -> None:
    kinesis = Throttling([{0}] * 20)
    with pytest.raises(Unavailable, match="2 of 3 events were kept"):
        KinesisEventLog(kinesis, "events", lambda _: None).append([event(number) for number in range(3)])


def test_a_full_fake_says_the_same() -> None:
    with pytest.raises(Unavailable, match="2 of 3 events were kept"):
        MemoryEventLog(room=2).append([event(number) for number in range(3)])


def test_a_stream_that_is_not_there_is_unavailable(client: Client) -> None:
    with pytest.raises(Unavailable, match="0 of 1 events"):
        KinesisEventLog(client("kinesis"), "nowhere").append([event(1)])


def test_every_open_part_of_the_log_gets_a_mark_behind_what_was_accepted(client: Client) -> None:
    kinesis = client("kinesis")
    kinesis.create_stream(StreamName="events", ShardCount=3)
    log = KinesisEventLog(kinesis, "events")
    log.append([Event(f"e{n}", "shop", "purchases", f"person_id:{n}", 1, 2, {}) for n in range(20)])
    shards = log.mark("fill-1")
    assert len(shards) == 3
    for shard in shards:
        iterator = kinesis.get_shard_iterator(
            StreamName="events", ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = kinesis.get_records(ShardIterator=iterator)["Records"]
        marks = [StreamRecord("1", one["Data"]).mark for one in records]
        assert marks == [*[None] * (len(marks) - 1), Mark("fill-1", shard)]
    kinesis.merge_shards(StreamName="events", ShardToMerge=shards[0], AdjacentShardToMerge=shards[1])
    after = log.mark("fill-2")
    assert len(after) == 2
    assert not {*shards[:2]} & {
        *after
    }  # those that are closed are read to their ends before what follows them
    with pytest.raises(Unavailable):
        KinesisEventLog(kinesis, "nothing").mark("fill-2")
