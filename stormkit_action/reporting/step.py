"""What is known of a step so far, so that an error at any point can be reported with it."""

from dataclasses import dataclass, field

from stormkit_action.event import Event
from stormkit_action.inputs import Inputs
from stormkit_action.plan import Plan
from stormkit_action.reporting.github_report import GitHubReport


@dataclass(kw_only=True)
class Step:
    """Filled in as the step goes on. `github` reports to GitHub; None outside of it."""

    event: Event = field(default_factory=Event)
    inputs: Inputs | None = None
    plan: Plan | None = None
    github: GitHubReport | None = None
