"""Take what is published over into the files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from segmentation.domain.rulebook import ACCESS, Entry

from .files import AudienceRules, Document, Key, write_access, write_document
from .plan import Action, Plan, Step


def pull(
    rules: AudienceRules | None,
    root: Path,
    audience: str,
    entries: Mapping[Key, Entry],
    plan: Plan | None,
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write the documents that others changed; with `overwrite`, all that differ. The files that were written or removed.

    Without a plan (there were no files of the audience) everything is written. Files that only this side changed stay.
    """
    wanted = {(step.kind, step.id) for step in _taken(plan, overwrite)} if plan is not None else set(entries)
    at: dict[Key, Path] = {}
    access: Mapping[str, Sequence[Document]] = {}
    if rules is not None:
        at = {("audience", rules.id): rules.path}
        at |= {("segments", str(one["id"])): path for path, one in rules.segments}
        at |= {("destinations", str(one["id"])): path for path, one in rules.destinations}
        access = {kind: rules.access.get(kind, []) for kind in ACCESS}
    touched = []
    for key in sorted(wanted):
        entry, path = entries.get(key), at.get(key)
        if key[0] in ACCESS:
            continue
        if entry is None or entry.record.deleted:
            if path is not None:
                path.unlink()
                touched.append(path)
        elif not entry.record.archived or path is not None:
            document, folder = dict(entry.document), entry.record.folder
            touched.append(write_document(root, key[0], document, folder, path))
    keys = {key for key in wanted if key[0] in ACCESS}
    if keys:
        file = rules.access_path if rules is not None else None
        touched.append(write_access(root, audience, _merged(access, entries, keys), file))
    return touched


def _taken(plan: Plan, overwrite: bool) -> list[Step]:
    return [step for step in plan.steps if overwrite or step.action is Action.PULL]


def _merged(
    access: Mapping[str, Sequence[Document]], entries: Mapping[Key, Entry], keys: set[Key]
) -> dict[str, list[Document]]:
    """The keys and tokens of a file, with some of them as they are published."""
    merged: dict[str, list[Document]] = {}
    for kind in ACCESS:
        known = {str(one["id"]): one for one in access.get(kind, ())}
        for _, identifier in sorted(key for key in keys if key[0] == kind):
            entry = entries.get((kind, identifier))
            if entry is None or entry.record.deleted:
                known.pop(identifier, None)
            else:
                known[identifier] = dict(entry.document)
        merged[kind] = list(known.values())
    return merged
