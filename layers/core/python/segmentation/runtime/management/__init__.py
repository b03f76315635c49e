"""The management API: a table of operations, from which requests are served and the OpenAPI document is made."""
