"""Texts of personalization sections, and who meets their criteria."""

from typing import Any

import pytest
from segmentation.domain.offers import entry_of
from segmentation.domain.published import Published, parse_published
from segmentation.language import RuleError

from tests.fakes.documents import documents


def published(**section: Any) -> Published:
    made = documents()
    made["access"]["tokens"][0]["sections"] = {"s": section}
    return parse_published(made)


@pytest.mark.parametrize(
    ("template", "attributes", "text"),
    [
        ("plain", {}, "plain"),
        ("", {}, ""),
        ("{{attributes.country}}", {"country": "FR"}, "FR"),
        ("in {{ attributes.country }} and {{attributes.country}}", {"country": "FR"}, "in FR and FR"),
        ("{{attributes.age}}", {"age": 30.0}, "30"),
        ("{{attributes.age}}", {"age": 30.5}, "30.5"),
        ("{{attributes.tags}}", {"tags": ["a", "b"]}, "a, b"),
        ("{{attributes.country}}", {}, None),
        ("{{attributes.country|there}}", {}, "there"),
        ("{{attributes.country|}}!", {}, "!"),
        ("{{attributes.country|a, b}}", {"country": ""}, ""),
        ("{ {{attributes.country}} }", {"country": "<b>"}, "{ <b> }"),
    ],
)
def test_a_text_is_filled(template: str, attributes: dict[str, Any], text: str | None) -> None:
    (section,) = published(texts={"t": template}).access.tokens[0].sections
    assert section.texts["t"].fill(attributes) == text


@pytest.mark.parametrize(
    "template", ["{{", "}}", "{{country}}", "{{attributes.}}", "{{attributes.a b}}", "{{{{x}}}}"]
)
def test_a_place_that_names_nothing_is_refused(template: str) -> None:
    with pytest.raises(RuleError, match="a place in a text is written"):
        published(texts={"t": template})


@pytest.mark.parametrize(
    ("when", "enters"),
    [
        (None, True),
        ({"in": ["adults", {"var": "segments"}]}, True),
        ({"in": ["buyers", {"var": "segments"}]}, False),
        ({">": [{"var": "attributes.age"}, 18]}, True),
        ({"==": [{"var": "attributes.country"}, "DE"]}, False),
        ({"!": [{"==": [{"var": "attributes.country"}, "DE"]}]}, True),
        ({"within": [{"var": "attributes.born"}, "1d"]}, True),
        ({"<": [{"bucket": ["half"]}, 100]}, True),
    ],
)
def test_criteria_read_attributes_segments_and_the_moment(when: Any, enters: bool) -> None:
    made = published(**({} if when is None else {"when": when}))
    (section,) = made.access.tokens[0].sections
    attributes = {"age": 30.0, "born": "2023-11-14"}
    assert entry_of(section, made.audience)("1", attributes, {"adults"}, 1_700_000_000) is enters
