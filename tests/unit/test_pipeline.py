"""Every transition of a batch run's state machine."""

from dataclasses import replace

import pytest
from segmentation.domain import pipeline
from segmentation.domain.pipeline import (
    ATTEMPTS,
    BACKOFF,
    LONGEST_BACKOFF,
    MOST_FAILED_GROUPS,
    MOST_SECONDS,
    Act,
    Job,
    Lock,
    Outcome,
    Progress,
    QueryStatus,
    Run,
    State,
    bill,
    committed,
    delayed,
    ended,
    expired,
    observed,
    planned_build,
    planned_materialize,
    refused,
    released,
    retry_at,
    settled,
    skipped,
    started,
    todo,
    token,
)

NOW = 1_704_067_200
OK = QueryStatus(Outcome.SUCCEEDED, 20_000_000, 5)
BROKEN = QueryStatus(Outcome.FAILED, 1, 1, "Bytes scanned limit was exceeded")
PASSING = QueryStatus(Outcome.PASSING, 1, 1, "INTERNAL_ERROR")


def new(job: Job = Job.MATERIALIZE) -> Run:
    return Run("shop", job, "r1", "hand", NOW)


def planned(*groups: int, merge: bool = False, hopeless: tuple[str, ...] = ()) -> Run:
    return planned_materialize(new(), groups, hopeless, now=NOW, logical_now=NOW, kept=merge, backfill=False)


def start_all(run: Run, now: int = NOW) -> Run:
    for one in todo(run, now).start:
        run = started(run, one.name, one.attempt, f"q-{one.table}")
    return run


def end_all(run: Run, status: QueryStatus = OK, now: int = NOW) -> Run:
    run = start_all(run, now)
    return settled(observed(run, dict.fromkeys(run.active_queries, status), now), now)


def walk(run: Run) -> list[str]:
    """The steps of a run in which everything goes well."""
    steps = [run.step]
    while not run.is_over:
        match todo(run, NOW).act:
            case Act.COMMIT:
                run = committed(run, 7)
            case Act.TELL:
                run = ended(run, NOW + 9)
            case _:
                run = end_all(run)
        steps.append(run.step)
    assert (run.state, run.rows, run.ended) == (State.COMMITTED, 7, NOW + 9)
    return steps


def test_a_new_run_is_to_be_planned() -> None:
    assert todo(new(), NOW).act is Act.PLAN
    assert settled(new(), NOW) == new()


def test_a_build_goes_its_way() -> None:
    run = planned_build(new(Job.BUILD), ["profiles", "behavior_purchases"], NOW)
    assert [one.name for one in todo(run, NOW).start] == ["profiles", "behavior_purchases"]
    assert walk(run) == ["tables", "count", "commit", "tell", "end"]


@pytest.mark.parametrize(
    ("run", "steps"),
    [
        (planned(3), ["members", "changes", "sizes", "commit", "tell", "end"]),
        (planned(2, 1), ["members", "merge", "changes", "sizes", "commit", "tell", "end"]),
        (planned(3, merge=True), ["members", "merge", "changes", "sizes", "commit", "tell", "end"]),
        (
            planned(3, hopeless=("too long",)),
            ["members", "merge", "changes", "sizes", "commit", "tell", "end"],
        ),
        (planned(merge=True), ["merge", "changes", "sizes", "commit", "tell", "end"]),
        (planned(), ["merge", "changes", "sizes", "commit", "tell", "end"]),
    ],
    ids=[
        "one query",
        "several queries",
        "some carried over",
        "one is hopeless",
        "all carried over",
        "nothing",
    ],
)
def test_a_materialization_goes_its_way(run: Run, steps: list[str]) -> None:
    assert walk(run) == steps


def test_statements_of_one_step_wait_for_each_other() -> None:
    run = start_all(planned(1, 1))
    run = settled(observed(run, {"q-members": OK, "q-members_part_1": QueryStatus(Outcome.ACTIVE)}, NOW), NOW)
    assert run.step == "members"
    assert run.active_queries == ("q-members_part_1",)
    assert settled(observed(run, {"q-members_part_1": OK}, NOW), NOW).step == "merge"


