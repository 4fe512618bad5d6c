"""`check`: verifies key, environment, branch and GitHub permissions. Says what a deploy would do, changes nothing."""

from dataclasses import dataclass, field

from stormkit_action.context import Context
from stormkit_action.errors import CommandError, GitHubError
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.inputs import Switch
from stormkit_action.plan import closed_reason
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Deployment
from stormkit_action.text import one_line


def check(context: Context) -> DeploymentResult:
    """Look at everything a deploy needs."""
    page = context.client.deployments()
    newest = page.deployments[0] if page.deployments else None
    result = context.result_of_environment(newest, Outcome.SUCCESS)
    checks = Checks(context)
    checks.passed("Stormkit accepts the API key.")
    environment = result.label or (f"environment {result.env_id}" if result.env_id else "the key's own environment")
    checks.environment(newest, environment)
    # Branch and token are the same for all environments, so only the first one checks them.
    if context.environment not in context.inputs.environments[1:]:
        checks.repository()
    if not checks.problems:
        context.log(_intention(context, environment))
    # The first one is the result's reason, which is printed as the error.
    for problem in checks.problems[1:]:
        context.warn(problem)
    return result._replace(
        status=Outcome.FAILED if checks.problems else Outcome.SUCCESS,
        reason=checks.problems[0] if checks.problems else "",
        expected_sha=context.plan.expected_sha,
    )


@dataclass
class Checks:
    """The checks. Whatever would make a deploy fail is added to `problems`; everything else is only logged."""

    context: Context
    problems: list[str] = field(default_factory=list)

    def passed(self, text: str) -> None:
        """Log a check that passed."""
        self.context.log(f"✓ {text}")

    def unknown(self, text: str) -> None:
        """Log a check that could not be made."""
        self.context.log(f"? {text}")

    def left_out(self, text: str) -> None:
        """Log what a deploy would leave out."""
        self.context.log(f"- {text}")

    def warned(self, text: str) -> None:
        """Warn of what a deploy would warn of, too."""
        self.context.warn(text)

    def environment(self, newest: Deployment | None, name: str) -> None:
        """Whether the key belongs to the environment that the inputs name; `newest` is its newest deployment.

        An environment's own key lists its deployments whichever environment is asked for, so an empty list proves
        nothing.
        """
        wanted = self.context.environment.env_id
        if newest is None and wanted:
            self.unknown(
                f"Environment: {name}. It has no deployment yet, so only a deploy shows whether the API key belongs to"
                f" environment {wanted}."
            )
            return
        try:
            if newest is not None:
                self.context.check_environment(newest)
        except CommandError as error:
            self.problems.append(error.text)
        else:
            self.passed(f"Environment: {name}.")

    def repository(self) -> None:
        """Whether the branch is there, and what the token may do."""
        github = self.context.github
        if github is None:
            branch = one_line(self.context.plan.branch)
            self.unknown(f"Branch {branch} was not looked up: this is not a step of a GitHub workflow.")
            return
        self.branch(github)
        self.comment(github)
        self.github_deployment(github)

    def branch(self, github: GitHubApi) -> None:
        """Whether the branch exists and is at the expected commit."""
        branch, expected = self.context.plan.branch, self.context.plan.expected_sha
        try:
            tip = github.branch_tip(branch)
        except GitHubError as error:
            self.unknown(f"Branch {branch} could not be looked up: {error.text}")
            return
        if tip is None:
            self.problems.append(f"Branch {branch} does not exist in the repository. Push it, or set the input branch.")
        elif expected and not tip.startswith(expected):
            self.warned(
                f"Branch {branch} is at {tip[:7]}, not at the expected {expected[:7]}: a deploy would build {tip[:7]}"
                " and not publish it. Run for the newest commit, or set branch without sha."
            )
        else:
            self.passed(f"Branch {branch} exists, at {tip[:7]}.")

    def comment(self, github: GitHubApi) -> None:
        """Whether the token may comment on the pull request."""
        comment, number = self.context.inputs.comment, self.context.plan.pull_request
        if comment is Switch.FALSE:
            self.left_out("No comment would be written: input comment is false.")
            return
        if number is None:
            self.left_out("No comment would be written: no pull request is known.")
            return
        try:
            refusal = github.comment_refusal(number)
        except GitHubError as error:
            self.unknown(f"Could not find out whether the token may comment: {error.text}")
            return
        if not refusal:
            self.passed(f"The token may comment on pull request {number}.")
        elif comment is Switch.TRUE:
            self.warned(refusal)
        else:
            self.left_out(f"No comment would be written. {refusal}")

    def github_deployment(self, github: GitHubApi) -> None:
        """Whether the token may create GitHub Deployments."""
        wanted = self.context.inputs.github_deployment
        if wanted is Switch.FALSE:
            name = self.context.names("github-deployment")
            self.left_out(f"No GitHub Deployment would be written: input {name} is false.")
            return
        try:
            refusal = github.deployment_refusal()
        except GitHubError as error:
            self.unknown(f"Could not find out whether the token may create GitHub Deployments: {error.text}")
            return
        if not refusal:
            self.passed("The token may create GitHub Deployments.")
        elif wanted is Switch.TRUE:
            self.warned(refusal)
        else:
            self.left_out(f"No GitHub Deployment would be written. {refusal}")


def _intention(context: Context, environment: str) -> str:
    plan = context.plan
    is_of_pull_request = plan.branch == context.event.branch or context.event.needs_pull_request
    if context.event.pull_request_closed and is_of_pull_request:
        return f"A deploy would be skipped. {closed_reason(context.event.pull_request_number)}"
    commit = f", expecting commit {plan.expected_sha[:7]}" if plan.expected_sha else ""
    live = " and publish it once everything has passed" if context.inputs.publish else " and publish nothing"
    return f"A deploy would build branch {one_line(plan.branch)} in {environment}{commit}{live}."
