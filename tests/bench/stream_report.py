"""The tables of the bench of the stream."""

import os
from collections.abc import Mapping
from typing import Any

from tests.bench.evaluate_events import us
from tests.bench.results import machine, table
from tests.bench.stream_stages import STAGES


def median(values: list[float]) -> float:
    """The middle one."""
    return sorted(values)[len(values) // 2]


def report(
    how: str,
    results: list[dict[str, Any]],
    states: list[list[str]],
    peer: Mapping[int, float],
    waits: list[float],
) -> str:
    """All tables. `how` says what was measured, `peer` the plain way's seconds by size, `waits` the seconds to an answer."""
    headings = ["", *(f"{one['size']:,} segments" for one in results)]
    rows = []
    for visitors in (100, 10):
        for known in (True, False):
            what = f"100 events of {visitors} {'known' if known else 'new'} visitors: CPU an event, in memory"
            rows.append([what, *(us(one[visitors, known][0]) for one in results)])
    rows.append(
        [
            "events a second on one core, of 100 known visitors",
            *(f"{1 / one[100, True][0]:,.0f}" for one in results),
        ]
    )
    for visitors in (100, 10):
        rows.append(
            [
                f"the AWS client on top, {visitors} visitors",
                *(us(max(0.0, one["client", visitors])) for one in results),
            ]
        )
        rows.append(
            [f"with moto as the store, {visitors} visitors", *(us(one["moto", visitors]) for one in results)]
        )
    rows.append(
        [
            "plain: all events kept, datalogic-py for every segment",
            *(us(peer[one["size"]]) for one in results),
        ]
    )
    rows.append(
        ["the same, of ours", *(f"{peer[one['size']] / one[100, True][0]:,.0f} x" for one in results)]
    )
    stages = []
    for visitors, known in ((100, True), (100, False), (10, True)):
        for stage in STAGES:
            if stage != "AWS client":
                what = f"{visitors} {'known' if known else 'new'} visitors: {stage}"
                stages.append([what, *(us(max(0.0, one[visitors, known][1][stage])) for one in results)])
    requests = [
        [
            f"100 events of {visitors} visitors",
            f"{sum(one['requests', visitors].values()):.1f}",
            ", ".join(f"{k} {v:.1f}" for k, v in sorted(one["requests", visitors].items())),
        ]
        for one in results[-1:]
        for visitors in (100, 10)
    ]
    parts = [
        "# What an event costs on the stream",
        f"Measured on: {machine()}. CPU, medians of one run. Load average {os.getloadavg()[0]:.0f}: other work shared the "
        "cores and their caches, so these are upper bounds.",
        how,
        table(headings, rows),
        "## By stage, an event, in memory",
        table(headings, stages),
        "## AWS requests",
        table(["", "requests", "of which"], requests),
        "## A visitor's state",
        f"By {results[-1]['size']:,} segments, over 60 days.",
        table(["", "state", "item"], states),
    ]
    if waits:
        ordered = sorted(waits)
        parts += [
            "## From an accepted HTTP event to the changed answer, on the embedded cloud",
            f"{len(waits)} events, asked without a pause: median {median(waits) * 1e3:.0f} ms, "
            f"95th percentile {ordered[int(len(ordered) * 0.95)] * 1e3:.0f} ms.",
        ]
    parts.append(
        "Published of others: PostHog's processor, p50 18 ms an event; Dittofeed computes every 120 s; Unomi counts "
        "windows nightly."
    )
    return "\n\n".join(parts)
