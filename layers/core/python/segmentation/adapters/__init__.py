"""The ports on AWS. The only importers of boto3, pyarrow and urllib3; each takes its client as a parameter."""
