"""A visitor's state: its formats, its bounds, hot visitors, rules that fail."""

import json
import random
import string
import struct
import zlib

import pytest
from msgspec.structs import replace
from segmentation.domain.event import Event
from segmentation.domain.packed import pack
from segmentation.domain.profile import BatchPart
from segmentation.domain.visitor import Program, Visitor, evaluate
from segmentation.domain.visitor.intake import MOST_IDS, short_id
from segmentation.domain.visitor.limits import MOST_STATE_BYTES, encode_within
from segmentation.domain.visitor.state import FORGOTTEN
from segmentation.domain.visitor.stored import FORMAT
from segmentation.language import RuleError
from segmentation.language.evaluate import Row
from segmentation.language.operators import text

from tests.fakes.states import DAY, NOW, Stream, event, shop

# ------------------------------------------------------------------------------------------ formats


def test_a_state_comes_back() -> None:
    rows = (Row(-5, "a", {"n": 1.5, "tags": ("x", None)}), Row(7, "b", {}), Row(7, "ü\ud800", {"n": -0.1}))
    visitor = Visitor({"t": rows, "u": (Row(2**33, ""),)}, {1: 3, 2**64 - 1: 65_535}, {"t": 9})
    assert Visitor.decode(visitor.encode()) == visitor
    assert Visitor.decode(Visitor.new().encode()) == Visitor.new()


