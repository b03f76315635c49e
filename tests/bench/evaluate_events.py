"""One event against many segments: the index beside six rule engines, in one run.

    make bench
    .venv/bin/python -m tests.bench.evaluate_events --sizes 1000 10000

Every engine gets the same rules and the same twenty prepared profiles, and must find the same members before
it is timed. Peers are installed into tests/bench/.peers at the first run. The table goes to the terminal and
to tests/bench/RESULTS.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.bench import peers, renderings
from tests.bench.realistic import Tree, atoms, make_rules
from tests.bench.results import keep, machine, table

HERE = Path(__file__).parent
RENDER: dict[str, Callable[[Tree], Any]] = {
    "datalogic-py": renderings.json_logic,
    "json-logic-engine": renderings.json_logic,
    "json-logic-qubit": renderings.json_logic,
    "zen-engine": renderings.zen,
    "growthbook": renderings.growthbook,
    "flagsmith-flag-engine": renderings.flagsmith,
}


class Disagreement(AssertionError):
    """A peer finds other members than the index does."""


def us(seconds: float) -> str:
    """A time in microseconds or milliseconds."""
    return f"{seconds * 1e6:,.0f} us" if seconds < 1e-3 else f"{seconds * 1e3:,.1f} ms"


def ratio(times: float) -> str:
    """A ratio with as many digits as say something."""
    return f"{times:,.0f}" if times >= 10 else f"{times:.1f}"


def ours(*arguments: str) -> dict[str, Any]:
    """A measurement of the index, in another process."""
    command = [sys.executable, "-m", "tests.bench.ours", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE.parents[1])
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def peer(name: str, rules: list[tuple[str, Tree]], folder: Path) -> tuple[int, dict[str, Any]]:
    """A measurement of a peer: of how many of the rules, and what came out. Raises `Disagreement`."""
    rendered = [RENDER[name](tree) for _, tree in rules]
    kept = [index for index, rule in enumerate(rendered) if rule is not None]
    profiles = json.loads((folder / "profiles.json").read_text())
    if name == "flagsmith-flag-engine":
        profiles = [{k: v for k, v in one.items() if not isinstance(v, list)} for one in profiles]
    repeats = max(2, min(20, 40_000 // len(rules)))
    job = folder / "job.json"
    job.write_text(
        json.dumps({"rules": [rendered[i] for i in kept], "profiles": profiles, "repeats": repeats})
    )
    result = peers.run(name, job)
    for number, (found, expected) in enumerate(
        zip(result["members"], json.loads((folder / "expected.json").read_text()), strict=True)
    ):
        wanted = sum((int(expected, 16) >> index & 1) << place for place, index in enumerate(kept))
        wrong = wanted ^ int(found, 16)
        if wrong:
            index = kept[wrong.bit_length() - 1]
            read = {atom.name: profiles[number].get(atom.name) for atom in atoms(rules[index][1])}
            raise Disagreement(
                f"{name} differs for {wrong.bit_count()} rules of profile {number}, e.g. "
                f"{json.dumps(rendered[index])} over {json.dumps(read)}"
            )
    return len(kept), result


def run(sizes: list[int], names: list[str]) -> str:
    """Measure all, and say it in Markdown."""
    rules = make_rules(max(sizes))
    own: dict[int, dict[str, Any]] = {}
    theirs: dict[int, dict[str, tuple[int, dict[str, Any]]]] = {size: {} for size in sizes}
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            own[size] = ours(str(size), place)
            own[size] |= ours("load", place)
            for name in names:
                print(f"{size:,} segments: {name}", file=sys.stderr)
                theirs[size][name] = peer(name, rules[:size], folder)
    return report(sizes, names, own, theirs)


def report(
    sizes: list[int],
    names: list[str],
    own: dict[int, dict[str, Any]],
    theirs: dict[int, dict[str, tuple[int, dict[str, Any]]]],
) -> str:
    """The tables."""
    headings = ["", *(f"{size:,} segments" for size in sizes)]
    times = [
        ["index: an event, one by one", *(us(own[size]["update"]) for size in sizes)],
        ["the same, 95th percentile", *(us(own[size]["slow"]) for size in sizes)],
        ["index: a whole profile from its events", *(us(own[size]["start"]) for size in sizes)],
        ["index: a whole profile, figures prepared", *(us(own[size]["seconds"]) for size in sizes)],
        ["our closures, one by one, figures prepared", *(us(own[size]["closures"]) for size in sizes)],
    ]
    for name in names:
        cells = []
        for size in sizes:
            count, found = theirs[size][name]
            subset = "" if count == size else f" ({count:,} rules)"
            cells.append(us(found["seconds"]) + subset)
        times.append([name, *cells])
    ratios = []
    for title, key in (
        ("an event (peers: all rules anew)", "update"),
        ("a whole profile from its events", "start"),
        ("like for like, figures prepared", "seconds"),
    ):
        cells = []
        for size in sizes:
            whole = {name: found["seconds"] for name, (count, found) in theirs[size].items() if count == size}
            fastest = min(whole, key=lambda name: whole[name]) if whole else None
            cells.append(f"{ratio(whole[fastest] / own[size][key])} x {fastest}" if fastest else "-")
        ratios.append([f"fastest peer / index: {title}", *cells])
    growth = [
        f"From {a:,} to {b:,} segments an event costs {own[b]['update'] / own[a]['update']:.1f} times as much."
        for a, b in pairwise(sizes)
    ]

    def mb(count: int) -> str:
        return f"{count / 1e6:,.1f} MB"

    figures = [
        ["check and normalize the documents", *(f"{own[s]['check']:.2f} s" for s in sizes)],
        ["compile the index", *(f"{own[s]['compile']:.2f} s" for s in sizes)],
        ["artifact", *(f"{own[s]['artifact'] / 1e3:,.0f} kB" for s in sizes)],
        ["load the artifact", *(us(own[s]["load"]) for s in sizes)],
        ["memory, loaded", *(mb(own[s]["loaded"]) for s in sizes)],
        ["memory, after 3,280 evaluations", *(mb(own[s]["warm"]) for s in sizes)],
        ["of these, bitmaps", *(mb(own[s]["bitmaps"]) for s in sizes)],
        ["first sight of a profile, nothing cached", *(us(own[s]["cold"]) for s in sizes)],
        ["load it with all that an evaluating function needs", *(us(own[s]["program"]) for s in sizes)],
        ["an event, state decoded, foretold, encoded", *(us(own[s]["visitor"]) for s in sizes)],
        ["segments that a profile is in", *(f"{own[s]['share']:.1%}" for s in sizes)],
    ]
    return "\n\n".join(
        [
            f"Measured on: {machine()}. Medians of one run, in CPU time of the process, so that "
            "what else the machine does is not counted; the ratios count more than the times.",
            "The same rules and prepared profiles for all, results compared before timing. Peers evaluate every rule "
            "over a prepared profile (222 attributes, figures of behaviors among them, referenced segments as a list); "
            "the index does that too, and it also computes the figures itself: from all kept events of a profile, or, "
            "with what it holds of the profile, those that an event changes; no peer has such an update. "
            "Flagsmith has no array traits: its rules with tags or segments are left out, and it does not count as a "
            "peer in the ratios. `json-logic` from PyPI is Python 2 only; its heir json-logic-qubit stands "
            "for it. zen-engine and datalogic-py get the whole rule set in one native call.",
            table(headings, times),
            table(headings, ratios),
            " ".join(growth),
            "## The rule set",
            table(headings, figures),
        ]
    )


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 10_000, 50_000])
    parser.add_argument("--peers", nargs="*", choices=peers.NAMES, default=list(peers.NAMES))
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    arguments = parser.parse_args()
    peers.install(str(Path(sys.executable).with_name("uv")))
    text = run(sorted(arguments.sizes), arguments.peers)
    print(text)
    keep("One event against many segments", text, arguments.out)


if __name__ == "__main__":
    main()
