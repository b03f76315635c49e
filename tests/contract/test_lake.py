"""Lake: the fake and S3. Rule sets stand in the lake."""

import json
from typing import Any

import pytest
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.domain.errors import Unavailable
from segmentation.domain.event import Event
from segmentation.domain.profile import Profile
from segmentation.domain.programs import Programs
from segmentation.domain.published import program_path
from segmentation.ports import Lake

from tests.contract.conftest import REGION, Client
from tests.fakes import FixedClock, MemoryLake
from tests.fakes.documents import documents
from tests.publishing import PublishRules


def make_lake(client: Client) -> S3Lake:
    client("s3").create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": REGION})
    return S3Lake(client("s3"), "lake")


@pytest.fixture(params=["fake", "s3"])
def lake(request: pytest.FixtureRequest) -> Lake:
    return MemoryLake() if request.param == "fake" else make_lake(request.getfixturevalue("client"))


def test_what_was_put_comes_back(lake: Lake) -> None:
    assert lake.get("a/b.json") is None
    assert lake.put("a/b.json", b"one")
    assert lake.put("a/b.json", b"two")
    stored = lake.get("a/b.json")
    assert stored is not None
    assert stored.data == b"two"


def test_a_put_can_demand_what_it_replaces(lake: Lake) -> None:
    assert lake.put("x", b"1", expected="")
    assert not lake.put("x", b"2", expected="")
    stored = lake.get("x")
    assert stored is not None
    assert lake.put("x", b"3", expected=stored.tag)
    assert not lake.put("x", b"4", expected=stored.tag)
    after = lake.get("x")
    assert after is not None
    assert after.data == b"3"
    assert not lake.put("nothing-there", b"5", expected=stored.tag)


def test_paths_are_listed_sorted_and_removed_by_prefix(lake: Lake) -> None:
    for path in ("p/2", "p/10", "p/q/1", "pp/1"):
        lake.put(path, b"")
    assert list(lake.list("p/")) == ["p/10", "p/2", "p/q/1"]
    lake.delete_prefix("p/")
    assert list(lake.list("")) == ["pp/1"]
    lake.delete_prefix("p/")
    with pytest.raises(ValueError, match="must end in"):
        lake.delete_prefix("p")


def test_entries_say_how_large_and_since_when(lake: Lake) -> None:
    lake.put("p/b", b"12345")
    lake.put("p/a", b"")
    entries = list(lake.entries("p/"))
    assert [(one.path, one.size) for one in entries] == [("p/a", 0), ("p/b", 5)]
    assert all(one.put > 1_600_000_000 for one in entries)


def test_objects_are_removed_whether_they_exist_or_not(lake: Lake) -> None:
    for number in range(1_002):
        lake.put(f"p/{number}", b"")
    lake.delete([])
    lake.delete([*(f"p/{number}" for number in range(1_001)), "p/none"])
    assert list(lake.list("p/")) == ["p/1001"]


def test_the_warehouse_can_name_a_path(lake: Lake) -> None:
    assert lake.uri("a/b/") == "s3://lake/a/b/"


