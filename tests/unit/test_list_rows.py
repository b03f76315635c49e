"""Uploaded text, record by record: whole, cut anywhere, and broken."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation.domain import list_rows
from segmentation.domain.list_rows import (
    Malformed,
    Raw,
    csv_value,
    json_value,
    records,
    text_of,
)


def reader(data: bytes) -> Any:
    return lambda start, length: data[start : start + length]


def of(data: bytes, offset: int = 0, line: int = 1, *, quoted: bool = True, block: int = 7) -> list[Raw]:
    return list(records(reader(data), offset, line, quoted=quoted, block=block))


def test_records_and_their_lines() -> None:
    data = b'\xef\xbb\xbfa,b\r\n1,"x\ny"\n\n2,z'
    assert [(one.line, one.data, one.next_line) for one in of(data)] == [
        (1, b"a,b", 2),
        (2, b'1,"x\ny"', 4),
        (4, b"", 5),
        (5, b"2,z", 6),
    ]
    assert of(b"") == []
    assert [one.data for one in of(b'a\n"b\n', quoted=False)] == [b"a", b'"b']


def test_a_quote_that_is_not_closed_takes_one_line_down_only() -> None:
    found = of(b'a\n"b\nc\nd\n')
    assert [(one.line, one.data) for one in found] == [(1, b"a"), (2, None), (3, b"c"), (4, b"d")]


def test_a_record_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 20_000
    monkeypatch.setattr(list_rows, "LONGEST_RECORD", longest)
    data = b"a\n" + b"x" * (longest + 100) + b"\nb\n"
    for block in (2_000, 30_000, 1 << 20):
        found = of(data, quoted=False, block=block)
        assert [(one.line, one.data) for one in found] == [(1, b"a"), (2, None), (3, b"b")]
        assert [one.next_offset for one in found] == [2, longest + 103, len(data)]
    assert [one.data for one in of(data[:-3], quoted=False, block=2_000)] == [b"a", None]
    data = b'a\n"open\n' + b"y\n" * longest
    found = of(data, block=20_000)
    assert [(one.line, one.data) for one in found[:3]] == [(1, b"a"), (2, None), (3, b"y")]
    assert found[-1].line == longest + 2


cells = st.text(alphabet='ab",\n\r é\U0001f600', max_size=6)


@settings(max_examples=60)
@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=8), st.integers(1, 9), st.data())
def test_reading_goes_on_from_any_record(rows: list[list[str]], block: int, data: st.DataObject) -> None:
    text = io.StringIO()
    # A lone carriage return is a character like others here; Python's writer quotes it.
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    raw = text.getvalue().encode()
    found = of(raw, block=block)
    values = [csv_value(one.data or b"", ",", 1, 2) for one in found]
    assert [value.replace("\r", "\n") for value in values] == [row[1].replace("\r", "\n") for row in rows]
    if found:
        at = data.draw(st.integers(0, len(found) - 1))
        rest = of(raw, found[at].next_offset, found[at].next_line, block=block)
        assert rest == found[at + 1 :]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"1", "another number of fields"),
        (b"1,2,3", "another number of fields"),
        (b"1,\xff", "not UTF-8"),
        (b'1,"a"b', "not CSV"),
    ],
)
def test_malformed_csv(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        csv_value(data, ",", 1, 2)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"{}", "lacks the column"),
        (b"\xff", "not UTF-8"),
        (b"[" * 99_999, "not JSON"),
    ],
)
def test_malformed_json(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        json_value(data, "id")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "empty"),
        ("", "empty"),
        (1.5, "neither text"),
        (True, "neither text"),
        ([], "neither text"),
        ("x" * 1_001, "longer"),
        ("a\x00b", "control"),
        ("\ud800", "control"),
    ],
)
def test_values_that_are_no_keys(value: object, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        text_of(value)


def test_values() -> None:
    assert [text_of(one) for one in ("x", 7, " y ", "\U0001f600")] == ["x", "7", " y ", "\U0001f600"]
    assert json_value(b'{"id": 3, "x": 1}', "id") == 3
