"""Templates: parameters, conditions, intrinsic functions, and what stops the cloud."""

from pathlib import Path
from typing import Any

import pytest

from infra.local.errors import TemplateError
from infra.local.provision.stack import Stack
from infra.local.provision.table import PROVISIONERS
from infra.local.provision.without_effect import IGNORED_PROPERTIES, WITHOUT_EFFECT
from infra.local.provision.world import World
from infra.local.template import Resolver, load

REGION = "eu-central-1"


def write(folder: Path, text: str) -> Path:
    path = folder / "template.yaml"
    path.write_text(text)
    return path


def stack(path: Path, **parameters: str) -> Stack:
    world = World(
        "http://127.0.0.1:1", "http://127.0.0.1:2", lambda: "http://127.0.0.1:3", REGION, "123456789012"
    )
    return Stack(load(path, parameters, REGION), "s", world, PROVISIONERS)


class Known:
    """Resources that answer with their own names."""

    def ref(self, logical_id: str) -> str:
        return f"<{logical_id}>"

    def get_att(self, logical_id: str, attribute: str) -> str:
        return f"<{logical_id}.{attribute}>"


@pytest.fixture
def resolver(tmp_path: Path) -> Resolver:
    path = write(
        tmp_path,
        """
        Parameters:
          Name: {Type: String, Default: n}
          Names: {Type: CommaDelimitedList, Default: "a,b"}
          Empty: {Type: String, Default: ""}
        Mappings: {Sizes: {eu-central-1: {small: 1}}}
        Conditions:
          Named: !Not [!Equals [!Ref Empty, ""]]
          Either: !Or [!Condition Named, !Equals [!Ref Name, n]]
          Both: !And [!Condition Named, !Condition Either]
        Resources:
          Table: {Type: AWS::DynamoDB::Table}
        """,
    )
    return Resolver(load(path, {}, REGION), {"AWS::Region": REGION, "AWS::AccountId": "1"}, Known())


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ({"Ref": "Name"}, "n"),
        ({"Ref": "Names"}, ["a", "b"]),
        ({"Ref": "Table"}, "<Table>"),
        ({"Ref": "AWS::Region"}, REGION),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "<Table.Arn>"),
        ({"Fn::GetAtt": "Table.Arn"}, "<Table.Arn>"),
        (
            {"Fn::Sub": "${Name}/${Table}/${Table.Arn}/${AWS::AccountId}/${!Name}"},
            "n/<Table>/<Table.Arn>/1/${Name}",
        ),
        ({"Fn::Sub": ["${x}-${Name}", {"x": {"Ref": "Table"}}]}, "<Table>-n"),
        ({"Fn::Join": [",", ["a", {"Ref": "Name"}]]}, "a,n"),
        ({"Fn::Join": ["+", {"Ref": "Names"}]}, "a+b"),
        ({"Fn::Select": [1, {"Ref": "Names"}]}, "b"),
        ({"Fn::Split": ["-", "a-b"]}, ["a", "b"]),
        ({"Fn::If": ["Named", "yes", "no"]}, "no"),
        ({"Fn::If": ["Either", "yes", "no"]}, "yes"),
        ({"Fn::If": ["Both", "yes", "no"]}, "no"),
        ({"a": 1, "b": {"Fn::If": ["Named", 2, {"Ref": "AWS::NoValue"}]}}, {"a": 1}),
        ([{"Ref": "AWS::NoValue"}, 1], [1]),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "AWS::Region"}, "small"]}, 1),
        ({"Fn::Base64": "ab"}, "YWI="),
    ],
)
def test_intrinsic_functions(resolver: Resolver, value: Any, answer: Any) -> None:
    assert resolver.resolve(value, "here") == answer


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"Ref": "Nothing"}, "here: there is no parameter or resource Nothing"),
        ({"Fn::Sub": "${Nothing.Arn}"}, "here: there is no parameter or resource Nothing"),
        ({"Fn::ImportValue": "x"}, "here: the embedded cloud does not know Fn::ImportValue"),
        ({"Fn::If": ["Nothing", 1, 2]}, "here: there is no condition Nothing"),
        ({"Fn::Select": [2, ["a"]]}, "here: Fn::Select 2 of 1 items"),
        ({"Fn::FindInMap": ["Sizes", "us-east-1", "small"]}, "here: Fn::FindInMap finds no us-east-1"),
        ("{{resolve:ssm:x}}", "here: dynamic references are not known"),
    ],
)
def test_what_cannot_be_resolved_says_where(resolver: Resolver, value: Any, says: str) -> None:
    with pytest.raises(TemplateError, match=f"^{says}"):
        resolver.resolve(value, "here")


