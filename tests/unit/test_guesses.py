"""Whoever guesses tokens, keys and signatures learns nothing: not by an answer, not by how much work an answer is."""

import hmac
from typing import Any

import pytest
from segmentation.domain.access import holder
from segmentation.domain.errors import Forbidden, Unauthorized
from segmentation.domain.programs import Programs
from segmentation.domain.signing import is_signed, sign
from segmentation.usecases.read_profiles import ReadProfiles
from segmentation.usecases.show_profile import ShowProfile
from segmentation.usecases.tokens import Tokens

from tests.fakes import FakeSecrets, FixedClock, MemoryLimits, MemoryProfiles, StaticRuleSets
from tests.fakes.documents import documents, published, sha

NOW = 1_700_000_000
AUDIENCES, TOKENS = 3, 5


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was compared in constant time."""
    pairs: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def compare(one: Any, other: Any) -> bool:
        pairs.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    return pairs


def many() -> Tokens:
    """Several audiences, each with several tokens of two hashes."""
    sets = {}
    for audience in range(AUDIENCES):
        document = documents()
        document["access"]["tokens"] = [
            {
                **document["access"]["tokens"][0],
                "id": f"t{number}",
                "lookup": "signed",
                "sha256": [sha(f"{audience}-{number}-old"), sha(f"{audience}-{number}")],
            }
            for number in range(TOKENS)
        ]
        sets[f"shop{audience}"] = published(**document)
    return Tokens(StaticRuleSets(sets), MemoryLimits(), FakeSecrets())


@pytest.mark.parametrize("guess", ["0-0", "0-0-old", "2-4", "1-2", "nobody's", "", "0" * 10_000, "\ud800"])
def test_a_token_is_looked_for_with_the_same_work_whatever_it_is(
    compared: list[tuple[str, str]], guess: str
) -> None:
    found = many().find(guess)
    assert (found is not None) is (guess in ("0-0", "0-0-old", "2-4", "1-2"))
    assert len(compared) == AUDIENCES * TOKENS * 2
    # Hashes are compared, never what was sent: their bytes tell a guesser nothing of how near the guess was.
    assert all(len(one) == len(other) == 64 for one, other in compared)
    assert all(guess not in pair for pair in compared)


def test_a_write_key_is_looked_for_with_the_same_work_whatever_it_is(compared: list[tuple[str, str]]) -> None:
    keys = published().access.write_keys
    counts = set()
    for guess in ("write-key", "own-write-key", "guess"):
        compared.clear()
        holder(keys, guess)
        counts.add(len(compared))
    assert counts == {sum(len(key.sha256) for key in keys)}


@pytest.mark.parametrize("secret", [b"current", b"previous", b"guessed"])
def test_a_signature_is_checked_with_the_same_work_whichever_it_is(
    compared: list[tuple[str, str]], secret: bytes
) -> None:
    said = {"email.sig": sign(secret, "shop", "email", "a@b.c", NOW + 60)}
    good = is_signed((b"current", b"previous"), "shop", "email", "a@b.c", said, NOW)
    assert good is (secret != b"guessed")
    assert len(compared) == 2


def test_a_guesser_is_told_the_same_of_every_visitor() -> None:
    """Without a signature, those who are known and those who are not are refused in the same words."""
    tokens = many()
    found = tokens.find("0-0")
    assert found is not None
    words = set()
    for value in ("1", "2", "no such person"):
        with pytest.raises(Forbidden) as caught:
            tokens.key(*found, {"person_id": value}, NOW)
        words.add(str(caught.value))
    assert len(words) == 1
    assert "no such person" not in words.pop()


def test_every_unknown_token_is_refused_in_the_same_words() -> None:
    show = ShowProfile(many(), ReadProfiles(MemoryProfiles(), Programs()), FixedClock())
    words = set()
    for guess in ("0-0-", "0-0-olde", "x" * 1_000, sha("0-0")):
        with pytest.raises(Unauthorized) as caught:
            show(guess, "person_id", "1")
        words.add(str(caught.value))
    assert len(words) == 1