class TestRuleSets:
    """What the functions read, and how a new one takes over."""

    path = "rules/shop/ruleset.json"

    @pytest.fixture
    def lake(self, client: Client) -> S3Lake:
        return make_lake(client)

    def put(self, lake: Lake, **changes: Any) -> None:
        lake.put(self.path, json.dumps({**documents(), **changes}).encode())

    def test_none_published_is_none(self, lake: S3Lake) -> None:
        assert dict(S3RuleSets(lake).all()) == {}

    def test_a_new_one_takes_over_after_a_few_seconds(self, lake: S3Lake) -> None:
        time = [0.0]
        sets = S3RuleSets(lake, fresh=3, clock=lambda: time[0])
        self.put(lake)
        first = sets.all()["shop"]
        self.put(lake, version="next")
        assert sets.all()["shop"] is first
        time[0] = 3.0
        assert sets.all()["shop"].version == "next"
        unchanged = sets.all()["shop"]
        time[0] = 6.0
        assert sets.all()["shop"] is unchanged

    @pytest.mark.parametrize("broken", [b"{", b'{"audience": {}}', b"[]"])
    def test_a_broken_one_leaves_the_last_good_one(self, lake: S3Lake, broken: bytes) -> None:
        sets = S3RuleSets(lake, fresh=0)
        self.put(lake)
        good = sets.all()["shop"]
        lake.put(self.path, broken)
        assert sets.all()["shop"] is good
        self.put(lake, version="mended")
        assert sets.all()["shop"].version == "mended"

    def test_a_broken_one_is_told_of_every_minute_until_it_is_mended(
        self, lake: S3Lake, caplog: pytest.LogCaptureFixture
    ) -> None:
        time = [0.0]
        sets = S3RuleSets(lake, fresh=3, clock=lambda: time[0])
        self.put(lake)
        sets.all()

        def told(at: float) -> list[object]:
            caplog.clear()
            time[0] = at
            sets.all()
            return [getattr(record, "metric", None) for record in caplog.records]

        lake.put(self.path, b"{")
        assert [told(at) for at in (10, 20, 60, 70)] == [["RuleSetsRefused"], [], [], ["RuleSetsRefused"]]
        self.put(lake, version="mended")
        assert [told(at) for at in (80, 140, 200)] == [[], [], []]

    def test_segments_are_taken_as_they_were_compiled_where_somebody_waits(self, lake: S3Lake) -> None:
        parts = (documents()[name] for name in ("audience", "segments", "access", "destinations"))
        made = PublishRules(lake, FixedClock())(*parts)
        hot = S3RuleSets(lake, compiled=True).all()["shop"]
        assert hot == made
        assert hot.kinds["buying-now"] == "realtime"
        event = Event("e", "shop", "purchases", "person_id:1", 100, 100, {})
        for published in (hot, made):
            found = Programs().visitor_at(published, "person_id:1", Profile(), 200, [event])
            assert found.members == {"buying-now"}
        assert "rules" not in vars(hot), "no segment was read"
        assert hot.rules == made.rules

    def test_a_program_that_is_missing_or_of_another_release_is_made_anew(self, lake: S3Lake) -> None:
        parts = (documents()[name] for name in ("audience", "segments", "access", "destinations"))
        version = PublishRules(lake, FixedClock())(*parts).version
        event = Event("e", "shop", "purchases", "person_id:1", 100, 100, {})
        path = program_path("shop", version)

        def members() -> frozenset[str]:
            published = S3RuleSets(lake, compiled=True).all()["shop"]
            return Programs().visitor_at(published, "person_id:1", Profile(), 200, [event]).members

        lake.put(path, b"of another release")
        assert members() == {"buying-now"}
        lake.delete([path])
        assert members() == {"buying-now"}

    @pytest.mark.parametrize("broken", [b"{", b'{"audience": {}}', b"[]", b'{"version": 1}'])
    def test_a_broken_one_leaves_the_last_good_one_there_too(self, lake: S3Lake, broken: bytes) -> None:
        parts = (documents()[name] for name in ("audience", "segments", "access", "destinations"))
        version = PublishRules(lake, FixedClock())(*parts).version
        sets = S3RuleSets(lake, fresh=0, compiled=True)
        good = sets.all()["shop"]
        named = broken.replace(b'{"audience": {}}', b'{"audience": {}, "version": "%s"}' % version.encode())
        lake.put(self.path, named)
        assert sets.all()["shop"] is good

    @pytest.mark.parametrize("compiled", [False, True])
    def test_who_starts_while_the_newest_is_broken_finds_the_last_good_one(
        self, lake: S3Lake, client: Client, compiled: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        client("s3").put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
        parts = (documents()[name] for name in ("audience", "segments", "access", "destinations"))
        good = PublishRules(lake, FixedClock())(*parts)
        lake.put(f"{self.path}.other", b"{}")
        for broken in (b"{", b'{"audience": 7}', b'{"version": "1"}'):
            lake.put(self.path, broken)
        sets = S3RuleSets(lake, fresh=0, compiled=compiled)
        assert sets.all()["shop"] == good
        assert [getattr(record, "metric", None) for record in caplog.records] == ["RuleSetsRefused"]
        assert sets.all()["shop"] == good
        self.put(lake, version="mended")
        assert sets.all()["shop"].version == "mended"

    def test_where_none_was_ever_good_there_is_none(self, lake: S3Lake, client: Client) -> None:
        client("s3").put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
        for broken in (b"{", json.dumps({**documents(), "audience": {"id": "other"}}).encode()):
            lake.put(self.path, broken)
        assert dict(S3RuleSets(lake).all()) == {}

    def test_one_under_anothers_name_is_refused(self, lake: S3Lake) -> None:
        lake.put("rules/other/ruleset.json", json.dumps(documents()).encode())
        assert dict(S3RuleSets(lake).all()) == {}

    def test_a_lake_out_of_reach_leaves_the_last_ones(self, lake: S3Lake, client: Client) -> None:
        sets = S3RuleSets(lake, fresh=0)
        self.put(lake)
        good = sets.all()["shop"]
        client("s3").delete_object(Bucket="lake", Key=self.path)
        client("s3").delete_bucket(Bucket="lake")
        assert sets.all()["shop"] is good
        with pytest.raises(Unavailable):
            S3RuleSets(lake).all()


def test_some_of_an_object_can_be_read(lake: Lake) -> None:
    lake.put("a/b", b"0123456789")
    assert lake.range("a/b", 0, 4) == b"0123"
    assert lake.range("a/b", 7, 3) == b"789"
    assert lake.range("a/b", 8, 100) == b"89"
    assert lake.range("a/b", 10, 5) == b""
    with pytest.raises(Unavailable):
        lake.range("a/nothing", 0, 4)
