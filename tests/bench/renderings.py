"""The bench's rules as each engine wants them. Guards stand only where an engine would take a missing value
for a small one."""

import json
import re
from typing import Any

from tests.bench.realistic import Atom, Figure, Tree, atoms


def ours(tree: Tree, prepared: bool) -> Any:
    """Our language; `prepared`: with figures as attributes."""
    if not isinstance(tree, Atom):
        return {{"not": "!"}.get(tree.op, tree.op): [ours(part, prepared) for part in tree.parts]}
    subject = tree.subject
    if isinstance(subject, Figure) and not prepared:
        value = subject.expression()
    elif subject == "segments":
        value = {"var": "segments"}
    else:
        value = {"var": f"attributes.{tree.name}"}
    return _json_logic(tree, value, guarded=False, starts={"starts_with": [value, tree.value]})


def json_logic(tree: Tree) -> Any:
    """Standard JSON-Logic over prepared data."""
    if not isinstance(tree, Atom):
        return {{"not": "!"}.get(tree.op, tree.op): [json_logic(part) for part in tree.parts]}
    value = {"var": tree.name}
    starts = {
        "and": [{"!==": [value, None]}, {"==": [{"substr": [value, 0, len(str(tree.value))]}, tree.value]}]
    }
    return _json_logic(tree, value, guarded=True, starts=starts)


def _json_logic(atom: Atom, value: Any, guarded: bool, starts: Any) -> Any:
    match atom.op:
        case "is":
            # `==` of the standard takes a missing value for `false`.
            return {"===" if guarded else "==": [value, atom.value]}
        case "in":
            return {"in": [value, list(atom.value)]}
        case "between":
            return {"and": [{"<=": [atom.value, value]}, {"<": [value, atom.other]}]}
        case "least":
            return {">=": [value, atom.value]}
        case "less":
            less = {"<": [value, atom.value]}
            may_miss = guarded and isinstance(atom.subject, str)
            return {"and": [{"!==": [value, None]}, less]} if may_miss else less
        case "contains" | "has":
            return {"in": [atom.value, value]}
    return starts


def zen(tree: Tree) -> str:
    """The expression language of zen-engine."""
    if not isinstance(tree, Atom):
        parts = [zen(part) for part in tree.parts]
        return f"not ({parts[0]})" if tree.op == "not" else "(" + f" {tree.op} ".join(parts) + ")"
    name, value = tree.name, json.dumps(tree.value)
    match tree.op:
        case "is":
            return f"{name} == {value}"
        case "in":
            return f"{name} in {json.dumps(list(tree.value))}"
        case "between":
            return f"({name} != null and {name} >= {value} and {name} < {tree.other})"
        case "least":
            return f"({name} != null and {name} >= {value})"
        case "less":
            return f"({name} != null and {name} < {value})"
        case "has":
            return f"({name} != null and {value} in {name})"
        case "contains":
            return f"({name} != null and contains({name}, {value}))"
    return f"({name} != null and startsWith({name}, {value}))"


def growthbook(tree: Tree) -> Any:
    """A targeting condition of GrowthBook."""
    if not isinstance(tree, Atom):
        parts = [growthbook(part) for part in tree.parts]
        return {"$not": parts[0]} if tree.op == "not" else {f"${tree.op}": parts}
    match tree.op:
        case "is":
            test: Any = tree.value
        case "in":
            test = {"$in": list(tree.value)}
        case "between":
            test = {"$gte": tree.value, "$lt": tree.other}
        case "least":
            test = {"$gte": tree.value}
        case "less":
            test = {"$lt": tree.value}
        case "has":
            test = {"$elemMatch": {"$eq": tree.value}}
        case "contains":
            test = {"$regex": re.escape(tree.value)}
        case _:
            test = {"$regex": "^" + re.escape(tree.value)}
    return {tree.name: test}


def flagsmith(tree: Tree) -> Any:
    """A rule of a Flagsmith segment, `None` where it cannot be said: Flagsmith has no array traits."""
    if any(atom.op == "has" for atom in atoms(tree)):
        return None
    if isinstance(tree, Atom):
        return {"type": "ALL", "conditions": _flagsmith(tree)}
    kind = {"and": "ALL", "or": "ANY", "not": "NONE"}[tree.op]
    conditions = [
        c for part in tree.parts if isinstance(part, Atom) and _is_single(part) for c in _flagsmith(part)
    ]
    rules = [flagsmith(part) for part in tree.parts if not isinstance(part, Atom) or not _is_single(part)]
    if kind != "ALL" and rules:  # conditions and rules of one level are joined by AND
        rules += [{"type": "ALL", "conditions": [condition]} for condition in conditions]
        return {"type": kind, "rules": rules}
    return {"type": kind, "conditions": conditions, "rules": rules}


def _is_single(atom: Atom) -> bool:
    return atom.op != "between"


def _flagsmith(atom: Atom) -> list[Any]:
    def condition(operator: str, value: Any) -> Any:
        text = (
            str(value).lower()
            if isinstance(value, bool)
            else value
            if isinstance(value, list)
            else str(value)
        )
        return {"property": atom.name, "operator": operator, "value": text}

    match atom.op:
        case "is":
            return [condition("EQUAL", atom.value)]
        case "in":
            return [condition("IN", list(atom.value))]
        case "between":
            return [condition("GREATER_THAN_INCLUSIVE", atom.value), condition("LESS_THAN", atom.other)]
        case "least":
            return [condition("GREATER_THAN_INCLUSIVE", atom.value)]
        case "less":
            return [condition("LESS_THAN", atom.value)]
        case "contains":
            return [condition("CONTAINS", atom.value)]
    return [condition("REGEX", "^" + re.escape(atom.value))]