@pytest.mark.parametrize(
    ("declared", "given", "says"),
    [
        ("{Type: String}", {}, "Parameter P has no value; give one with --parameter P="),
        ("{Type: String, AllowedValues: [a, b]}", {"P": "c"}, "Parameter P: 'c' is not one of 'a', 'b'"),
        ("{Type: String, AllowedPattern: '[a-z]+'}", {"P": "A"}, r"Parameter P: 'A' does not match \[a-z\]"),
        (
            "{Type: 'AWS::SSM::Parameter::Value<String>'}",
            {"P": "A"},
            "Parameter P: .* does not know the type",
        ),
        ("{Type: String, Default: x}", {"Q": "A"}, "has no parameter Q; it has P"),
    ],
)
def test_wrong_parameters_stop(tmp_path: Path, declared: str, given: dict[str, str], says: str) -> None:
    path = write(tmp_path, f"Parameters: {{P: {declared}}}\nResources: {{}}")
    with pytest.raises(TemplateError, match=says):
        load(path, given, REGION)


def test_a_missing_template_stops(tmp_path: Path) -> None:
    with pytest.raises(
        TemplateError, match=r"nowhere\.yaml does not exist; name the template with --template"
    ):
        load(tmp_path / "nowhere.yaml", {}, REGION)


def test_a_wrong_sam_template_names_its_resource(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "Transform: AWS::Serverless-2016-10-31\n"
        "Resources: {F: {Type: AWS::Serverless::Function, Properties: {Handler: a.b}}}",
    )
    with pytest.raises(TemplateError, match=r"not a valid SAM template:\n .*\[F\]"):
        load(path, {}, REGION)


def test_unknown_resource_types_stop_before_anything_is_created(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "Resources: {Good: {Type: AWS::S3::Bucket}, Bad: {Type: AWS::Neptune::DBCluster}, Odd: {Type: AWS::X::Y}}",
    )
    with pytest.raises(
        TemplateError, match=r"resource type of Bad \(AWS::Neptune::DBCluster\), Odd \(AWS::X::Y\)"
    ):
        stack(path).provision()  # nothing listens at the endpoint: creating Good would fail otherwise


def test_unknown_properties_stop(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "Resources: {F: {Type: AWS::Lambda::Function, Properties: {Handler: a.b, Runtime: python3.13, Code: ., "
        "VpcConfig: {}}}}",
    )
    with pytest.raises(TemplateError, match=r"F \(AWS::Lambda::Function\): .* does not know VpcConfig"):
        stack(path).provision()


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (
            "{Handler: a.b, Runtime: nodejs22.x, Code: .}",
            "F: the embedded cloud runs Python only, not nodejs22.x",
        ),
        (
            "{Handler: a.b, Runtime: python3.13, Code: gone/}",
            "F: its code should stand in .*gone, but there is no",
        ),
        ("{Runtime: python3.13, Code: .}", r"F \(AWS::Lambda::Function\) needs Handler"),
        (
            "{Handler: a.b, Runtime: python3.13, Code: ., Layers: ['arn:x']}",
            "F: these layers are not part of .*arn:x",
        ),
        (
            "{Handler: a.b, Runtime: python3.13, Code: {S3Bucket: b, S3Key: k}}",
            "F: its code stands at .*path relative",
        ),
    ],
)
def test_functions_that_cannot_run_stop(tmp_path: Path, function: str, says: str) -> None:
    path = write(tmp_path, f"Resources: {{F: {{Type: AWS::Lambda::Function, Properties: {function}}}}}")
    with pytest.raises(TemplateError, match=says):
        stack(path).provision()


def test_resources_that_need_each_other_stop(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "Resources: {A: {Type: AWS::IAM::Role, Properties: {X: !Ref B}}, "
        "B: {Type: AWS::IAM::Role, Properties: {X: !Ref A}}}",
    )
    with pytest.raises(TemplateError, match="need each other: A -> B -> A"):
        stack(path).provision()


def test_an_attribute_that_a_resource_does_not_have_stops(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "Resources: {A: {Type: AWS::IAM::Role}, B: {Type: AWS::IAM::Role, Properties: {X: !GetAtt A.Nothing}}}",
    )
    with pytest.raises(
        TemplateError, match=r"A \(AWS::IAM::Role\) has no attribute Nothing .* it has Arn, RoleId"
    ):
        stack(path).provision()


def test_http_apis_that_would_answer_otherwise_stop(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "Resources: {A: {Type: AWS::ApiGatewayV2::Api, Properties: {Body: {paths: {}, x-amazon-apigateway-cors: {}}}}}",
    )
    with pytest.raises(TemplateError, match=r"A: .* does not answer CorsConfiguration"):
        stack(path).provision()


def test_every_exception_has_a_reason_and_a_use() -> None:
    assert all(WITHOUT_EFFECT.values())
    assert not WITHOUT_EFFECT.keys() & PROVISIONERS.keys()
    assert IGNORED_PROPERTIES.keys() <= PROVISIONERS.keys()
    assert all(reason for reasons in IGNORED_PROPERTIES.values() for reason in reasons.values())
