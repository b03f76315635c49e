"""A compiled program gives the same as the rules that it was built of."""

from random import Random

import pytest
from msgspec.structs import replace
from segmentation.domain.event import Event
from segmentation.domain.visitor import BatchView, Program, Visitor, evaluate
from segmentation.language import load_rule_set
from segmentation.language.index import ArtifactError, Index

from tests.unit.language.random_rules import NOW, SCHEMA, Profile, Rules


def events_of(profile: Profile) -> list[Event]:
    return [
        Event(row.id, "a", behavior, "p", row.time, row.time, dict(row.columns))
        for behavior, rows in profile.events.items()
        for row in rows
    ]


@pytest.mark.parametrize("seed", range(12))
def test_a_loaded_program_evaluates_as_the_built_one(seed: int) -> None:
    random = Random(seed)
    built = Program(load_rule_set(Rules(random).documents(12), SCHEMA, "a"))
    loaded = Program.load(built.dump())
    assert loaded.dump() == built.dump()
    assert (loaded.versions, loaded.terms, loaded.memory) == (built.versions, built.terms, built.memory)
    for _ in range(3):
        profile = Profile(random)
        view = BatchView(frozenset(profile.segments), profile.attributes)
        events = events_of(profile)
        outcomes = [evaluate(one, "p", Visitor.new(), view, events, NOW) for one in (built, loaded)]
        first, second = (replace(one, standing=None) for one in outcomes)
        assert first == second


def test_other_bytes_are_no_program() -> None:
    program = Program(load_rule_set(Rules(Random(1)).documents(3), SCHEMA, "a"))
    with pytest.raises(ArtifactError, match="another format"):
        Program.load(program.index.dump())
    with pytest.raises(ArtifactError, match="program 3"):
        Index.load(program.dump())
    with pytest.raises(ArtifactError, match="publish the rules anew"):
        Program.load(program.dump()[:-5])
