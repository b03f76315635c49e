"""Rules on what roles grant."""

from __future__ import annotations

import re
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch

from infra.lint._sam import FUNCTION, as_list, resources, statements, text
from infra.lint._stacks import Stack

# Actions that AWS offers on no narrower resource than "*". Each entry needs its reason beside it.
ONLY_ON_EVERYTHING = frozenset({"cloudwatch:GetMetricData"})  # metrics have no ARN
# A star may stand for all under a named prefix, at the end: "${LakeBucket.Arn}/events/*", "...:table/db/*".
UNDER_A_PREFIX = re.compile(r"[^*]+/[^/*]+/\*")


class Literal(CloudFormationLintRule):
    """Least privilege is read off the template: a star hides what a role can do."""

    id = "E9111"
    shortdesc = "Roles name their actions and resources"
    description = "No star in an action; in a resource only at the end, under a named prefix"

    def match(self, cfn: Any) -> list[RuleMatch]:
        matches = []
        grantors = ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", FUNCTION)
        for name, resource in resources(cfn.template, *grantors):
            path = ["Resources", name, "Properties"]
            for statement in statements(resource):
                actions = [text(action) for action in as_list(statement.get("Action"))]
                if "NotAction" in statement or "NotResource" in statement:
                    matches.append(
                        RuleMatch(path, f"{name} grants all but something (NotAction, NotResource)")
                    )
                for action in actions:
                    if "*" in action:
                        matches.append(RuleMatch(path, f"{name} grants {action}: name the actions"))
                for where in map(text, as_list(statement.get("Resource"))):
                    listed = where == "*" and set(actions) <= ONLY_ON_EVERYTHING
                    if "*" in where and not listed and not UNDER_A_PREFIX.fullmatch(where):
                        matches.append(
                            RuleMatch(path, f"{name} grants on {where}: name the resource or a prefix")
                        )
        return matches


class NoForeignPolicies(CloudFormationLintRule):
    """AWS's own managed policies are wide, and change without this repository changing."""

    id = "E9112"
    shortdesc = "Roles attach only managed policies of these templates"
    description = "ManagedPolicyArns holds references to AWS::IAM::ManagedPolicy resources, also of other stacks of ours"

    def match(self, cfn: Any) -> list[RuleMatch]:
        stack = Stack.of(cfn)
        return [
            RuleMatch(
                ["Resources", name, "Properties", "ManagedPolicyArns"],
                f"{name} attaches a policy that stands in none of these templates",
            )
            for name, role in resources(cfn.template, "AWS::IAM::Role")
            for policy in as_list(role.get("Properties", {}).get("ManagedPolicyArns"))
            if (found := stack.find(policy)) is None or found.resource["Type"] != "AWS::IAM::ManagedPolicy"
        ]