def test_what_was_started_is_not_started_again() -> None:
    run = planned(1)
    once = start_all(run)
    assert todo(once, NOW).start == ()
    assert started(once, "members", 1, "other") == once
    assert refused(once, "members", "late") == once
    assert delayed(once, "members", "late", NOW) == once


def test_an_attempt_has_a_token_a_table_and_no_other() -> None:
    run = planned(1, 1)
    first, second = run.statements
    tokens = {token(run, first), token(run, second), token(run, replace(first, attempt=2))}
    assert len(tokens) == 3
    assert token(replace(run, version=9), first) == token(run, first)
    assert token(replace(run, id="r2"), first) not in tokens
    assert 32 <= len(token(run, first)) <= 128
    assert (first.table, replace(first, attempt=2).table) == ("members", "members_2")


def test_a_passing_failure_is_tried_again_later_each_time_and_then_given_up() -> None:
    run, now, waits = planned(1), NOW, []
    for attempt in range(1, ATTEMPTS):
        run = end_all(run, PASSING, now)
        (one,) = run.statements
        assert (one.progress, one.attempt, one.query) == (Progress.WAITING, attempt + 1, None)
        waits.append(one.due - now)
        assert todo(run, one.due - 1).start == ()
        now = one.due
        assert todo(run, now).start == (one,)
    assert waits == [BACKOFF, 2 * BACKOFF, 4 * BACKOFF]
    run = end_all(run, PASSING, now)
    assert run.state is State.FAILED
    assert "INTERNAL_ERROR" in (run.error or "")
    assert run.statements[0].bytes_scanned == ATTEMPTS


def test_a_throttled_start_waits_and_keeps_its_token() -> None:
    run = planned(1)
    before = token(run, run.statements[0])
    for delay in (1, 2, 4, 8, 16, 30, 30):
        run = delayed(run, "members", "TooManyRequestsException", NOW)
        assert run.statements[0].due == NOW + min(BACKOFF * delay, LONGEST_BACKOFF)
    assert token(run, run.statements[0]) == before
    assert todo(run, NOW + LONGEST_BACKOFF).start


def test_a_clock_that_was_set_back_does_not_hold_a_statement_up() -> None:
    run = delayed(planned(1), "members", "throttled", NOW)
    assert todo(run, NOW - 86_400).start


def test_a_query_that_the_warehouse_forgot_is_made_again() -> None:
    run = start_all(planned(1))
    run = settled(observed(run, {}, NOW), NOW)
    assert (run.statements[0].attempt, run.statements[0].progress) == (2, Progress.WAITING)


@pytest.mark.parametrize("step", ["tables", "count"])
def test_a_build_fails_with_any_of_its_queries(step: str) -> None:
    run = planned_build(new(Job.BUILD), ["profiles"], NOW)
    while run.step != step:
        run = end_all(run)
    run = end_all(run, BROKEN)
    assert (run.state, run.ended) == (State.FAILED, NOW)
    assert "Bytes scanned" in (run.error or "")
    assert run.is_over
    assert not run.is_committed
    assert todo(run, NOW) == pipeline.Todo()
    assert settled(run, NOW) == run


@pytest.mark.parametrize("step", ["merge", "changes", "sizes"])
def test_after_the_members_a_materialization_fails_with_any_query(step: str) -> None:
    run = planned(1, 1)
    while run.step != step:
        run = end_all(run)
    assert end_all(run, BROKEN).state is State.FAILED


def test_a_query_that_somebody_stopped_ends_the_run() -> None:
    run = start_all(planned(2))
    run = settled(observed(run, {"q-members": QueryStatus(Outcome.STOPPED, reason="by user")}, NOW), NOW)
    assert run.state is State.FAILED
    assert "was stopped: by user" in (run.error or "")


def bad(run: Run, broken: set[int]) -> Run:
    """Run the members queries until they are settled; those with one of these segments fail."""
    for _ in range(100):
        if run.is_over or run.step != "members":
            return run
        run = start_all(run)
        statuses = {
            one.query: BROKEN if broken & set(range(one.first, one.last)) else OK
            for one in run.statements
            if one.progress is Progress.STARTED and one.query is not None
        }
        run = settled(observed(run, statuses, NOW), NOW)
    raise AssertionError("it does not end")


