"""Fn::ForEach, as CloudFormation's documentation describes it."""

from typing import Any

import pytest

from infra.local.errors import TemplateError
from infra.local.loops import expand

ASKED = {"Transform": "AWS::LanguageExtensions"}


def written(resources: dict[str, Any], **parameters: Any) -> Any:
    return expand({**ASKED, "Resources": resources}, parameters)["Resources"]


def test_a_loop_makes_one_item_a_value_beside_the_others() -> None:
    made = {"${Name}Topic": {"Type": "T", "Says": {"Fn::Sub": "${Stack}-${Name}"}, "Is": {"Ref": "Name"}}}
    assert written({"Fn::ForEach::Topics": ["Name", ["A", "B"], made], "Other": {"Type": "O"}}) == {
        "ATopic": {"Type": "T", "Says": {"Fn::Sub": "${Stack}-A"}, "Is": "A"},
        "BTopic": {"Type": "T", "Says": {"Fn::Sub": "${Stack}-B"}, "Is": "B"},
        "Other": {"Type": "O"},
    }


def test_values_come_from_a_list_parameter_and_ids_keep_letters_and_digits() -> None:
    loop = ["Host", {"Ref": "Hosts"}, {"Of&{Host}": {"Type": "T", "Host": "${Host}"}}]
    assert written({"Fn::ForEach::Hosts": loop}, Hosts=["a-1.b"]) == {"Ofa1b": {"Type": "T", "Host": "a-1.b"}}


def test_loops_stand_in_loops() -> None:
    inner = {"Fn::ForEach::Inner": ["Y", ["1", "2"], {"${X}${Y}": {"Type": "T"}}]}
    assert list(written({"Fn::ForEach::Outer": ["X", ["A", "B"], inner]})) == ["A1", "A2", "B1", "B2"]


@pytest.mark.parametrize(
    ("loop", "said"),
    [
        (["X", ["A"]], r"Fn::ForEach::L is \[a name"),
        (["X", {"Ref": "Nobody"}, {}], "its values are a list of strings"),
        (["X", ["A", "B"], {"Same": {"Type": "T"}}], "makes Same a second time"),
    ],
)
def test_a_bad_loop_is_refused(loop: list[Any], said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        written({"Fn::ForEach::L": loop})


def test_a_loop_without_its_transform_is_refused() -> None:
    with pytest.raises(TemplateError, match="needs Transform: AWS::LanguageExtensions"):
        expand({"Resources": {"Fn::ForEach::L": ["X", ["A"], {}]}}, {})
