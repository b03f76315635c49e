"""The batch path from raw Parquet to published memberships, on the embedded Athena."""

import datetime as dt
from collections.abc import Iterator
from itertools import count

import pyarrow as pa
import pytest

from tests.contract.batch import NOW, Batch, fill
from tests.contract.conftest import Cloud
from tests.fakes.batch import RunFailed
from tests.fakes.documents import documents, published

NUMBERS = count(1)


@pytest.fixture
def batch(cloud: Cloud) -> Iterator[Batch]:
    made = Batch(cloud, f"path{next(NUMBERS)}", published())
    fill(made)
    yield made
    made.remove()


def test_an_audience_is_built_typed_and_deduplicated(batch: Batch) -> None:
    pointer = batch.build()
    assert pointer["rows"] == {"profiles": 3, "behavior_purchases": 3, "behavior_mailings": 2}
    tables = pointer["tables"]
    assert "iban" not in (batch.warehouse.columns(tables["profiles"]) or {})
    profiles = {row[0]: row[1:] for row in batch.rows(tables["profiles"])}
    assert profiles["1"] == ("DE", "30.0", "high", "1994-01-02", "[a, null]")
    assert profiles["2"] == ("US", None, "low", None, None)
    assert profiles["3"] == (None, None, None, None, None)
    noon = str(int(dt.datetime(2023, 12, 31, 12, tzinfo=dt.UTC).timestamp()))
    one = str(int(dt.datetime(2023, 12, 31, 13, tzinfo=dt.UTC).timestamp()))
    assert batch.rows(tables["behaviors"]["purchases"]) == sorted(
        [
            ("1", "10-7", noon, "1.5", "7", "FOOD", "2023-12-01"),
            ("1", None, one, None, "8", "TOYS", "2023-12-01"),
            ("2", "12-404", one, "3.0", "404", None, "2023-12-01"),
        ],
        key=str,
    )
    july = str(int(dt.datetime(2023, 7, 4, 4, tzinfo=dt.UTC).timestamp()))
    xmas = str(int(dt.datetime(2023, 12, 25, 5, tzinfo=dt.UTC).timestamp()))
    mailings = [(row[0], row[2], row[3]) for row in batch.rows(tables["behaviors"]["mailings"])]
    assert mailings == [("1", july, "july"), ("2", xmas, "xmas")]
    types = batch.warehouse.columns(tables["behaviors"]["purchases"]) or {}
    assert types["time"] == "bigint"


def test_text_sources_are_parsed_strictly(batch: Batch) -> None:
    document = documents()
    document["audience"]["attributes"][0]["columns"] = {
        "n": {"type": "number"},
        "b": {"type": "boolean"},
        "d": {"type": "date"},
        "t": {"type": "timestamp"},
    }
    document["segments"] = []
    document["access"]["tokens"] = document["access"]["partners"] = []
    document["destinations"] = []
    batch.follow(published(**document))
    cases = {
        "1": ("1.5", "true", "2024-02-29", "2024-01-01T00:00:00Z"),
        "2": (" 1", "TRUE", "2023-02-29", "2024-01-01 00:00:00.5"),
        "3": ("NaN", "yes", "2024-1-1", "2024-07-01T00:00:00+02:00"),
        "4": ("-1e3", "false", "2024-01-01x", "2024-07-01"),
        "5": ("1e999", "", "", "2024-07-01T00:00:00-0530"),
        "6": ("0x10", "1", "x", "1704067200"),
        "7": ("", "False", "2024-01-01", "2024-01-01T25:00:00Z"),
        "8": ("1d", "t", "9999-12-31", "2024-11-03T01:30:00"),
        "9": (".5", "f", "0001-01-01", "2024-03-10 02:30"),
    }
    batch.put("people", {"person_id": (pa.string(), list(cases))})
    batch.put(
        "facts",
        {
            "person_id": (pa.string(), list(cases)),
            **{
                name: (pa.string(), [row[position] for row in cases.values()])
                for position, name in enumerate("nbdt")
            },
        },
    )
    rows = {row[0]: row[1:] for row in batch.rows(batch.build()["tables"]["profiles"])}
    assert [rows[key][0] for key in cases] == ["1.5", None, None, "-1000.0", None, None, None, None, "0.5"]
    assert [rows[key][1] for key in cases] == ["true", "true", None, "false", None, None, "false", None, None]
    days = ["2024-02-29", None, None, None, None, None, "2024-01-01", "9999-12-31", "0001-01-01"]
    assert [rows[key][2] for key in cases] == days

    def second(text: str) -> str:
        return str(int(dt.datetime.fromisoformat(text).timestamp()))

    assert [rows[key][3] for key in cases] == [
        second("2024-01-01T00:00:00+00:00"),
        second("2024-01-01T00:00:00-05:00"),
        second("2024-07-01T00:00:00+02:00"),
        second("2024-07-01T00:00:00-04:00"),
        second("2024-07-01T00:00:00-05:30"),
        "1704067200",
        None,
        second("2024-11-03T01:30:00-04:00"),  # occurs twice: the first
        second("2024-03-10T02:30:00-05:00"),  # is skipped: read with the offset before
    ]


