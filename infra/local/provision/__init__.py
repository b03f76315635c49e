"""Creates the resources of a template: in moto through boto3, or as functions and event sources of this cloud.

A resource type, or a property of one, that stands in no table here stops the cloud: nothing is skipped.
"""
