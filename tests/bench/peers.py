"""Runs one engine over the bench's rules, in a process of its own: `python -m tests.bench.peers NAME JOB`.

The job (JSON) holds rules as the engine wants them and prepared profiles; what comes out is the CPU time
to build, the median a profile, and who is in what, as bitmaps, so that the caller can compare.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
INSTALLED = HERE / ".peers"
PYTHON = {
    "datalogic-py": ("datalogic-py>=5.9,<6",),
    "zen-engine": ("zen-engine>=2,<3",),
    "growthbook": ("growthbook>=4,<5",),
    "flagsmith-flag-engine": ("flagsmith-flag-engine>=11,<12",),
    # `json-logic` itself is written for Python 2 and stops at its first rule; this is its heir, same module.
    "json-logic-qubit": ("json-logic-qubit>=0.9,<1",),
}
NODE = "json-logic-engine@5"
NAMES = (*PYTHON, "json-logic-engine")

Evaluate = Callable[[dict[str, Any]], list[bool]]


def install(uv: str) -> None:
    """Put each peer into a folder of its own, once."""
    for name, requirements in PYTHON.items():
        folder = INSTALLED / name
        if not folder.exists():
            command = [uv, "pip", "install", "-q", "--python", sys.executable, "--target", str(folder)]
            subprocess.run([*command, *requirements], check=True)
    if not (INSTALLED / "node_modules").exists():
        INSTALLED.mkdir(exist_ok=True)
        (INSTALLED / "package.json").write_text("{}")
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--silent", NODE], cwd=INSTALLED, check=True
        )


def datalogic(rules: list[Any]) -> Evaluate:
    """Compiled rules, one data handle a profile, all rules in one native call."""
    from datalogic_py import DataHandle, Engine

    engine = Engine()
    compiled = [engine.compile(rule) for rule in rules]
    session = engine.session()

    def evaluate(profile: dict[str, Any]) -> list[bool]:
        return [result == "true" for result in session.evaluate_many(compiled, DataHandle(profile))]

    return evaluate


def zen_engine(rules: list[Any]) -> Evaluate:
    """One decision whose single node holds all expressions, so that a profile enters only once."""
    import zen

    expressions = [{"id": str(i), "key": f"r{i}", "value": rule} for i, rule in enumerate(rules)]
    place = {"position": {"x": 0, "y": 0}}
    content = {
        "nodes": [
            {"id": "in", "type": "inputNode", "name": "in", **place},
            {
                "id": "all",
                "type": "expressionNode",
                "name": "all",
                "content": {"expressions": expressions},
                **place,
            },
            {"id": "out", "type": "outputNode", "name": "out", **place},
        ],
        "edges": [
            {"id": "1", "type": "edge", "sourceId": "in", "targetId": "all"},
            {"id": "2", "type": "edge", "sourceId": "all", "targetId": "out"},
        ],
    }
    decision = zen.ZenEngine().create_decision(zen.ZenDecisionContent(json.dumps(content)))

    def evaluate(profile: dict[str, Any]) -> list[bool]:
        found = decision.evaluate(profile)["result"]
        return [found[f"r{i}"] for i in range(len(rules))]

    return evaluate


def growthbook(rules: list[Any]) -> Evaluate:
    """Each condition in turn."""
    from growthbook.core import evalCondition

    return lambda profile: [bool(evalCondition(profile, rule)) for rule in rules]


def flagsmith(rules: list[Any]) -> Evaluate:
    """Its segment test for each segment, without the flags that it would compute besides."""
    from flag_engine.segments.evaluator import is_context_in_segment

    segments = [{"key": str(i), "name": str(i), "rules": [rule]} for i, rule in enumerate(rules)]

    def evaluate(profile: dict[str, Any]) -> list[bool]:
        identity = {"identifier": "p", "key": "p", "traits": profile}
        context = {"environment": {"key": "e", "name": "e"}, "identity": identity}
        return [is_context_in_segment(context, segment) for segment in segments]

    return evaluate


def json_logic(rules: list[Any]) -> Evaluate:
    """Each rule in turn; it has no compiled form."""
    from json_logic import jsonLogic

    return lambda profile: [bool(jsonLogic(rule, profile)) for rule in rules]


ENGINES: dict[str, Callable[[list[Any]], Evaluate]] = {
    "datalogic-py": datalogic,
    "zen-engine": zen_engine,
    "growthbook": growthbook,
    "flagsmith-flag-engine": flagsmith,
    "json-logic-qubit": json_logic,
}


def measure(name: str, rules: list[Any], profiles: list[dict[str, Any]], repeats: int) -> dict[str, Any]:
    """Build, check out what it finds, and time it."""
    started = time.process_time()
    evaluate = ENGINES[name](rules)
    built = time.process_time() - started
    members = []
    for profile in profiles:
        found = evaluate(profile)
        members.append(f"{sum(1 << i for i, one in enumerate(found) if one):x}")
    seconds = []
    for _ in range(repeats):
        for profile in profiles:
            started = time.process_time()
            evaluate(profile)
            seconds.append(time.process_time() - started)
    return {"build": built, "seconds": statistics.median(seconds), "members": members}


def run(name: str, job: Path) -> dict[str, Any]:
    """The measurement of one engine, made in another process."""
    if name == "json-logic-engine":
        command = ["node", "--max-old-space-size=6000", str(HERE / "peer.mjs"), str(INSTALLED), str(job)]
    else:
        command = [sys.executable, "-m", "tests.bench.peers", name, str(job)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE.parents[1])
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    which, path = sys.argv[1:]
    sys.path.insert(0, str(INSTALLED / which))
    work = json.loads(Path(path).read_text())
    print(json.dumps(measure(which, work["rules"], work["profiles"], work["repeats"])))
