"""The embedded cloud: template.yaml, alive on one machine, without an AWS account."""
