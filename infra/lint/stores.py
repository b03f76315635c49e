"""Rules on what holds data: it outlives its stack, it is encrypted, it is private, it does not grow for ever."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch

from infra.lint._sam import Node, properties, resources

KEPT = (
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::Kinesis::Stream",
    "AWS::Glue::Database",
    "AWS::SecretsManager::Secret",
)
ENCRYPTED: Mapping[str, Callable[[Node], bool]] = {
    "AWS::DynamoDB::Table": lambda own: (own.get("SSESpecification") or {}).get("SSEEnabled") is True,
    "AWS::S3::Bucket": lambda own: "ServerSideEncryptionConfiguration" in (own.get("BucketEncryption") or {}),
    "AWS::Kinesis::Stream": lambda own: (own.get("StreamEncryption") or {}).get("EncryptionType") == "KMS",
    "AWS::SQS::Queue": lambda own: own.get("SqsManagedSseEnabled") is True or "KmsMasterKeyId" in own,
}
PUBLIC_ACCESS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


class Retained(CloudFormationLintRule):
    """Deleting a stack, or a replacement that nobody foresaw, must not delete data."""

    id = "E9131"
    shortdesc = "Data outlives its stack"
    description = (
        "DeletionPolicy and UpdateReplacePolicy are Retain on tables, buckets, streams, databases, secrets"
    )

    def match(self, cfn: Any) -> list[RuleMatch]:
        return [
            RuleMatch(
                ["Resources", name], f"{name} needs DeletionPolicy: Retain and UpdateReplacePolicy: Retain"
            )
            for name, resource in resources(cfn.template, *KEPT)
            if {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")} != {"Retain"}
        ]


class Encrypted(CloudFormationLintRule):
    """Said in the template, though AWS encrypts some of these by default: defaults differ by service and age."""

    id = "E9132"
    shortdesc = "What holds data is encrypted at rest, explicitly"
    description = "Tables, buckets, streams and queues say how they are encrypted"

    def match(self, cfn: Any) -> list[RuleMatch]:
        return [
            RuleMatch(["Resources", name], f"{name} does not say that it is encrypted")
            for name, resource in resources(cfn.template, *ENCRYPTED)
            if not ENCRYPTED[resource["Type"]](properties(resource))
        ]


class Private(CloudFormationLintRule):
    """No bucket of ours is read by the public; what is public goes through the API."""

    id = "E9133"
    shortdesc = "Buckets block all public access"
    description = "All four settings of PublicAccessBlockConfiguration are true"

    def match(self, cfn: Any) -> list[RuleMatch]:
        return [
            RuleMatch(["Resources", name], f"{name} does not block all public access")
            for name, bucket in resources(cfn.template, "AWS::S3::Bucket")
            if any(
                (properties(bucket).get("PublicAccessBlockConfiguration") or {}).get(setting) is not True
                for setting in PUBLIC_ACCESS
            )
        ]


class Aged(CloudFormationLintRule):
    """Old versions, results and failures go by themselves: nobody remembers to delete them."""

    id = "E9134"
    shortdesc = "Buckets have a lifecycle"
    description = "LifecycleConfiguration says what goes, and when"

    def match(self, cfn: Any) -> list[RuleMatch]:
        return [
            RuleMatch(["Resources", name], f"{name} has no LifecycleConfiguration")
            for name, bucket in resources(cfn.template, "AWS::S3::Bucket")
            if not (properties(bucket).get("LifecycleConfiguration") or {}).get("Rules")
        ]
