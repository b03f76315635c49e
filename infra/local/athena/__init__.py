"""Athena for the embedded cloud: its ordinary API, answered by DuckDB over the Parquet in the emulated S3.

A query goes through `statements` (what kind of statement is it?), `translate` (Trino SQL to DuckDB SQL: `trino` parses,
`proven` holds the closed list, `names` resolves, `rendering` writes), `session` (Glue tables as DuckDB views, by `catalog`),
`engine` (run it; `writing` and `definitions` leave something) and comes back through `results` (Athena's texts and types).
`service` is the API in front of all that, with `work_groups` and `metadata`.
"""
