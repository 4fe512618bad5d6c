"""What is known of a step so far, so that an error at any point can be reported with it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stormkit_action.event import Event
from stormkit_action.inputs import Inputs
from stormkit_action.later import Later
from stormkit_action.plan import Plan

if TYPE_CHECKING:
    from stormkit_action.reporting.github_report import GitHubReport


@dataclass(kw_only=True, slots=True)
class Known:
    """Filled in as the step goes on. `github` is what GitHub is told through; None outside of it."""

    event: Event
    inputs: Inputs | None = None
    plan: Plan | None = None
    github: "Later[GitHubReport | None]" = field(default_factory=lambda: Later(lambda: None))
