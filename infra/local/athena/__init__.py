"""Athena for the embedded cloud: its ordinary API, answered by DuckDB over the Parquet in the emulated S3.

A query goes through `statements` (what kind of statement is it?), `translate` (Trino SQL to DuckDB SQL, by a
closed list), `catalog` (Glue tables to DuckDB views), `engine` (run it, write it) and comes back through
`results` (Athena's texts and types). `service` is the API in front of all that.
"""

from infra.local.athena.service import AthenaService

__all__ = ["AthenaService"]
