"""Patterns: parsed, searched as automata, and written out for Trino, all alike; linear in the text."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from segmentation.language.automaton import Automaton, searcher
from segmentation.language.patterns import MAX_LENGTH, PatternError, java, parse

TEXTS = (
    "",
    "a",
    "b",
    "ab",
    "aab",
    "abc",
    "a\nb",
    "a.b",
    "10115",
    "Köln",
    "a😀b",
    " a\t",
    "-",
    "^$",
    "aaaaaaaaab",
)
PATTERNS = (
    "", "a", "^a", "b$", "^$", "^ab$", "a|b", "^(a|b)+$", "a?b", "^a*b$", "a+b", "a{2}b", "^a{1,2}b", "^.{2,}$", ".",
    "[a-c]", "[^a]", "[^a-c]$", "\\d+", "\\w", "\\s", "[\\d-]", "a\\.b", "\\^\\$", "(ab)?c", "(a|bc)c", "^(-|\\^)", "(^a|b$)",
    "a$|^b", "()a", "(|a)b", "x*", "[.]", "[\\]]", "[+*?]", "ö", "😀", "a\nb",
)  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_searching_equals_python(pattern: str) -> None:
    search = searcher(pattern)
    for text in TEXTS:
        expected = re.search(pattern.replace("$", r"\Z").replace(r"\\Z", r"\$"), text, re.ASCII) is not None
        assert search(text) is expected, (pattern, text)


def as_python(pattern: str) -> "re.Pattern[str]":
    """What is written for Trino, as Python reads it: only code points and the very end are spelled otherwise."""
    coded = re.sub(r"\\x\{([0-9a-f]+)\}", lambda code: rf"\U{int(code[1], 16):08x}", java(parse(pattern)))
    return re.compile(coded.replace(r"\z", r"\Z"))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_is_written_for_trino_means_the_same(pattern: str) -> None:
    written = as_python(pattern)
    for text in TEXTS:
        assert (written.search(text) is not None) is searcher(pattern)(text), (written, text)


atoms = st.sampled_from(("a", "b", ".", "[ab]", "[^a]", "\\d", "^", "$", "1"))
pieces = st.builds(
    lambda a, q: a if a in "^$" else a + q, atoms, st.sampled_from(("", "", "?", "*", "+", "{1,2}"))
)
branches = st.lists(pieces, max_size=4).map("".join)
patterns = st.lists(branches | branches.map("({})".format), min_size=1, max_size=3).map("|".join)


def is_pattern(pattern: str) -> bool:
    try:
        parse(pattern)
    except PatternError:  # too many repetitions in a row
        return False
    return True


@given(patterns, st.text("ab1\n", max_size=8))
def test_random_patterns_search_like_python(pattern: str, text: str) -> None:
    assume(is_pattern(pattern))
    expected = re.search(pattern.replace("$", r"\Z"), text) is not None
    assert searcher(pattern)(text) is expected
    assert (as_python(pattern).search(text) is not None) is expected


@given(st.text("ab()[]{}|*+?^$\\.-,0123dws", max_size=14))
def test_any_text_is_a_pattern_or_is_refused(pattern: str) -> None:
    try:
        written = as_python(pattern)
    except PatternError:
        return
    assert searcher(pattern)("ab01") is (written.search("ab01") is not None)


class Counting(Automaton):
    """Counts the steps that it takes, and the groups of states that each looks at."""

    work = 0

    def _step(self, current: int, char: str) -> tuple[int, int]:
        self.work += 1 + len(self._groups)
        return super()._step(current, char)


@pytest.mark.parametrize(
    "text", ["a" * 4_000, "".join(map(chr, range(0x4E00, 0x4E00 + 4_000))), "ab" * 2_000]
)
@pytest.mark.parametrize("pattern", ["a*a*a*a*a*#", "(a|b|c)*d", "^a?a?a?a?a?a?aaaaaa$", "\\w+\\w+\\w+@", ".*.*.*x", "a{0,500}a{0,500}#", "[ab]*a[ab]{500}#"])  # fmt: skip
def test_the_work_is_linear_in_the_text(pattern: str, text: str) -> None:
    automaton = Counting(parse(pattern))
    assert automaton.search(text) is False
    # A backtracking engine would need the square or a higher power of the length.
    assert automaton.work <= len(text) * 10


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("a*a*a*b", "b"),  # what may lack at an end of the search asks for nothing
        ("^a*a*a+b", r"\Aa{1,}b"),
        ("^a?a?a?aaa$", r"\Aa{3,6}\z"),
        ("^(a*)(a*)b", r"\Aa{0,}b"),
        (".*foo.*", "foo"),
        ("x.*|.*y", "x|y"),
        ("aa", "aa"),
        ("^(ab){2}(ab)?$", r"\A(?:ab){2}(?:ab){0,1}\z"),
        ("^a{600}a{600,}$", r"\Aa{600}a{600,}\z"),
        ("x*", ""),
    ],
)
def test_trino_gets_no_more_to_try_than_it_must(pattern: str, written: str) -> None:
    assert java(parse(pattern)) == written


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\w*\d*\w*$",
        "^a?[ab]?[ac]?[ad]?$",
        "^(aa|a)(aa|a)(aa|a)b",
        "^a*(b?a*c?)a*$",
        r"^\d*-?\d*-?\d*$",
        "b|^.*a.*b.*c.*d.*$",
        "^([ab]*c?[bc]*a?[ac]*)$",
    ],
)
def test_repetitions_that_trade_characters_are_few(pattern: str) -> None:
    with pytest.raises(PatternError, match="can match the same characters"):
        parse(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}$",
        "foo.*bar.*baz.*qux",
        r"^\d+\.\d+\.\d+\.\d+$",
        r"^[\w.]+[\w-]*@",
        "^a+b+c+d+e+f+$",
        r"^\+?\d{1,3}[ -]?\d{3,4}[ -]\d{3,4}$",
        r"^https?://[a-z]*\.?example\.com/",
        "utm_source=.*&utm_medium=.*&utm_campaign=.*&utm_term=.*&x",
        r"^\s*[A-Z]{2}\d{2}\s?\d{4}\s\d{4}\s*$",
    ],
)
def test_ordinary_patterns_are_taken(pattern: str) -> None:
    parse(pattern)


def test_the_longest_pattern() -> None:
    assert searcher("a" * MAX_LENGTH)("a" * MAX_LENGTH)
    with pytest.raises(PatternError, match="at most 1,000 characters"):
        parse("a" * (MAX_LENGTH + 1))


@pytest.mark.parametrize("pattern", ["(a{1000}){1000}", "(a{100}b){1000}", "((((a|b){10}c){10}d){10}e){10}"])
def test_repetitions_do_not_explode(pattern: str) -> None:
    with pytest.raises(PatternError):
        parse(pattern)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(a+)+", "without nesting"),
        ("(a|ab)*", "begin alike"),
        ("a**", "quantifier after a quantifier"),
        ("(?=a)", "plain group"),
        ("\\b", "not in the subset"),
        ("[a", "without its ']'"),
        ("*", "write \\*"),
    ],
)
def test_a_refusal_says_how_to_mend_it(pattern: str, says: str) -> None:
    with pytest.raises(PatternError, match=re.escape(says)):
        parse(pattern)