def test_the_first_format_is_read() -> None:
    name = f"{short_id('purchases', 'e1'):016x}00"
    document = {
        "v": 1,
        "rows": {"t": [[NOW, "e1", {"amount": 2.5, "tags": ["a", None]}]]},
        "seen": {name: NOW},
        "members": ["a"],
        "flips": [],
        "recheck": None,
    }
    visitor = Visitor.decode(zlib.compress(json.dumps(document).encode()))
    assert visitor.rows == {"t": (Row(NOW, "e1", {"amount": 2.5, "tags": ("a", None)}),)}
    assert visitor.seen == {short_id("purchases", "e1"): NOW // 86_400}


def test_the_second_format_is_read_and_written_anew() -> None:
    """Ids, and behind them packed terms by column, without a length: as releases before wrote."""
    terms = {"t": [[NOW, 5], ["e1", "e2"], {"amount": [2.5, None], "tags": [["a", None], None]}]}
    ids = struct.pack("<2Q2H", 7, 9, 19_000, 19_001)
    visitor = Visitor.decode(struct.pack("<BI", 2, 2) + ids + pack([terms, {"t": 4}]))
    assert visitor.rows == {
        "t": (Row(NOW, "e1", {"amount": 2.5, "tags": ("a", None)}), Row(NOW + 5, "e2", {}))
    }
    assert (visitor.seen, visitor.lost) == ({7: 19_000, 9: 19_001}, {"t": 4})
    data = visitor.encode()
    assert data[0] == FORMAT
    assert Visitor.decode(data) == visitor


def test_an_event_adds_to_a_state_and_writes_nothing_of_it_anew() -> None:
    rows = tuple(Row(NOW + number, f"e{number}", {"amount": number * 0.5}) for number in range(300))
    visitor = Visitor({"t": rows, "u": rows[-2:]}, dict.fromkeys(range(300), 19_000))
    before = visitor.written()
    row = Row(NOW + 300, "e300", {"amount": 1.5})
    seen = {**visitor.seen, 300: 19_001}
    after = Visitor({"t": (*rows, row), "u": (rows[-1], row)}, seen, stored=before)
    data = after.encode()
    assert data.startswith(before.data)
    assert len(data) - len(before.data) < 80
    assert Visitor.decode(data) == after
    # Of several events each term has its own, in the order of time, whichever term is looked at first.
    later = Row(NOW + 301, "e301", {})
    two = Visitor({"t": (*rows, later), "u": (rows[-1], row, later)}, {**seen, 301: 19_001}, stored=before)
    assert Visitor.decode(two.encode()) == two
    assert two.encode().startswith(before.data)
    # What came between, or other losses, cannot be said by what came since.
    between = Visitor({"t": (*rows[:5], row, *rows[5:]), "u": rows[-2:]}, seen, stored=before)
    lossy = Visitor(after.rows, seen, {"t": 3}, stored=before)
    fewer = Visitor({"t": (*rows, row)}, seen, stored=before)
    for one in (between, lossy, fewer):
        data = one.encode()
        assert not data.startswith(before.data)
        assert Visitor.decode(data) == one


@pytest.mark.parametrize("data", [b"", b"broken", b"\x02", b"\x03", b"\x09\x00\x00\x00\x00", b"x\x9c"])
def test_other_bytes_are_no_state(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"state|document"):
        Visitor.decode(data)


# ------------------------------------------------------------------------------------------- bounds


def test_only_what_rules_need_is_kept() -> None:
    rules = shop(
        often={">=": [{"count": [DAY]}, 3]},
        last={"==": [{"last": [DAY, "item"]}, "b"]},
        spent={">": [{"sum": [{"filter": [DAY, {"==": [{"var": "department"}, "x"]}]}, "amount"]}, 5]},
    )
    stream = Stream(rules)
    for number in range(30):
        stream.deliver(event(f"e{number:02}", time=NOW + number - 40, item="a", department="x", amount=1))
    kept = Visitor.decode(stream.part().state).rows
    assert sorted((len(rows), sorted(rows[-1].columns)) for rows in kept.values()) == [
        (4, ["item"]),
        (30, ["amount"]),
    ]
    stream.deliver(Event("m", "shop", "mailings", "person_id:1", NOW, NOW, {"name": "x"}))
    assert stream.part().revision == 30  # no rule reads it, so nothing is written


def test_a_cap_that_hides_events_is_said_for_as_long_as_it_does() -> None:
    stream = Stream(shop(spent={">": [{"sum": [DAY, "amount"]}, 1_500]}))
    stream.deliver(*(event(f"e{n}", time=NOW - 2_000 + n, amount=1) for n in range(1_000)))
    assert stream.part().quality == ()
    result = stream.deliver(event("one-more", amount=1))
    assert (stream.part().quality, result.capped) == (("capped",), 1)
    stream.clock.time = NOW + 86_400
    stream.deliver(event("later", time=stream.clock.time, amount=1))
    assert stream.part().quality == ()


def test_a_large_count_is_no_cap() -> None:
    stream = Stream(shop(often={">=": [{"count": [DAY]}, 1_200]}))
    stream.deliver(*(event(f"e{n}") for n in range(1_199)))
    assert stream.part().members == ()
    stream.deliver(event("e1199"))
    assert (stream.part().members, stream.part().quality) == (("often",), ())


def noise(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(string.ascii_letters + string.digits, k=length))


def test_a_state_stays_within_its_bytes_and_membership_is_that_of_what_is_kept() -> None:
    rules = shop(
        varied={">": [{"count_distinct": [DAY, "item"]}, 200]},
        others={
            ">": [{"count_distinct": [{"filter": [DAY, {"==": [{"var": "department"}, "x"]}]}, "item"]}, 1]
        },
    )
    stream, chance = Stream(rules), random.Random(1)
    for start in range(0, 600, 50):
        stream.deliver(
            *(
                event(
                    f"e{n}",
                    time=NOW - 1_000 + n,
                    item=noise(chance, 1_500),
                    department="x" if n > 595 else "y",
                )
                for n in range(start, start + 50)
            )
        )
    part = stream.part()
    assert len(part.state) <= MOST_STATE_BYTES
    assert part.quality == ("capped",)
    visitor = Visitor.decode(part.state)
    kept = max(visitor.rows.values(), key=len)
    assert 20 < len(kept) < 200
    assert kept[-1].id == "e599"  # the oldest went
    assert part.members == ("others",)  # the small term is whole
    again = evaluate(Program(rules.rules), "1", replace(visitor, computed=NOW), None, [], NOW).visitor
    assert sorted(again.members) == list(part.members)


def test_what_cannot_be_made_smaller_is_let_go() -> None:
    chance = random.Random(2)
    visitor = Visitor({"t": (Row(5, "a", {"x": noise(chance, 3_000)}),)}, dict.fromkeys(range(500), 1))
    small, stored = encode_within(visitor, 2_000)
    assert len(stored.data) <= 2_000
    again = Visitor.decode(stored.data)
    assert (again.rows, again.lost, again.seen) == (small.rows, small.lost, small.seen)
    assert (small.rows, small.lost) == ({}, {"t": 5, FORGOTTEN: 2 * 86_400})
    assert list(small.seen) == list(range(500))[-len(small.seen) :]


def test_ids_that_would_fill_an_item_are_refused() -> None:
    chance = random.Random(3)
    with pytest.raises(RuleError, match="take 15"):
        shop(**{noise(chance, 60).lower(): {">": [{"count": [DAY]}, 1]} for _ in range(2_400)})


def test_an_event_of_the_far_future_keeps_no_ids_that_came_after_it() -> None:
    stream = Stream(shop(often={">=": [{"count": [DAY]}, 3]}))
    far = event("far", time=NOW + 100 * 365 * 86_400)
    stream.deliver(far)
    for day in range(40):
        stream.clock.time = NOW + day * 86_400
        stream.deliver(*(event(f"e{day}-{n}", time=stream.clock.time - n) for n in range(30)))
    visitor = Visitor.decode(stream.part().state)
    assert len(visitor.seen) <= 30 * 9
    assert stream.part().quality == ()
    # Its own id is forgotten; as it comes again, it is known among the kept events.
    stream.deliver(far, far)
    assert Visitor.decode(stream.part().state).rows == visitor.rows


# ------------------------------------------------------------------------------------- hot visitors


def test_a_bot_holds_up_nobody_and_breaks_nothing() -> None:
    rules = shop(often={">=": [{"count": [DAY]}, 3]}, spent={">": [{"sum": [DAY, "amount"]}, 10]})
    stream = Stream(rules)
    for minute in range(3):
        bot = [event(f"b{minute}-{n}", "bot", NOW - 60 + n // 200, amount=1) for n in range(10_000)]
        people = [event(f"p{minute}-{n}", str(n)) for n in range(20)]
        mixed = [*bot[:5_000], *people, *bot[5_000:]]
        result = stream.deliver(*mixed)
        assert (result.failed, result.visitors) == (set(), 21)
        assert stream.profiles.reads == minute + 1  # one read for all, and one write for each
        assert stream.part("bot").revision == minute + 1
    assert all(stream.part(str(n)).members == ("often",) for n in range(20))
    part = stream.part("bot")
    assert (part.members, part.quality) == (("often", "spent"), ("capped", "ids"))
    assert len(part.state) < MOST_STATE_BYTES
    visitor = Visitor.decode(part.state)
    assert len(visitor.seen) == MOST_IDS
    # Their ids are forgotten; as they come again as they were, they still change nothing.
    before = visitor.rows
    stream.deliver(*bot[:4_000])
    assert Visitor.decode(stream.part("bot").state).rows == before


def test_visitors_with_long_pasts_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held of visitors is bounded by its size, not by their number alone, and nobody's answer depends on it."""
    monkeypatch.setattr("segmentation.domain.programs.MOST_HELD_BYTES", 20_000)
    stream = Stream(shop(spent={">": [{"sum": [DAY, "amount"]}, 299]}))
    held = stream.evaluate.update.programs.held
    for round_ in range(3):
        for person in range(12):
            stream.deliver(*(event(f"e{round_}-{n}", str(person), NOW - n, amount=1) for n in range(100)))
            sizes = [len(part.state) for part in stream.profiles.realtime.values()]
            assert held.bytes <= 20_000
    assert sum(sizes) > 20_000
    assert 2 < len(held) < 12
    assert all(part.members == ("spent",) for part in stream.profiles.realtime.values())
    for person in range(12):
        held.take(f"shop#person_id:{person}")
    assert (len(held), held.bytes) == (0, 0)


def test_what_a_visitor_of_many_events_does_is_not_all_written_anew_each_time() -> None:
    stream = Stream(shop(often={">=": [{"count": [DAY]}, 3]}))
    stream.deliver(*(event(f"e{n}", time=NOW - 500) for n in range(2 * MOST_IDS)))
    wholes, length = 0, len(stream.part().state)
    for n in range(100):
        before = stream.part().state
        stream.deliver(event(f"f{n}", time=NOW - 100 + n))
        wholes += not stream.part().state.startswith(before)
    assert wholes <= 1
    assert len(stream.part().state) - length < 100 * 100


# -------------------------------------------------------------------------------- rules that fail


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """An operator with a bug: it does not stand these words."""
    words = {"boom"}

    def stumbling(value: str) -> str:
        if value in words:
            raise ZeroDivisionError("of a visitor's data")
        return value.lower()

    monkeypatch.setattr(text.Lower, "mapping", staticmethod(stumbling))
    return words


SAYS = {"in": [{"lower": [{"last": [DAY, "item"]}]}, ["foo", "zoo", "boom"]]}


@pytest.mark.usefixtures("failing")
def test_a_rule_that_fails_is_closed_for_that_visitor_alone(caplog: pytest.LogCaptureFixture) -> None:
    rules = shop(
        says=SAYS,
        not_says={"!": [SAYS]},
        bought={">=": [{"count": [DAY]}, 1]},
        of_says={"in": ["says", {"var": "segments"}]},
        not_of_says={"!": [{"in": ["says", {"var": "segments"}]}]},
        filtered={">=": [{"count": [{"filter": [DAY, {"==": [{"lower": [{"var": "item"}]}, "foo"]}]}]}, 1]},
    )
    stream = Stream(rules)
    stream.deliver(event("e0", item="foo"), event("e1", "2", item="foo"))
    well = ("bought", "filtered", "of-says", "says")
    assert (stream.part("1").members, stream.part("2").members) == (well, well)
    stream.clock.time = NOW + 1
    result = stream.deliver(event("e4", item="boom", time=NOW + 1), event("e5", "2", item="zoo"))
    assert result.failed == set()
    assert result.rules_failed == 3
    assert stream.part("1").members == ("bought", "not-of-says")
    assert stream.part("1").quality == ("failed",)
    assert stream.part("2").members == well
    assert stream.part("2").quality == ()
    assert "'filtered', 'not-says', 'says'" in caplog.text
    assert "visitor's data" not in caplog.text
    # It is told as a leaving, looked at again within the hour, and well again when the cause is gone.
    assert {one["segment"] for one in stream.queue.messages if one["left"] == ["person_id:1"]} >= {"says"}
    assert stream.part("1").due == NOW + 1 + 3_600


def test_who_failed_is_swept_and_comes_back(failing: set[str]) -> None:
    stream = Stream(shop(says=SAYS, bought={">=": [{"count": [DAY]}, 1]}))
    stream.deliver(event("e1", item="boom"))
    assert stream.part().members == ("bought",)
    failing.clear()
    stream.clock.time = NOW + 3_600
    assert stream.sweep().visitors == 1
    assert (stream.part().members, stream.part().quality) == (("bought", "says"), ())


def test_what_no_rule_is_to_blame_for_fails_the_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(shop(bought={">=": [{"count": [DAY]}, 1]}))
    stream.deliver(event("e1"))
    part = replace(stream.part(), state=b"\x02broken")
    stream.profiles.realtime["shop#person_id:1"] = part
    stream.profiles.batch["shop#person_id:1"] = BatchPart("run2", NOW, ())
    assert stream.deliver(event("e2"), event("e3", "2")).failed == {"0"}
