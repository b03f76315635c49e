"""Archived events of keys that were joined: batch counts them for the profile that the key leads to, each once.

The stream itself is at work here, and says by what it writes which keys are whose; the batch path must come to the same.
"""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from segmentation.adapters.parquet import ParquetTables
from segmentation.domain.event import Event
from segmentation.domain.event_lake import links_folder
from segmentation.domain.history import Standing, Written
from segmentation.domain.profile import RealtimePart
from segmentation.domain.programs import Programs
from segmentation.domain.stream import StreamRecord
from segmentation.ports import SaveResult
from segmentation.usecases.archive_changes import ArchiveChanges
from segmentation.usecases.compact_events import CompactEvents
from segmentation.usecases.evaluate_events import EvaluateEvents
from segmentation.usecases.update_visitors import UpdateVisitors

from tests.contract.archived import archive, built, rules
from tests.contract.batch import NOW, Batch, fill
from tests.contract.conftest import Cloud
from tests.fakes import MemoryFailures, MemoryLakeCatalog, MemoryProfiles, MemoryQueue, StaticRuleSets
from tests.fakes.documents import published

NUMBERS = count(1)


def streamed() -> dict[str, Any]:
    document = rules()
    columns = {"amount": {"type": "number"}, "item": {"type": "string"}}
    document["audience"]["behaviors"]["purchases"] = {
        "source": "events",
        "id": ["basket"],
        "columns": columns,
    }
    return document


def joined_rules() -> dict[str, Any]:
    document = streamed()
    document["audience"]["identities"] = [
        "person_id",
        {"name": "email", "table": "mails", "key": "person_id", "column": "address"},
        "td_client_id",
    ]
    return document


@dataclass
class WatchedProfiles(MemoryProfiles):
    """Says what was written, as the table's stream does."""

    written: list[Written] = field(default_factory=list)

    def save(self, writes: Mapping[str, RealtimePart]) -> SaveResult:
        before = dict(self.realtime)
        saved = super().save(writes)
        for key in writes.keys() - saved.lost - saved.failed.keys():
            self._note(key, before.get(key))
        return saved

    def join(self, key: str, part: RealtimePart, others: Mapping[str, RealtimePart]) -> bool:
        before = dict(self.realtime)
        done = super().join(key, part, others)
        for one in (key, *others) if done else ():
            self._note(one, before.get(one))
        return done

    def _note(self, key: str, before: RealtimePart | None) -> None:
        images = (_standing(before), _standing(self.realtime[key]))
        self.written.append(Written(str(len(self.written) + 1), key, *images, NOW))


def _standing(part: RealtimePart | None) -> Standing | None:
    if part is None:
        return None
    return Standing(part.members, part.changes, part.computed, part.rules, part.revision, part.alias)


@dataclass
class Site(Batch):
    """The batch path, and the stream that the same events go through."""

    profiles: WatchedProfiles = field(default_factory=WatchedProfiles)
    sent: int = 0

    def send(self, *events: Event) -> None:
        sets = StaticRuleSets({"shop": self.rules})
        update = UpdateVisitors(self.profiles, MemoryQueue(), Programs(), self.clock)
        evaluate = EvaluateEvents(update, sets, MemoryFailures(), self.clock)
        assert not evaluate(StreamRecord(str(n), one.to_json()) for n, one in enumerate(events)).failed
        archive(self, list(events), first=self.sent + 1)
        self.sent += len(events)
        ArchiveChanges(ParquetTables(self.lake))(self.profiles.written)
        self.profiles.written.clear()

    def counted(self) -> dict[str, list[str]]:
        """Event ids of the built table by person."""
        found: dict[str, list[str]] = {}
        for row in built(self, "purchases"):
            found.setdefault(str(row["profile_key"]), []).append(str(row["event_id"]))
        return found


@pytest.fixture
def site(cloud: Cloud) -> Iterator[Site]:
    made = Site(cloud, f"links{next(NUMBERS)}", published(**joined_rules()))
    fill(made)
    made.put(
        "mails",
        {"person_id": (pa.int64(), [1, 2, 3]), "address": (pa.string(), ["ann@x", "ben@x", "ann@x"])},
    )
    yield made
    made.remove()
    made.lake.delete_prefix("links/")


def buy(identifier: str, profile: str, *also: str, time: int = NOW - 60, **columns: Any) -> Event:
    return Event(identifier, "shop", "purchases", profile, time, NOW, columns, also)


def test_what_was_done_under_a_cookie_counts_for_who_signs_in(site: Site) -> None:
    site.send(buy("e1", "td_client_id:c"), buy("e2", "td_client_id:d"))
    assert site.counted() == {}
    site.send(buy("e3", "person_id:2", "td_client_id:c"))
    assert site.counted() == {"2": ["e1", "e3"]}
    site.send(buy("e4", "td_client_id:c"))  # a straggler of the cookie
    assert site.counted() == {"2": ["e1", "e3", "e4"]}


