"""What template.yaml promises: readable, complete, and at one with the code and the layers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.lint._sam import FUNCTION, events, properties, resources
from infra.local.template import load as transform
from tests.template.templates import ROOT, Template

ARROW = {"ArchiveChanges", "ArchiveEvents", "CompactEvents", "PublishMemberships"}
LAYERS = {"CoreLayer": "layers/core", "ArrowLayer": "layers/arrow"}


def functions(template: Template) -> Iterator[tuple[str, Any]]:
    yield from resources(template, FUNCTION)


def test_it_can_be_read_in_one_sitting() -> None:
    lines = (ROOT / "template.yaml").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 400
    assert max(map(len, lines)) <= 160


@pytest.mark.parametrize("path", ["template.yaml", "infra/observability.yaml"])
def test_it_transforms_to_plain_cloudformation(path: str) -> None:
    given = {} if path == "template.yaml" else dict.fromkeys(
        ("FailuresBucket", "PublicationsDeadLetters", "ActivationsDeadLetters", "ScheduleDeadLetters",
         "StreamFunctions", "Functions"), "x")  # fmt: skip
    plain = transform(ROOT / path, given, "eu-west-1").resources.values()
    assert plain
    assert not [resource.logical_id for resource in plain if resource.type.startswith("AWS::Serverless")]


def test_sam_makes_no_role_for_a_function(template: Template) -> None:
    """The only roles that do not stand in the template let a schedule invoke its one function."""
    plain = transform(ROOT / "template.yaml", {}, "eu-west-1").resources
    made = {name for name, resource in plain.items() if resource.type == "AWS::IAM::Role"} - set(
        template["Resources"]
    )
    assert made == {
        f"{name}{event}Role"
        for name, function in functions(template)
        for event, _ in events(function, "ScheduleV2")
    }


def test_each_function_is_a_folder_of_its_own_name(template: Template) -> None:
    folders = set()
    for name, function in functions(template):
        folder, module, entry = properties(function)["Handler"].split(".")
        assert folder == re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        source = ROOT / "functions" / folder / f"{module}.py"
        assert source.is_file(), f"{name} has no {source}"
        assert re.search(rf"^(def {entry}\(|{entry} = )", source.read_text(encoding="utf-8"), re.M)
        folders.add(folder)
    assert folders == {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}


def test_only_what_reads_or_writes_parquet_carries_arrow(template: Template) -> None:
    carrying = {
        name
        for name, function in functions(template)
        if {"Ref": "ArrowLayer"} in properties(function).get("Layers", [])
    }
    assert carrying == ARROW
    assert template["Globals"]["Function"]["Layers"] == [{"Ref": "CoreLayer"}]


@pytest.mark.parametrize(("layer", "folder"), LAYERS.items())
def test_layers_hold_the_versions_that_are_tested(layer: str, folder: str, template: Template) -> None:
    assert template["Resources"][layer]["Properties"]["ContentUri"].rstrip("/") == folder
    tested = set((ROOT / "constraints.txt").read_text(encoding="utf-8").split())
    written = (ROOT / folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line for line in written if line and not line.startswith("#")}
    assert pinned
    assert pinned - tested == set(), f"{folder}/requirements.txt differs from constraints.txt"


def test_every_function_and_every_dead_letter_place_has_its_alarms(
    template: Template, observability: Template
) -> None:
    """Follows each alarm's dimension through the nested stack's parameters back to the resource that it watches."""
    given = template["Resources"]["Observability"]["Properties"]["Parameters"]

    def watched(value: Any) -> str:
        if "Fn::Select" in value:
            index, parameter = value["Fn::Select"]
            value = given[parameter["Ref"]]["Fn::Join"][1][int(index)]
        elif value["Ref"] in given:
            value = given[value["Ref"]]
        return str(value.get("Ref") or value["Fn::GetAtt"][0])

    alarms = {
        (alarm["MetricName"], watched(alarm["Dimensions"][0]["Value"]))
        for _, resource in resources(observability, "AWS::CloudWatch::Alarm")
        if (alarm := properties(resource))
    }
    every = {name for name, _ in functions(template)}
    readers = {name for name, function in functions(template) if any(events(function, "Kinesis", "DynamoDB"))}
    dead = {name for name, _ in resources(template, "AWS::SQS::Queue") if name.endswith("DeadLetters")}
    assert alarms == (
        {("Errors", name) for name in every}
        | {("IteratorAge", name) for name in readers}
        | {("ApproximateNumberOfMessagesVisible", name) for name in dead}
        | {("PutRequests", "FailuresBucket")}
    )


def test_alarms_name_the_function_that_their_metric_is_about(observability: Template) -> None:
    """The lists are positional: the description and the logical id must agree with the order in template.yaml."""
    for parameter in ("Functions", "StreamFunctions"):
        order = observability["Parameters"][parameter]["Description"].split(", ")
        for name, resource in resources(observability, "AWS::CloudWatch::Alarm"):
            chosen = properties(resource)["Dimensions"][0]["Value"].get("Fn::Select")
            if chosen and chosen[1] == {"Ref": parameter}:
                assert name.startswith(order[int(chosen[0])])


@pytest.mark.parametrize("parameter", ["Functions", "StreamFunctions"])
def test_alarms_and_template_agree_on_the_order_of_functions(
    parameter: str, template: Template, observability: Template
) -> None:
    given = template["Resources"]["Observability"]["Properties"]["Parameters"][parameter]["Fn::Join"][1]
    assert ", ".join(item["Ref"] for item in given) == observability["Parameters"][parameter]["Description"]


def test_outputs_say_what_a_client_needs(template: Template) -> None:
    assert set(template["Outputs"]) == {
        "ApiUrl",
        "LakeBucketName",
        "ProfilesTableName",
        "RunsTableName",
        "EventStreamName",
        "GlueDatabaseName",
        "AthenaWorkGroupName",
        "BuildAudienceFunction",
        "MaterializeSegmentsFunction",
        "CompactEventsFunction",
        "WebhookSecretArn",
        "SigningSecretArn",
    }
