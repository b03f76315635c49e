"""Values: parsed strictly or missing, summed exactly, mapped one code point to one."""

import datetime as dt
import math
import random
import unicodedata
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmentation.language import Type
from segmentation.language.times import zone
from segmentation.language.values import (
    FIRST_SECOND,
    LAST_SECOND,
    exact_sum,
    micros,
    parse_date,
    parse_instant,
    parse_time,
    parse_value,
    simple_lower,
    simple_upper,
)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.0, 0),
        (-0.0, 0),
        (1.0, 1_000_000),
        (0.1, 100_000),
        (2.675, 2_675_000),
        (0.0000005, 1),
        (-0.0000005, -1),
        (0.0000015, 2),
        (0.0000025, 3),
        (-0.0000025, -3),
        (0.00000049, 0),
        (1e-300, 0),
        (1.0000005, 1_000_001),
        (123456789.1234565, 123456789123457),
        (999_999_999_999_999.0, 999_999_999_999_999_000_000),
        (1e15, None),
        (-1e15, None),
        (1.7e308, None),
    ],
)
def test_micros_round_half_away_from_zero(number: float, expected: int | None) -> None:
    assert micros(number) == expected


@given(st.floats(-9e14, 9e14))
def test_micros_are_of_the_shortest_decimal_form(number: float) -> None:
    exact = Decimal(repr(number)).quantize(Decimal("0.000001"), ROUND_HALF_UP)
    assert micros(number) == int(exact * 1_000_000)


@given(st.lists(st.floats(-1e16, 1e16) | st.none(), max_size=30), st.integers())
def test_sums_do_not_depend_on_order(numbers: list[float | None], seed: int) -> None:
    shuffled = random.Random(seed).sample(numbers, len(numbers))
    assert exact_sum(numbers) == exact_sum(shuffled)


def test_a_sum_of_nothing_is_zero_of_none() -> None:
    assert exact_sum([]) == (0.0, 0)
    assert exact_sum([None, 1e15]) == (0.0, 0)
    assert exact_sum([0.1] * 10) == (1.0, 10)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (0, 0),
        (1.9, 1),
        (-0.5, -1),
        (-1, -1),
        (1514764800, 1514764800),
        (Decimal("1514764800.9"), 1514764800),
        ("2018-01-01T00:00:00Z", 1514764800),
        ("2018-01-01t00:00:00Z", None),
        ("2018-01-01T00:00:00z", 1514764800),
        ("2018-01-01 00:00:00Z", 1514764800),
        ("2018-01-01T00:00Z", 1514764800),
        ("2018-01-01T01:00:00+01:00", 1514764800),
        ("2018-01-01T01:00:00+0100", 1514764800),
        ("2017-12-31T19:00:00-05:00", 1514764800),
        ("2018-01-01T00:00:00.999999999Z", 1514764800),
        ("2018-01-01T00:00:00,5Z", 1514764800),
        ("1969-12-31T23:59:58.5Z", -2),
        ("2018-01-01T00:00:00", None),
        ("2018-01-01", None),
        ("2018-02-29T00:00:00Z", None),
        ("2018-01-01T24:00:00Z", None),
        ("2018-01-01T00:00:60Z", None),
        ("2018-01-01T00:00:00+25:00", None),
        (" 2018-01-01T00:00:00Z", None),
        ("2018-01-01T00:00:00Z\n", None),
        ("２０18-01-01T00:00:00Z", None),
        ("1514764800", None),
        ("", None),
        (True, None),
        (None, None),
        ([0], None),
        (math.nan, None),
        (math.inf, None),
        (1e300, None),
        (10**400, None),
        (FIRST_SECOND, FIRST_SECOND),
        (FIRST_SECOND - 1, None),
        (LAST_SECOND, LAST_SECOND),
        (LAST_SECOND + 1, None),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-01:00", None),
        (dt.datetime(2018, 1, 1, tzinfo=dt.UTC), 1514764800),
        (dt.datetime(2018, 1, 1), None),  # noqa: DTZ001 - a moment of no zone is none
    ],
)
def test_times(raw: Any, expected: int | None) -> None:
    assert parse_time(raw) == expected