def test_raw_tables_that_do_not_fit_are_all_named_and_the_old_version_stays(batch: Batch) -> None:
    first = batch.build()
    batch.put("people", {"person": (pa.int64(), [1])})
    batch.put(
        "mail", {"person_id": (pa.int64(), [1]), "sent_on": (pa.bool_(), [True]), "name": (pa.string(), [""])}
    )
    with pytest.raises(RunFailed) as caught:
        batch.build()
    assert "/master/key: table 'people' has no column 'person_id'" in str(caught.value)
    assert "/behaviors/mailings/time: column mail.sent_on is boolean" in str(caught.value)
    assert batch.json("audiences/shop/current.json") == first


def test_runs_are_committed_compared_and_published(batch: Batch) -> None:
    batch.build()
    first = batch.materialize()
    assert {one.id: (one.size, one.joined, one.left) for one in first.segments} == {
        "adults": (1, 1, 0),
        "buyers": (2, 2, 0),
    }
    assert (first.profiles, first.now, first.previous) == (3, NOW, None)
    assert all(query.id for query in first.queries)
    batch.publish()
    assert batch.segments("1") == ["adults", "buyers"]
    assert dict(batch.profiles.batch["shop#person_id:1"].attributes) == {"age": 30.0, "country": "DE"}
    assert batch.segments("3") == []
    assert [(one["segment"], one["joined"], one["left"]) for one in batch.activations.messages] == [
        ("adults", ["person_id:1"], [])
    ]

    batch.put(
        "facts",
        {
            "person_id": (pa.int64(), [1, 2]),
            "country": (pa.string(), ["DE", "US"]),
            "age": (pa.float64(), [3.0, 18.0]),
            "income": (pa.string(), ["high", "low"]),
            "born": (pa.date32(), [None, None]),
            "tags": (pa.list_(pa.string()), [None, None]),
            "iban": (pa.string(), ["secret"] * 2),
        },
    )
    batch.clock.time += 60
    batch.activations.messages.clear()
    batch.build()
    second = batch.materialize()
    assert second.previous == first.run
    assert {one.id: (one.size, one.joined, one.left) for one in second.segments} == {
        "adults": (1, 1, 1),
        "buyers": (2, 0, 0),
    }
    batch.publish()
    assert batch.segments("1") == ["buyers"]
    assert batch.segments("2") == ["adults", "buyers"]
    assert batch.profiles.batch["shop#person_id:3"].run == first.run  # unchanged, so not written
    (told,) = batch.activations.messages
    assert (told["joined"], told["left"]) == (["person_id:2"], ["person_id:1"])
    assert batch.json("syndication/shop/index.json") == {"runs": [first.run, second.run]}


def test_a_profile_that_vanishes_leaves_its_segments(batch: Batch) -> None:
    batch.build()
    batch.materialize()
    batch.publish()
    batch.put("people", {"person_id": (pa.int64(), [2, 3])})
    batch.clock.time += 60
    batch.build()
    record = batch.materialize()
    assert {one.id: one.left for one in record.segments} == {"adults": 1, "buyers": 1}
    batch.publish()
    assert batch.segments("1") == []
    assert batch.profiles.batch["shop#person_id:1"].attributes == {}


def test_a_newly_exposed_attribute_is_published_for_all_who_have_it(batch: Batch) -> None:
    batch.build()
    batch.materialize()
    batch.publish()
    document = documents()
    document["access"]["tokens"][0]["attributes"] = ["country", "born"]
    batch.follow(published(**document))
    batch.clock.time += 60
    batch.materialize()
    batch.publish()
    assert batch.profiles.batch["shop#person_id:1"].attributes["born"] == "1994-01-02"


