"""Triggering a deployment, and nothing that is only needed after it: all this imports delays the trigger."""

from dataclasses import dataclass

from stormkit_action.context import Context
from stormkit_action.errors import ActionError, Cancelled
from stormkit_action.stormkit.session import PATIENCE
from stormkit_action.stormkit.trigger import Trigger


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """How far it got: `deployment_id`, or the `problem` that kept it from being known. `trigger` is None before it."""

    trigger: Trigger | None
    deployment_id: str = ""
    problem: ActionError | Cancelled | None = None


def start(context: Context) -> Started:
    """Stop what is superseded if asked for, and trigger."""
    trigger: Trigger | None = None
    try:
        give_up = context.deadline.within(PATIENCE)
        known: frozenset[str] = frozenset()
        if context.inputs.stop_superseded:
            from stormkit_action.commands import cleanup as removing  # noqa: PLC0415 - few ask for it

            known = removing.stop_superseded(context, give_up)
        trigger = Trigger(
            client=context.client,
            branch=context.plan.branch,
            clock=context.clock,
            known=known,
            say=context.reporter.line,
        )
        context.reporter.triggering(context.environment)
        return Started(trigger=trigger, deployment_id=trigger.run(patience=give_up.remaining))
    except (ActionError, Cancelled) as problem:
        return Started(trigger=trigger, problem=problem)