def test_an_event_that_came_under_two_keys_counts_once(site: Site) -> None:
    first = buy("e1", "td_client_id:c", amount=1)
    site.send(first, buy("e2", "person_id:2", "td_client_id:c"), buy("e1", "person_id:2", amount=9))
    rows = [(row["event_id"], row["amount"]) for row in built(site, "purchases")]
    assert rows == [("e1", "1.0"), ("e2", None)]  # the first accepted stands


def test_a_key_that_raw_tables_know_leads_to_its_owner(site: Site) -> None:
    """Two people claim ann@x; the smaller key has it, as in the profiles."""
    site.send(buy("e1", "email:ann@x"), buy("e2", "email:ben@x"), buy("e3", "email:nobody@x"))
    assert site.counted() == {"1": ["e1"], "2": ["e2"]}


def test_a_cookie_leads_over_an_address_to_the_customer(site: Site) -> None:
    site.send(buy("e1", "td_client_id:c"), buy("e2", "email:ben@x", "td_client_id:c"))
    assert site.counted() == {"2": ["e1", "e2"]}
    site.send(buy("e3", "td_client_id:f"), buy("e4", "email:new@x", "td_client_id:f"))
    site.send(buy("e5", "person_id:3", "email:new@x"))
    assert site.counted() == {"2": ["e1", "e2"], "3": ["e3", "e4", "e5"]}


def test_who_had_a_key_first_on_the_stream_keeps_it_whatever_tables_say(site: Site) -> None:
    site.send(buy("e1", "person_id:3", "email:ben@x"), buy("e2", "email:ben@x"))
    assert site.counted() == {"3": ["e1", "e2"]}


def test_a_key_that_was_joined_anew_leads_to_the_latest(site: Site) -> None:
    """After an erasure, say: the alias of before is gone from the store, its row may still stand for a night."""
    site.send(buy("e1", "person_id:1", "td_client_id:c"))
    del site.profiles.realtime["shop#td_client_id:c"]
    site.clock.time += 60
    site.send(buy("e2", "person_id:2", "td_client_id:c"), buy("e3", "td_client_id:c"))
    assert site.counted() == {"1": ["e1"], "2": ["e2", "e3"]}


def test_links_that_are_delivered_again_or_merged_say_the_same(site: Site) -> None:
    site.send(buy("e1", "td_client_id:c"), buy("e2", "person_id:2", "td_client_id:c"))
    site.send(buy("e3", "td_client_id:d"), buy("e4", "person_id:1", "td_client_id:d"))
    before = site.counted()
    paths = [*site.lake.list(links_folder("shop"))]
    assert len(paths) == 2
    tables, sets = ParquetTables(site.lake), StaticRuleSets({"shop": site.rules})
    site.clock.time += 3 * 86_400
    assert CompactEvents(site.lake, tables, MemoryLakeCatalog(), sets, site.clock)(lambda: 900).merged >= 2
    assert site.counted() == before == {"2": ["e1", "e2"], "1": ["e3", "e4"]}
    site.lake.delete(paths)  # as the next pass does
    assert site.counted() == before


def test_an_audience_with_one_key_asks_nobody(cloud: Cloud) -> None:
    document = streamed()
    document["audience"]["identities"] = ["person_id"]
    made = Batch(cloud, f"links{next(NUMBERS)}", published(**document))
    fill(made)
    archive(made, [buy("e1", "person_id:1")])
    assert [row["event_id"] for row in built(made, "purchases")] == ["e1"]
    (plan,) = [one for one in made.lake.list("audiences/shop/") if one.endswith("/plan.json")]
    assert "joined_keys" not in json.dumps(made.json(plan))
    made.remove()


@pytest.mark.parametrize("seed", range(2))
def test_batch_comes_to_what_the_stream_comes_to(site: Site, seed: int) -> None:
    """Random events under random keys of a person, joined at some point; and what raw tables know."""
    chance = random.Random(seed)
    keys = {one: [f"person_id:{one}", f"td_client_id:{one}a", f"td_client_id:{one}b"] for one in "123"}
    keys["1"].append("email:ann@x")
    keys["2"].append("email:ben@x")
    keys["3"].append("email:other@x")
    events = []
    for n in range(60):
        person = chance.choice("123")
        names = sorted(chance.sample(keys[person], chance.choice([1, 1, 2])), key=_strength)
        time = NOW - chance.randrange(15_000)
        amount = chance.choice([1, 4.25, 11])
        events.append(buy(f"e{n}", *names, time=time, item=chance.choice("ab"), amount=amount))
    events += [buy(f"j{key}", f"person_id:{one}", key) for one, own in keys.items() for key in own[1:]]
    events += chance.sample(events, 10)
    for start in range(0, len(events), 25):
        site.send(*events[start : start + 25])
    site.clock.time = NOW
    site.build()
    site.materialize()
    site.publish()
    site.send(*(buy(f"last{one}", f"person_id:{one}", time=NOW - 40_000) for one in "123"))
    members = {one: set(site.profiles.realtime[f"shop#person_id:{one}"].members) for one in "123"}
    found = {
        one: {name.removeprefix("was-") for name in site.segments(one) if name.startswith("was-")}
        for one in "123"
    }
    assert found == members


def _strength(name: str) -> int:
    return ["person_id", "email", "td_client_id"].index(name.partition(":")[0])
