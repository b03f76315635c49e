"""What the templates promise: readable, complete, and at one with the code and the layers."""

from __future__ import annotations

import re

import pytest

from infra.lint._sam import events, properties, resources
from infra.lint._stacks import APPLICATION, Stack
from infra.local.template import load as transform
from tests.template.templates import FUNCTIONS, ROOT, WHOLE

ARROW = {
    "ArchiveChanges",
    "ArchiveEvents",
    "CompactEvents",
    "EraseProfiles",
    "ImportLists",
    "FillSegments",
    "PublishMemberships",
    "RemoveAudiences",
}
LAYERS = {"CoreLayer": "layers/core", "ArrowLayer": "layers/arrow"}
STACKS = [pytest.param(stack, id=stack.path.name) for stack in WHOLE.walk()]


@pytest.mark.parametrize("stack", STACKS)
def test_it_can_be_read_in_one_sitting(stack: Stack) -> None:
    lines = stack.path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 400
    assert max(map(len, lines)) <= 160


def test_no_template_is_left_out() -> None:
    """A template that nothing nests would be checked by nobody, and never deployed."""
    assert {stack.path for stack in WHOLE.walk()} == {
        ROOT / "template.yaml",
        *(ROOT / "infra").glob("*.yaml"),
    }


@pytest.mark.parametrize("stack", STACKS)
def test_it_transforms_to_plain_cloudformation_without_roles_for_functions(stack: Stack) -> None:
    """The only roles that do not stand in the template let a schedule invoke its one function."""
    given = dict.fromkeys(stack.template.get("Parameters", {}), "7") if stack.parent else {}
    plain = transform(stack.path, given, "eu-west-1").resources
    assert plain
    assert not [one.logical_id for one in plain.values() if one.type.startswith("AWS::Serverless")]
    made = {name for name, resource in plain.items() if resource.type == "AWS::IAM::Role"}
    assert made - set(stack.template["Resources"]) == {
        f"{name}{event}Role"
        for name, function in FUNCTIONS.items()
        if function.stack is stack
        for event, _ in events(function.resource, "ScheduleV2")
    }


@pytest.mark.parametrize("stack", STACKS)
def test_a_nested_stack_is_given_just_what_it_asks_for(stack: Stack) -> None:
    for name, application in resources(stack.template, APPLICATION):
        asked = stack.nested[name].template["Parameters"]
        assert set(properties(application)["Parameters"]) == set(asked)
        written = stack.nested[name].path.read_text(encoding="utf-8")
        unused = [one for one in asked if not re.search(rf"(!Ref |\$\{{){one}\b", written)]
        assert unused == []


def test_a_logical_id_is_one_function() -> None:
    """The embedded cloud, alarms and operators call functions by it."""
    assert len(FUNCTIONS) == sum(1 for _ in WHOLE.every("AWS::Serverless::Function"))


def test_each_function_is_a_folder_of_its_own_name() -> None:
    folders = set()
    for name, function in FUNCTIONS.items():
        folder, module, entry = properties(function.resource)["Handler"].split(".")
        assert folder == re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        source = ROOT / "functions" / folder / f"{module}.py"
        assert source.is_file(), f"{name} has no {source}"
        assert re.search(rf"^(def {entry}\(|{entry} = )", source.read_text(encoding="utf-8"), re.M)
        folders.add(folder)
    assert folders == {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}


def layers(function: str) -> set[str]:
    """The layers of a function, those of its template's Globals too."""
    stack, own = FUNCTIONS[function].stack, properties(FUNCTIONS[function].resource)
    named = [*stack.template["Globals"]["Function"]["Layers"], *own.get("Layers", [])]
    return {found.name for one in named if (found := stack.find(one))}


def test_only_what_reads_or_writes_parquet_carries_arrow() -> None:
    for name in FUNCTIONS:
        assert layers(name) == ({"CoreLayer", "ArrowLayer"} if name in ARROW else {"CoreLayer"})


@pytest.mark.parametrize(("layer", "folder"), LAYERS.items())
def test_layers_hold_the_versions_that_are_tested(layer: str, folder: str) -> None:
    assert WHOLE.template["Resources"][layer]["Properties"]["ContentUri"].rstrip("/") == folder
    tested = set((ROOT / "constraints.txt").read_text(encoding="utf-8").split())
    written = (ROOT / folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line for line in written if line and not line.startswith("#")}
    assert pinned
    assert pinned - tested == set(), f"{folder}/requirements.txt differs from constraints.txt"


def test_outputs_say_what_a_client_needs() -> None:
    assert set(WHOLE.template["Outputs"]) == {
        "ApiUrl",
        "ManagementApiUrl",
        "FailuresBucketName",
        "UserPoolId",
        "LakeBucketName",
        "ProfilesTableName",
        "RunsTableName",
        "EventStreamName",
        "GlueDatabaseName",
        "AthenaWorkGroupName",
        "SigningSecretArn",
        "WebhookSecretArn",
    }
