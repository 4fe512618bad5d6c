"""GitHub Deployments: one for each environment that is deployed, from in_progress to what came of it."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from stormkit_action.context import Environment
from stormkit_action.errors import GitHubError
from stormkit_action.event import Event
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.github_api.models import GitHubDeployment
from stormkit_action.inputs import Command, Inputs, Switch
from stormkit_action.plan import Plan
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.text import one_line

# Commands that make a commit live, and all that have to do with GitHub Deployments.
_PUBLISHING = frozenset({Command.PUBLISH, Command.ROLLBACK})
_COMMANDS = frozenset({Command.DEPLOY, Command.RESTART, Command.CLEANUP}) | _PUBLISHING

# GitHub refuses a longer description. Characters.
DESCRIPTION = 140

# States that show a deployment as there, or on its way.
_ACTIVE = frozenset({"success", "in_progress", "queued", "pending"})

# How many are ended at once.
POOL = 8

# How many earlier deployments of the branch are looked at for active ones after a deploy.
_LOOK_BACK = 5

_STATES = {
    Outcome.SUCCESS: "success",
    Outcome.FAILED: "failure",
    Outcome.TIMED_OUT: "failure",
    Outcome.RUNNING: "in_progress",
}


class GitHubDeployments:
    """The GitHub Deployments of one step. No method raises.

    What could not be done is told in `problem`; `unsettled` is whether trying again may help. `ids` are those that are
    known, by the environment's name (empty for the only one). `resumed` is for the post step: what its step may have
    created is looked up, and nothing is created.
    """

    def __init__(self, *, inputs: Inputs, event: Event, plan: Plan, resumed: bool = False) -> None:
        self._inputs = inputs
        self._event = event
        self._plan = plan
        self._resumed = resumed
        self._sent: set[str] = set()
        self._refused = False
        self.ids: dict[str, int] = {}
        self.problem = ""
        self.unsettled = False

    @property
    def wanted(self) -> bool:
        """Whether they are to be written where that is possible."""
        wanted = self._inputs.github_deployment is not Switch.FALSE
        return wanted and self._event.on_github and self._plan.command in _COMMANDS

    @property
    def _production(self) -> bool:
        return self._inputs.publish or self._plan.command in _PUBLISHING

    @property
    def _task(self) -> str:
        """Tells a branch's deployments from all others, so that GitHub lists them alone."""
        return f"deploy:stormkit:{hashlib.sha256(self._plan.branch.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"

    def begin(self, github: GitHubApi, environment: Environment, deployment_id: str) -> None:
        """Create the GitHub Deployment of a build that was triggered."""

        def begin() -> None:
            number = self._create(github, environment.name, environment.env_id, deployment_id, self._plan.expected_sha)
            if number is not None:
                said = f"Stormkit builds deployment {deployment_id}"
                github.set_deployment_state(number, "in_progress", description=said, log_url=self._event.run.url)

        self._guarded(begin)

    def end(self, github: GitHubApi, results: Iterable[DeploymentResult]) -> None:
        """Set each to what came of it."""
        if not self._refused:
            # What went wrong at the beginning may go right now.
            self.problem, self.unsettled = "", False
        with ThreadPoolExecutor(POOL, thread_name_prefix="github") as pool:
            list(pool.map(lambda result: self._guarded(lambda: self._end(github, result)), results))

    def replace(self, github: GitHubApi, result: DeploymentResult, earlier: Iterable[int] | None) -> None:
        """Set earlier previews of the branch to inactive, now that `result` is ready.

        `earlier` are their ids, as the comment's row remembers them; None when there is no comment. Others may have
        edited the row: what is no preview of this site and branch stays as it is.
        """
        mine = self.ids.get(result.name)
        if mine is not None and not self._production and result.status is Outcome.SUCCESS:
            self._guarded(lambda: self._replace(github, result, mine, earlier))

    def clean_up(self, github: GitHubApi, results: Iterable[DeploymentResult]) -> None:
        """Set all of the branch to inactive where its deployments were removed."""
        removed = [each for each in results if each.removed]
        if removed:
            self._guarded(lambda: self._clean_up(github, removed))

    def _guarded(self, act: Callable[[], object]) -> None:
        if self._refused:
            return
        try:
            act()
        except GitHubError as error:
            self.problem = error.text
            # What the token may not do it may not do a minute later either.
            self._refused = error.status in (401, 403) and not error.retryable
            self.unsettled = error.retryable

    def _create(self, github: GitHubApi, name: str, env_id: str, deployment_id: str, sha: str) -> int | None:
        if not sha:
            self.problem = "The commit is not known before it is built (input branch without sha)."
            return None
        payload = {
            "branch": self._plan.branch,
            "pull-request": self._plan.pull_request,
            "site": name or self._inputs.label,
            "env-id": env_id,
            "deployment-id": deployment_id,
            "run-id": self._event.run.id,
            "attempt": self._event.run.attempt,
        }

        def create() -> GitHubDeployment:
            return github.create_deployment(
                sha=sha,
                task=self._task,
                environment=self._environment(name),
                description=_description(f"Stormkit: {name or self._inputs.label or self._plan.branch}"),
                payload=payload,
                production=self._production,
            )

        self._sent.add(name)
        try:
            created = create()
        except GitHubError as error:
            if error.retry_after or not error.retryable:
                self._sent.discard(name)
                raise
            # The answer was lost: it may be there all the same.
            found = (each for each in github.deployments(task=self._task) if each.payload == payload)
            created = next(found, None) or create()
        self.ids[name] = created.id
        return created.id

    def _environment(self, name: str) -> str:
        environment = self._inputs.environment or ("Production" if self._production else "Preview")
        return f"{environment} ({name})" if len(self._inputs.environments) > 1 else environment

    def _end(self, github: GitHubApi, result: DeploymentResult) -> None:
        begun = self.ids.get(result.name)
        number = begun or self._missed(github, result)
        if number is None or (begun and result.status is Outcome.RUNNING):
            return
        state = _STATES.get(result.status, "inactive")
        if self._production and state == "success" and not result.live:
            state = "inactive"
        said = result.reason or result.warning or f"Stormkit deployment {result.deployment_id}: {result.status}"
        github.set_deployment_state(
            number,
            state,
            description=_description(said),
            log_url=self._event.run.url,
            environment_url=result.preview_url if state == "success" else "",
        )

    def _missed(self, github: GitHubApi, result: DeploymentResult) -> int | None:
        """The GitHub Deployment that is not known: lost on its way, of a step that was killed, or not yet created."""
        if self._resumed or result.name in self._sent:
            run = self._event.run
            for each in github.deployments(task=self._task):
                mine = (each.payload.get("run-id"), each.payload.get("attempt")) == (run.id, run.attempt)
                if mine and self._same_site(each.payload, result):
                    self.ids[result.name] = each.id
                    return each.id
        if self._resumed or not result.deployment_id or result.status in (Outcome.CANCELLED, Outcome.SKIPPED):
            return None
        # What publishing made live is the deployment's own commit; a deploy was asked for the expected one.
        sha = result.commit_sha if self._plan.command in _PUBLISHING else self._plan.expected_sha
        return self._create(github, result.name, result.env_id, result.deployment_id, sha)

    def _replace(self, github: GitHubApi, result: DeploymentResult, mine: int, earlier: Iterable[int] | None) -> None:
        wanted = None if earlier is None else {number for number in earlier if number < mine}
        if wanted is not None and not wanted:
            return
        listed = github.deployments(task=self._task)
        before = [each for each in listed if each.id < mine and self._same_site(each.payload, result)]
        reason = f"Replaced by deployment {result.deployment_id}"
        if wanted is None:
            self._deactivate(github, before[:_LOOK_BACK], reason)
            return
        for each in before:
            if each.id in wanted:
                _set_inactive(github, each.id, reason)

    def _clean_up(self, github: GitHubApi, removed: list[DeploymentResult]) -> None:
        listed = github.deployments(task=self._task)
        doomed = [each for each in listed if any(self._same_site(each.payload, result) for result in removed)]
        self._deactivate(github, doomed, "The preview was removed")

    def _deactivate(self, github: GitHubApi, deployments: Iterable[GitHubDeployment], reason: str) -> None:
        for each in deployments:
            if github.deployment_state(each.id) in _ACTIVE:
                _set_inactive(github, each.id, reason)

    def _same_site(self, payload: Mapping[str, object], result: DeploymentResult) -> bool:
        """Whether a deployment's payload is about the same environment, as far as both tell."""
        environment = result.name or self._inputs.label
        for told, mine in ((payload.get("env-id"), result.env_id), (payload.get("site"), environment)):
            if told and mine:
                return told == mine
        return True


def _set_inactive(github: GitHubApi, number: int, reason: str) -> None:
    try:
        github.set_deployment_state(number, "inactive", description=_description(reason))
    except GitHubError as error:
        if error.status != 404:  # somebody deleted it
            raise


def _description(text: str) -> str:
    return one_line(text, DESCRIPTION)
