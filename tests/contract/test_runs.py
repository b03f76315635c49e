"""Runs: the fake and DynamoDB."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from segmentation.adapters.runs import DynamoRuns
from segmentation.domain.errors import Unavailable
from segmentation.domain.pipeline import (
    FailedSegments,
    Job,
    Lock,
    Progress,
    Run,
    State,
    Statement,
    ended,
    failed,
    skipped,
)
from segmentation.ports import Runs

from tests.contract.conftest import Client
from tests.contract.runs_table import make_runs_table
from tests.fakes import MemoryRuns

NOW = 1_704_067_200
RUN = Run("the-shop", Job.MATERIALIZE, "20240101t000000z_0001", "hand", NOW, version=1, asked=("a", "b"))
TAKEN = Lock("the-shop", Job.MATERIALIZE, RUN.id, 1, NOW, scheduled="2024-01-01T00:00:00Z")


@pytest.fixture(params=["fake", "dynamodb"])
def runs(request: pytest.FixtureRequest) -> Runs:
    if request.param == "fake":
        return MemoryRuns()
    client: Client = request.getfixturevalue("client")
    make_runs_table(client("dynamodb"))
    return DynamoRuns(client("dynamodb"), "runs")


def test_a_run_comes_back_as_it_was_written(runs: Runs) -> None:
    run = replace(
        RUN,
        step="members",
        now=NOW - 5,
        segments=3,
        merge=True,
        rows=7,
        names=2,
        statements=(
            Statement("members", "members", 0, 2, 2, 1, NOW, Progress.SUCCEEDED, "q1", 10, 3, "late"),
            Statement("members_part_1", "members", 2, 3),
        ),
        failed=(FailedSegments(0, 1, "why"),),
    )
    assert runs.begin(run, TAKEN)
    assert runs.read("the-shop", Job.MATERIALIZE, RUN.id) == run
    assert runs.read("the-shop", Job.BUILD, RUN.id) is None
    assert runs.lock("the-shop", Job.MATERIALIZE) == TAKEN


def test_a_lock_that_was_never_taken_is_free(runs: Runs) -> None:
    assert runs.lock("the-shop", Job.BUILD) == Lock("the-shop", Job.BUILD)
    assert runs.held() == []


def test_of_two_that_begin_at_once_one_does(runs: Runs) -> None:
    other = replace(RUN, id="20240101t000001z_0002")
    assert runs.begin(RUN, TAKEN)
    assert not runs.begin(other, replace(TAKEN, holder=other.id))
    assert runs.read("the-shop", Job.MATERIALIZE, other.id) is None  # both or neither
    assert [one.holder for one in runs.held()] == [RUN.id]
    build = replace(RUN, job=Job.BUILD, id="20240101t000000_0003")
    assert runs.begin(build, replace(TAKEN, job=Job.BUILD, holder=build.id))
    assert len(runs.held()) == 2


def test_of_two_that_go_on_at_once_one_does(runs: Runs) -> None:
    runs.begin(RUN, TAKEN)
    assert runs.save(replace(RUN, version=2, step="members"))
    assert not runs.save(replace(RUN, version=2, step="tell"))
    stored = runs.read("the-shop", Job.MATERIALIZE, RUN.id)
    assert stored is not None
    assert stored.step == "members"


@pytest.mark.parametrize("requested", ["hand", "schedule"])
def test_the_end_of_a_run_gives_its_lock_back(runs: Runs, requested: str) -> None:
    run = replace(RUN, requested=requested)
    runs.begin(run, TAKEN)
    assert runs.save(replace(failed(run, "broken", NOW + 9), version=2))
    lock = runs.lock("the-shop", Job.MATERIALIZE)
    assert (lock.holder, lock.failures, lock.failed, lock.stamp) == (None, 1, NOW + 9, NOW)
    assert lock.pending == (requested == "schedule")
    assert runs.held() == []
    again = replace(RUN, id="20240101t000009z_0002")
    assert runs.begin(again, replace(lock, holder=again.id, version=lock.version + 1, pending=False))
    assert runs.save(replace(ended(again, NOW + 20), version=2))
    lock = runs.lock("the-shop", Job.MATERIALIZE)
    assert (lock.holder, lock.failures, lock.failed, lock.pending) == (None, 0, 0, False)


def test_a_run_that_lost_its_lock_cannot_end(runs: Runs) -> None:
    runs.begin(RUN, TAKEN)
    assert runs.change(replace(TAKEN, version=2, holder="somebody"))
    assert not runs.save(replace(ended(RUN, NOW), version=2))
    stored = runs.read("the-shop", Job.MATERIALIZE, RUN.id)
    assert stored is not None
    assert stored.state is State.RUNNING


def test_a_lock_is_changed_by_whom_saw_it_last(runs: Runs) -> None:
    assert runs.change(replace(TAKEN, holder=None, pending=True))
    assert not runs.change(replace(TAKEN, holder=None, pending=False))
    assert runs.change(replace(TAKEN, holder=None, version=2))
    assert not runs.lock("the-shop", Job.MATERIALIZE).pending


def test_runs_are_listed_latest_first(runs: Runs) -> None:
    ids = [f"20240101t0000{number:02d}z_0000" for number in range(5)]
    for one in ids:
        runs.note(skipped(replace(RUN, id=one), "busy"))
    runs.note(replace(RUN, job=Job.BUILD))
    runs.note(replace(RUN, audience="the"))
    assert [one.id for one in runs.recent("the-shop", Job.MATERIALIZE)] == ids[::-1]
    assert [one.id for one in runs.recent("the-shop", Job.MATERIALIZE, 2)] == ids[:2:-1]
    assert [one.error for one in runs.recent("the-shop", Job.MATERIALIZE, 1)] == ["busy"]
    assert [one.id for one in runs.recent("the-shop", Job.MATERIALIZE, 2, ids[3])] == [ids[2], ids[1]]
    assert runs.recent("the-shop", Job.MATERIALIZE, 2, ids[0]) == []


def test_an_audience_is_forgotten_and_no_other(runs: Runs) -> None:
    other = replace(RUN, audience="the")
    runs.begin(RUN, TAKEN)
    runs.begin(other, replace(TAKEN, audience="the"))
    runs.forget("the-shop")
    assert runs.recent("the-shop", Job.MATERIALIZE) == []
    assert runs.lock("the-shop", Job.MATERIALIZE) == Lock("the-shop", Job.MATERIALIZE)
    assert runs.recent("the", Job.MATERIALIZE) == [other]
    assert [one.audience for one in runs.held()] == ["the"]


def test_what_is_over_is_kept_for_a_year_and_a_month(client: Client) -> None:
    make_runs_table(client("dynamodb"))
    DynamoRuns(client("dynamodb"), "runs").note(skipped(RUN, "busy"))
    (item,) = client("dynamodb").scan(TableName="runs")["Items"]
    assert int(item["expires"]["N"]) == NOW + 400 * 86_400
    assert item["state"]["S"] == "skipped"


@pytest.mark.parametrize("call", ["lock", "held", "save", "begin"])
def test_a_table_out_of_reach_is_unavailable(client: Client, call: str) -> None:
    store = DynamoRuns(client("dynamodb"), "nowhere")
    arguments: dict[str, tuple[Any, ...]] = {
        "lock": ("shop", Job.BUILD),
        "held": (),
        "save": (RUN,),
        "begin": (RUN, TAKEN),
    }
    with pytest.raises(Unavailable, match="ResourceNotFound"):
        getattr(store, call)(*arguments[call])


def test_a_throttled_transaction_is_no_lost_race() -> None:
    class Throttled:
        def transact_write_items(self, **_: Any) -> None:
            answer: Any = {
                "Error": {"Code": "TransactionCanceledException"},
                "CancellationReasons": [{"Code": "None"}, {"Code": "ThrottlingError"}],
            }
            raise ClientError(answer, "TransactWriteItems")

    with pytest.raises(Unavailable):
        DynamoRuns(Throttled(), "runs").begin(RUN, TAKEN)
