"""Publish the documents of a folder: all of an audience at once, and never over an edit that the files do not know."""

from segmentation.domain.published import Published

from .files import AudienceRules, Key, RulesRefused
from .plan import Action, File, Notes, Plan, Planner
from .remotes import Remote


def plan_for(
    rules: AudienceRules,
    remote: Remote,
    notes: Notes | None = None,
    *,
    overwrite: bool = False,
    prune: bool = False,
    note: str = "",
) -> Plan:
    """What publishing would change. `RulesRefused` if the documents are not in order."""
    rules.check()
    noted = notes.of(rules.id) if notes is not None else None
    planner = Planner(
        rules,
        remote.entries(rules.id),
        lambda entry: remote.from_files(rules.id, entry),
        noted,
        overwrite=overwrite,
        prune=prune,
        note=note,
        kinds=remote.kinds(),
    )
    return planner.plan()


def apply(plan: Plan, rules: AudienceRules, remote: Remote, notes: Notes | None = None) -> None:
    """Make a plan's edits. `RulesRefused` names the documents that were changed on both sides; then nothing is made.

    `Outdated`: something was changed since the plan was made.
    """
    conflicts = plan.of(Action.CONFLICT)
    if conflicts:
        raise RulesRefused([f"{step.name}: changed here, and {step.why}" for step in conflicts])
    if plan.edits:
        remote.apply(rules.id, plan.edits)
    if notes is not None:
        notes.keep(rules.id, remote.entries(rules.id), standing(rules, remote))


def standing(rules: AudienceRules, remote: Remote) -> dict[Key, File]:
    """The files of an audience, of the kinds that the caller may change."""
    kinds = remote.kinds()
    return {key: (document, folder) for key, document, folder in rules.documents() if key[0] in kinds}


def publish(rules: AudienceRules, remote: Remote) -> Published:
    """Plan and apply in one go; what stands then, if nobody else added anything."""
    apply(plan_for(rules, remote), rules, remote)
    return rules.check()
