"""Runs in an environment of its own: evaluates SQL expressions with Velox's Presto functions.

Standard input: `[{"columns": path of a Parquet file, "expressions": [...]}]`. Standard output: for each job
and expression `{"value": [...]}` or `{"error": "..."}`.
"""

import json
import os
import sys

import pyarrow.parquet as pq
import pyvelox.legacy as velox


def main() -> None:
    velox.register_presto_signatures()
    answers = []
    for job in json.load(sys.stdin):
        table = pq.read_table(job["columns"]).combine_chunks()
        columns = {name: velox.import_from_arrow(table.column(name).chunk(0)) for name in table.column_names}
        answers.append([evaluate(columns, expression) for expression in job["expressions"]])
    json.dump(answers, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # Velox's threads do not end by themselves


def evaluate(columns: dict[str, object], expression: str) -> dict[str, object]:
    try:
        result = velox.Expression.from_string(expression).evaluate(columns)
        return {"value": velox.export_to_arrow(result).to_pylist()}
    except Exception as error:  # whatever it is, it is an answer
        return {"error": str(error)[:500]}


if __name__ == "__main__":
    main()
