"""Attributes that events set, such as what an `identify` call says of a visitor.

    "event_attributes": {"traits": ["plan", "city"]}          behavior -> columns

`attributes.plan` is then what the latest event of `traits` says that has a `plan`, in every reading of the language.
Such an attribute is not built and not published: tokens do not expose it, and rules that read it are of both kinds.
"""

from collections.abc import Collection, Mapping

from segmentation.language.problems import did_you_mean, step
from segmentation.language.types import Type

from .checking import Node


def parse_event_attributes(
    root: Node, behaviors: Mapping[str, Mapping[str, Type]], attributes: Collection[str]
) -> dict[str, tuple[str, str]]:
    """Attribute -> behavior and column; problems are noted in the document's findings."""
    found: dict[str, tuple[str, str]] = {}
    node = root.child("event_attributes") if "event_attributes" in root.value else None
    for behavior in node.value if node is not None else ():
        assert node is not None  # noqa: S101 - else there is nothing to go through
        if behavior not in behaviors:
            message = f"unknown behavior {behavior!r}{did_you_mean(behavior, behaviors)}"
            node.found.add(node.at(behavior), "unknown-behavior", message)
            continue
        columns = behaviors[behavior]
        for index, name in enumerate(node.texts(behavior)):
            pointer = step(node.at(behavior), index)
            if name not in columns:
                message = f"behavior {behavior!r} has no column {name!r}{did_you_mean(name, columns)}"
                node.found.add(pointer, "unknown-column", message)
            elif columns[name].is_array:
                message = f"{name!r} is a {columns[name].noun}; events set attributes of one value"
                node.found.add(pointer, "type-mismatch", message)
            elif name in attributes or name in found:
                message = f"there is an attribute {name!r} already"
                node.found.add(pointer, "duplicate", message)
            else:
                found[name] = (behavior, name)
    return found
