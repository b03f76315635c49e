"""Runs in an environment of its own: runs whole queries with Spark.

Standard input: `[{"tables": {name: path}, "queries": [...]}]`. Standard output: for each job and query
`{"rows": [[profile key, [segments]], ...]}` or `{"error": "..."}`.
"""

import json
import os
import sys

from pyspark.sql import SparkSession


def main() -> None:
    jobs = json.load(sys.stdin)
    answer, sys.stdout = os.dup(1), sys.stderr
    os.dup2(2, 1)  # Spark's own words go elsewhere
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.legacy.sizeOfNull", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.datetimeRebaseModeInRead", "CORRECTED")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    answers = []
    for job in jobs:
        for name, path in job["tables"].items():
            spark.read.parquet(path).createOrReplaceTempView(name)
        answers.append([run(spark, query) for query in job["queries"]])
    os.write(answer, json.dumps(answers).encode())


def run(spark: SparkSession, query: str) -> dict[str, object]:
    try:
        return {"rows": [[row[0], list(row[1])] for row in spark.sql(query).collect()]}
    except Exception as error:  # whatever it is, it is an answer
        return {"error": str(error)[:2000]}


if __name__ == "__main__":
    main()