def test_text_without_an_offset_is_of_the_zone() -> None:
    berlin = zone("Europe/Berlin")
    assert parse_instant("2018-01-01T01:00:00", berlin) == 1514764800
    assert parse_instant("2018-01-01", berlin) == 1514764800 - 3600
    # 02:30 comes twice on the night that summer time ends; the first one counts.
    assert parse_instant("2026-10-25T02:30:00", berlin) == parse_time("2026-10-25T00:30:00Z")
    # 02:30 does not come on the night that summer time begins; it is read with the offset before.
    assert parse_instant("2026-03-29T02:30:00", berlin) == parse_time("2026-03-29T01:30:00Z")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2018-01-01", "2018-01-01"),
        ("0001-01-01", "0001-01-01"),
        (dt.date(2018, 1, 1), "2018-01-01"),
        (dt.datetime(2018, 1, 1, tzinfo=dt.UTC), None),
        ("2018-1-1", None),
        ("2018-02-29", None),
        ("20180101", None),
        ("2018-W01-1", None),
        ("2018-01-01T00:00:00Z", None),
        (20180101, None),
        (None, None),
    ],
)
def test_dates(raw: Any, expected: str | None) -> None:
    assert parse_date(raw) == expected


@pytest.mark.parametrize(
    ("type_", "raw", "expected"),
    [
        (Type.STRING, "", ""),
        (Type.STRING, 1, None),
        (Type.STRING, b"x", None),
        (Type.NUMBER, 1, 1.0),
        (Type.NUMBER, Decimal("2.5"), 2.5),
        (Type.NUMBER, True, None),
        (Type.NUMBER, "1", None),
        (Type.NUMBER, math.nan, None),
        (Type.NUMBER, -math.inf, None),
        (Type.NUMBER, 10**400, None),
        (Type.BOOLEAN, False, False),
        (Type.BOOLEAN, 0, None),
        (Type.BOOLEAN, "true", None),
        (Type.STRINGS, ["a", 1, None], ("a", None, None)),
        (Type.STRINGS, [], ()),
        (Type.STRINGS, "a", None),
        (Type.STRINGS, {"a": 1}, None),
        (Type.NUMBERS, (1, "2", True, 3.5), (1.0, None, None, 3.5)),
        (Type.NUMBERS, 1, None),
    ],
)
def test_values_are_typed_or_missing(type_: Type, raw: Any, expected: Any) -> None:
    found = parse_value(type_, raw)
    assert found == expected
    assert type(found) is type(expected)


@given(st.sampled_from(list(Type)), st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))  # fmt: skip
def test_nothing_is_beyond_parsing(type_: Type, raw: Any) -> None:
    value = parse_value(type_, raw)
    assert parse_value(type_, value) == value


def test_case_mapping_is_one_code_point_to_one() -> None:
    assert (simple_upper("straße"), simple_lower("STRAẞE")) == ("STRAßE", "straße")
    assert (simple_lower("İ"), simple_upper("ŉ"), simple_upper("ﬀ")) == ("i", "ŉ", "ﬀ")
    assert (simple_upper("ᾳ"), simple_lower("ᾼ"), simple_lower("ΑΣ")) == ("ᾼ", "ᾳ", "ας".replace("ς", "σ"))


def test_case_mapping_over_all_of_unicode() -> None:
    for number in range(0x110000):
        char = chr(number)
        lower, upper = simple_lower(char), simple_upper(char)
        assert len(lower) == len(upper) == 1
        if unicodedata.category(char) in ("Nd", "Po", "Zs", "Lo", "Cn"):
            assert lower == upper == char or unicodedata.category(char) == "Lo"
        if len(char.upper()) == 1:
            assert upper == char.upper()
        if len(char.lower()) == 1:
            assert lower == char.lower()
