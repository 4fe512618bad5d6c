"""`check`: verifies key, environment, branch and GitHub permissions. Says what a deploy would do, changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from stormkit_action.commands import find as finding
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, GitHubError
from stormkit_action.inputs import Switch
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.text import one_line

if TYPE_CHECKING:
    from stormkit_action.github_api.api import GitHubApi


def run(context: Context, *, github: "GitHubApi | None") -> DeploymentResult:
    """Look at everything a deploy needs. `github` is None outside GitHub."""
    problems: list[str] = []
    page = context.client.deployments()
    newest = page.deployments[0] if page.deployments else None
    result = finding.result_of(context, newest, status=Outcome.SUCCESS)
    say = context.reporter.line
    say("✓ Stormkit accepts the API key.")
    environment = result.label or (f"environment {result.env_id}" if result.env_id else "the key's own environment")
    say(f"✓ Environment: {environment}.")
    if github is not None:
        problems += _check_branch(context, github, say)
        problems += _check_comment(context, github, say)
        problems += _check_deployment(context, github, say)
    else:
        say(f"? Whether branch {one_line(context.plan.branch)} exists was not looked up: this is not a step on GitHub.")
    say(_intention(context, environment))
    for problem in problems:
        context.reporter.warning(problem)
    return replace(
        result,
        status=Outcome.FAILED if problems else Outcome.SUCCESS,
        reason=problems[0] if problems else "",
        deployment=None,
        deployment_id="",
        branch=context.plan.branch,
        expected_sha=context.plan.expected_sha,
        live=False,
    )


def _check_branch(context: Context, github: "GitHubApi", say: Callable[[str], None]) -> list[str]:
    branch, expected = context.plan.branch, context.plan.expected_sha
    try:
        tip = github.branch_tip(branch)
    except GitHubError as error:
        say(f"? Branch {branch} could not be looked up: {error.text}")
        return []
    if tip is None:
        return [f"Branch {branch} does not exist in the repository. Push it, or set the input branch."]
    if expected and not tip.startswith(expected):
        return [
            f"Branch {branch} is at {tip[:7]}, not at the expected {expected[:7]}: a deploy would build {tip[:7]} and"
            " not publish it. Run for the newest commit, or set branch without sha."
        ]
    say(f"✓ Branch {branch} exists, at {tip[:7]}.")
    return []


def _check_comment(context: Context, github: "GitHubApi", say: Callable[[str], None]) -> list[str]:
    if context.inputs.comment is Switch.FALSE or context.plan.pull_request is None:
        say("- No comment would be written: " + _why_no_comment(context))
        return []
    try:
        refusal = github.comment_refusal(context.plan.pull_request)
    except ActionError as error:
        say(f"? Whether the token may comment could not be found out: {error.text}")
        return []
    if not refusal:
        say(f"✓ The token may comment on pull request {context.plan.pull_request}.")
        return []
    if context.inputs.comment is Switch.TRUE:
        return [refusal]
    say(f"- No comment would be written. {refusal}")
    return []


def _check_deployment(context: Context, github: "GitHubApi", say: Callable[[str], None]) -> list[str]:
    if context.inputs.github_deployment is Switch.FALSE or not context.plan.expected_sha:
        why = "no commit is known." if context.inputs.github_deployment is not Switch.FALSE else "the input is false."
        say(f"- No GitHub Deployment would be written: {why}")
        return []
    try:
        refusal = github.deployment_refusal()
    except ActionError as error:
        say(f"? Whether the token may create GitHub Deployments could not be found out: {error.text}")
        return []
    if not refusal:
        say("✓ The token may create GitHub Deployments.")
        return []
    if context.inputs.github_deployment is Switch.TRUE:
        return [refusal]
    say(f"- No GitHub Deployment would be written. {refusal}")
    return []


def _why_no_comment(context: Context) -> str:
    return "input comment is false." if context.inputs.comment is Switch.FALSE else "no pull request is known."


def _intention(context: Context, environment: str) -> str:
    commit = f", expecting commit {context.plan.expected_sha[:7]}" if context.plan.expected_sha else ""
    live = " and publish it once everything has passed" if context.inputs.publish else " and publish nothing"
    return f"A deploy would build branch {one_line(context.plan.branch)} in {environment}{commit}{live}."