@pytest.mark.parametrize("how", ["no longer exposed", "pii"])
def test_an_attribute_that_is_exposed_no_more_leaves_the_profiles(batch: Batch, how: str) -> None:
    """Nobody's segments changed; what was published of the attribute goes all the same."""
    batch.build()
    batch.materialize()
    batch.publish()
    assert batch.profiles.batch["shop#person_id:1"].attributes == {"age": 30.0, "country": "DE"}
    document = documents()
    document["access"]["tokens"][1]["attributes"] = []
    if how == "pii":
        document["audience"]["attributes"][0]["columns"]["age"]["visibility"] = "pii"
    batch.follow(published(**document))
    batch.clock.time += 60
    record = batch.materialize()
    assert [(one.joined, one.left) for one in record.segments] == [(0, 0), (0, 0)]
    batch.publish()
    assert batch.profiles.batch["shop#person_id:1"].attributes == {"country": "DE"}
    assert batch.profiles.batch["shop#person_id:3"].run != record.run  # has none, and is not written
    batch.clock.time += 60
    again = batch.materialize()
    assert batch.rows(f"shop_{again.run}_{again.changes}") == []


def test_keys_of_several_profiles_are_counted_with_the_build(batch: Batch) -> None:
    batch.put("people", {"person_id": (pa.int64(), [1, 2, 3])})
    batch.put("mails", {"person_id": (pa.int64(), [1, 2, 3]), "mail": (pa.string(), ["a@x", "A@x ", "b@x"])})
    email = {"name": "email", "table": "mails", "key": "person_id", "column": "mail", "normalize": "email"}
    document = documents()
    document["audience"]["identities"] = ["person_id", email]
    batch.follow(published(**document))
    pointer = batch.build()
    assert pointer["identities"] == {"email": {"keys": 2, "contested": 1}}
    assert set(pointer["rows"]) == {"profiles", "behavior_purchases", "behavior_mailings"}
    contested = batch.shop.rows(
        f"SELECT profile_key, contested FROM {pointer['tables']['profiles']} WHERE cardinality(contested) > 0"
    )
    assert contested == [("2", "[email:a@x]")]
    batch.materialize()
    batch.publish()
    # Whoever asks by the other key finds the profile.
    assert batch.profiles.batch["shop#email:a@x"].owner == "person_id:1"
    assert batch.profiles.batch["shop#email:b@x"].owner == "person_id:3"
    # The mail table says another thing now.
    batch.put("mails", {"person_id": (pa.int64(), [2, 3]), "mail": (pa.string(), ["a@x", "c@x"])})
    batch.clock.time += 60
    batch.build()
    batch.materialize()
    batch.publish()
    owners = {key: batch.profiles.batch[f"shop#email:{key}@x"].owner for key in "abc"}
    assert owners == {"a": "person_id:2", "b": "", "c": "person_id:3"}
    assert batch.profiles.batch["shop#person_id:1"].identities == ()


def test_a_backfill_is_of_its_own_moment_and_changes_nobody(batch: Batch) -> None:
    """Purchases were at noon and at one; a backfill of before them finds nobody, one of between finds some."""
    batch.build()
    batch.materialize(NOW)
    batch.publish()
    before = dict(batch.profiles.batch)
    noon = int(dt.datetime(2023, 12, 31, 12, 30, tzinfo=dt.UTC).timestamp())
    for moment, buyers in ((noon - 3_600, 0), (noon, 1)):
        batch.clock.time += 60
        record = batch.materialize(moment)
        assert (record.backfill, record.now) == (True, moment)
        assert record.segment("buyers").size == buyers  # type: ignore[union-attr]
    batch.publish()
    assert batch.profiles.batch == before
    assert batch.json("memberships/shop/current.json")["now"] == NOW


def test_a_run_that_is_done_again_has_the_same_rows(batch: Batch) -> None:
    batch.build()
    first = batch.materialize(NOW)
    batch.clock.time += 60
    second = batch.materialize(NOW)
    assert batch.rows(first.members_table()) == batch.rows(second.members_table())
    assert [(one.joined, one.left) for one in second.segments] == [(0, 0), (0, 0)]
    bodies = [
        [batch.lake.get(path).data for path in batch.lake.list(f"memberships/shop/{one.run}/{one.members}/")]  # type: ignore[union-attr]
        for one in (first, second)
    ]
    assert bodies[0] == bodies[1]
