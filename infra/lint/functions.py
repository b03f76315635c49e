"""Rules on functions: their role, their log, what they are built for."""

from __future__ import annotations

from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch

from infra.lint._sam import FUNCTION, properties, resources, target, text
from infra.lint._stacks import Stack

RUNTIME = "python3.13"
ARCHITECTURE = "arm64"


class OwnRole(CloudFormationLintRule):
    """A role that SAM makes carries managed policies (for Kinesis: all streams of the account)."""

    id = "E9101"
    shortdesc = "Every function has a role of its own in this template"
    description = "An explicit Role, shared with no other function, so that it can be literal least privilege"

    def match(self, cfn: Any) -> list[RuleMatch]:
        matches = []
        owner: dict[str, str] = {}
        for name, function in resources(cfn.template, FUNCTION):
            path = ["Resources", name, "Properties"]
            role = target(cfn.template, properties(function).get("Role"))
            if role is None or role[1].get("Type") != "AWS::IAM::Role":
                matches.append(RuleMatch(path, f"{name} has no Role of this template (Role: !GetAtt X.Arn)"))
            elif role[0] in owner:
                matches.append(RuleMatch([*path, "Role"], f"{name} shares {role[0]} with {owner[role[0]]}"))
            else:
                owner[role[0]] = name
        return matches


class KeptLog(CloudFormationLintRule):
    """A log group that Lambda makes itself is kept for ever, and outside of the stack."""

    id = "E9102"
    shortdesc = "Every function writes to a log group of these templates that has a retention"
    description = "LoggingConfig.LogGroup refers to an AWS::Logs::LogGroup with RetentionInDays"

    def match(self, cfn: Any) -> list[RuleMatch]:
        matches = []
        stack = Stack.of(cfn)
        for name, function in resources(cfn.template, FUNCTION):
            group = stack.find((properties(function).get("LoggingConfig") or {}).get("LogGroup"))
            if group is None or group.resource.get("Type") != "AWS::Logs::LogGroup":
                message = f"{name} has no log group of these templates (LoggingConfig: LogGroup: !Ref X)"
            elif "RetentionInDays" not in properties(group.resource):
                message = f"{name} writes to {group.name}, which has no RetentionInDays"
            else:
                continue
            matches.append(RuleMatch(["Resources", name, "Properties"], message))
        return matches


class OneTarget(CloudFormationLintRule):
    """The layers' wheels are built for one Python on one architecture; another would not import them."""

    id = "E9103"
    shortdesc = f"Functions and layers are for {RUNTIME} on {ARCHITECTURE}, built by make"
    description = "Runtime, architecture and build method are what the layers' Makefiles cross-build for"

    def match(self, cfn: Any) -> list[RuleMatch]:
        matches = []
        for name, resource in resources(cfn.template, FUNCTION, "AWS::Serverless::LayerVersion"):
            own = properties(resource)
            is_function = resource["Type"] == FUNCTION
            runtime = own.get("Runtime") if is_function else own.get("CompatibleRuntimes")
            architecture = own.get("Architectures" if is_function else "CompatibleArchitectures")
            wrong = [
                said
                for said, right in (
                    (f"runtime {runtime}", runtime in (RUNTIME, [RUNTIME])),
                    (f"architecture {architecture}", architecture == [ARCHITECTURE]),
                    (
                        "no BuildMethod: makefile",
                        resource.get("Metadata", {}).get("BuildMethod") == "makefile",
                    ),
                )
                if not right
            ]
            if wrong:
                matches.append(RuleMatch(["Resources", name], f"{name}: {', '.join(wrong)}"))
        return matches


class Named(CloudFormationLintRule):
    """A name that CloudFormation makes up is known to nobody: alarms, log streams and operators go by this one."""

    id = "E9104"
    shortdesc = "A function is named after its stack and itself"
    description = "FunctionName: !Sub ${AWS::StackName}-LogicalId; in a nested stack, the outermost one's name: ${StackName}"

    def match(self, cfn: Any) -> list[RuleMatch]:
        stack = "StackName" if "StackName" in cfn.template.get("Parameters", {}) else "AWS::StackName"
        return [
            RuleMatch(
                ["Resources", name, "Properties"], f"{name} needs FunctionName: !Sub ${{{stack}}}-{name}"
            )
            for name, function in resources(cfn.template, FUNCTION)
            if text(properties(function).get("FunctionName")) != f"${{{stack}}}-{name}"
        ]
