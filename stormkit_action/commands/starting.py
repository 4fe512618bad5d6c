"""Triggering a deployment, and nothing that is only needed after it: all this imports delays the trigger."""

from dataclasses import dataclass

from stormkit_action.context import Work
from stormkit_action.errors import ActionError, Cancelled
from stormkit_action.stormkit.session import PATIENCE
from stormkit_action.stormkit.trigger import Trigger


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """How far it got: `deployment_id`, or the `problem` that kept it from being known. `trigger` is None before it."""

    trigger: Trigger | None
    deployment_id: str = ""
    problem: ActionError | Cancelled | None = None


def start(work: Work) -> Started:
    """Stop what is superseded if asked for, and trigger."""
    trigger: Trigger | None = None
    try:
        give_up = work.deadline.within(PATIENCE)
        known: frozenset[str] = frozenset()
        if work.inputs.stop_superseded:
            from stormkit_action.commands import cleanup as removing  # noqa: PLC0415 - few ask for it

            known = removing.stop_superseded(work, give_up)
        trigger = Trigger(
            client=work.client, branch=work.plan.branch, clock=work.clock, known=known, say=work.watcher.line
        )
        work.watcher.triggering(work.site)
        return Started(trigger=trigger, deployment_id=trigger.run(patience=give_up.remaining))
    except (ActionError, Cancelled) as problem:
        return Started(trigger=trigger, problem=problem)