@pytest.mark.parametrize("broken", [{0}, {6}, {3, 4}, {0, 1, 2, 3, 5, 6}])
def test_segments_that_fail_are_isolated(broken: set[int]) -> None:
    run = bad(planned(7), broken)
    assert run.step == "merge"
    assert {index for one in run.failed for index in range(one.first, one.last)} == broken
    assert all(one.last - one.first == 1 and "Bytes scanned" in one.reason for one in run.failed)
    good = [one for one in run.of_step("members") if one.progress is Progress.SUCCEEDED]
    covered = [index for one in good for index in range(one.first, one.last)]
    assert sorted(covered) == sorted(set(range(7)) - broken)  # each once
    names = [one.name for one in run.statements]
    assert len(names) == len(set(names))


def test_isolating_one_of_many_takes_few_queries() -> None:
    run = bad(planned(1_000), {617})
    assert len(run.of_step("members")) <= 1 + 2 * 10
    assert [(one.first, one.last) for one in run.failed] == [(617, 618)]


def test_a_run_of_which_everything_fails_fails() -> None:
    run = bad(planned(4), {0, 1, 2, 3})
    assert run.state is State.FAILED
    assert "every segment failed: Bytes scanned limit" in (run.error or "")


def test_isolation_gives_up_when_too_much_fails() -> None:
    run = bad(planned(2_000), set(range(0, 2_000, 2)))
    assert not run.is_over or "every segment" in (run.error or "")
    broken = [one for one in run.of_step("members") if one.progress is Progress.FAILED]
    assert len(broken) <= 2 * MOST_FAILED_GROUPS + 2
    lost = {index for one in run.failed for index in range(one.first, one.last)}
    assert lost >= set(range(0, 2_000, 2))


def test_a_members_query_that_is_refused_is_isolated_too() -> None:
    run = settled(refused(planned(2), "members", "InvalidRequestException: too complex"), NOW)
    assert [(one.first, one.last) for one in todo(run, NOW).start] == [(0, 1), (1, 2)]


def test_a_run_that_takes_too_long_is_given_up_until_it_commits() -> None:
    run = planned(1)
    assert expired(run, NOW + MOST_SECONDS) == run
    assert expired(run, NOW + MOST_SECONDS + 1).state is State.FAILED
    assert expired(run, NOW - 10 * MOST_SECONDS) == run
    for step in ("commit", "tell"):
        committing = replace(run, step=step)
        assert expired(committing, NOW + 10 * MOST_SECONDS) == committing


def test_a_skipped_run_is_over_and_says_why() -> None:
    run = skipped(new(), "run r0 is under way")
    assert (run.state, run.is_over, run.error) == (State.SKIPPED, True, "run r0 is under way")


def test_a_lock_is_given_back_with_what_became_of_its_holder() -> None:
    lock = Lock("shop", Job.MATERIALIZE, "r1", 4, NOW, 2, NOW - 99, pending=True)
    good = released(lock, ended(new(), NOW))
    assert (good.holder, good.version, good.failures, good.failed, good.pending) == (None, 5, 0, 0, True)
    broken = released(replace(lock, pending=False), pipeline.failed(new(), "why", NOW + 1))
    assert (broken.failures, broken.failed, broken.pending) == (3, NOW + 1, False)
    scheduled = replace(new(), requested="schedule")
    assert released(replace(lock, pending=False), pipeline.failed(scheduled, "why", NOW)).pending


def test_failures_are_tried_again_later_each_time() -> None:
    assert [retry_at(failures, 0) for failures in (1, 2, 3, 6, 60)] == [3_600, 7_200, 14_400, 86_400, 86_400]


def test_a_query_costs_ten_megabytes_at_least() -> None:
    run = end_all(planned(1))
    assert bill(run).bytes_scanned == 20_000_000
    assert bill(run).dollars == pytest.approx(20e6 * 5 / 1e12)
    small = end_all(planned(1), QueryStatus(Outcome.SUCCEEDED, 5, 1))
    assert bill(small).dollars == pytest.approx(10e6 * 5 / 1e12)
    assert bill(planned(1)).dollars == 0
