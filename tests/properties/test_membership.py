"""A set of segments is the same set as names, as bits and as it is stored."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation.domain.membership import Members
from segmentation.domain.stored_membership import decode, encode
from segmentation.language.index import Numbering

from tests.examples import examples

NAMES = [f"segment-{number * 7 % 3_000}" for number in range(3_000)]
KEPT, UNKEPT = Numbering(NAMES, kept=True), Numbering(NAMES)


@settings(max_examples=examples(60))
@given(st.integers(0, 3_000), st.integers(0, 1 << 30))
def test_members_are_a_set_of_names_however_they_are_held(count: int, seed: int) -> None:
    random = Random(seed)
    names = sorted(random.sample(NAMES, count))
    bits = KEPT.bits(names)
    members = Members(KEPT, bits)
    assert (len(members), list(members)) == (count, names)
    assert members == frozenset(names)
    assert members == tuple(names)
    assert all((name in members) == (name in set(names)) for name in random.sample(NAMES, 20))
    stored, _ = decode(encode(members, ()), "shop", lambda *_: KEPT) or ((), ())
    assert isinstance(stored, Members)
    assert stored.bits == bits
    # Nobody but this process knows a numbering that is not kept, so names are stored.
    stored, _ = decode(encode(Members(UNKEPT, bits), ()), "shop", lambda *_: None) or ((), ())
    assert stored == tuple(names)
