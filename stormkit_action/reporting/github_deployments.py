"""GitHub Deployments: one for each environment that is deployed, from its trigger to what came of it.

Which earlier ones a step ends is decided by GitHub's own list: by the task, which names the branch, by the payload,
which names the Stormkit environment, and by whether it went to production. A comment never decides this: other jobs can
write comments under the same account.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from stormkit_action.errors import GitHubError
from stormkit_action.event import Event
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.github_api.connection import PAGE_SIZE
from stormkit_action.github_api.models import GitHubDeployment
from stormkit_action.inputs import Command, Inputs, Switch
from stormkit_action.plan import Plan
from stormkit_action.reporting.rows import REMOVING, Row, State, ended_ids
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.text import one_line

# Commands that make a commit live, and all that have to do with GitHub Deployments.
_PUBLISHING = frozenset({Command.PUBLISH, Command.ROLLBACK})
_COMMANDS = frozenset({Command.DEPLOY, Command.RESTART}) | _PUBLISHING | REMOVING

# Of a whole commit id, in hexadecimal.
SHA_DIGITS = 40

# GitHub refuses a longer description.
MAX_DESCRIPTION_CHARACTERS = 140

# States that show a deployment as there, or on its way. GitHub shows one without any state as pending.
_ACTIVE = frozenset({"success", "in_progress", "queued", "pending", ""})

# GitHub Deployments that are written to at once.
MAX_THREADS = 8

# Earlier deployments that are looked at for active ones, newest first.
MAX_LOOK_BACK = 10

_STATES = {
    Outcome.SUCCESS: "success",
    Outcome.FAILED: "failure",
    Outcome.TIMED_OUT: "failure",
    Outcome.RUNNING: "in_progress",
}


class GitHubDeployments:
    """The GitHub Deployments of one step. No method raises.

    `problem` says what could not be done; `is_unfinished` is whether a GitHub Deployment still shows a wrong state.
    `ids` are those that are known, by the environment's name (empty for the only one). `resumed` is for the post step:
    what its step may have created is looked up, and nothing is created.
    """

    def __init__(self, *, inputs: Inputs, event: Event, plan: Plan, resumed: bool = False) -> None:
        self._inputs = inputs
        self._event = event
        self._plan = plan
        self._resumed = resumed
        # The Stormkit deployment for which one was asked, by the environment's name.
        self._sent: dict[str, str] = {}
        self._is_first = False
        # Whether GitHub's list of the branch was read, and whether it showed another job at work.
        self._has_looked = False
        self._others_at_work = False
        self._refused = False
        self._unavailable = False
        self._listed: dict[tuple[str, str], list[GitHubDeployment] | GitHubError] = {}
        self._lock = threading.Lock()
        self._failures: list[GitHubError] = []
        self.ids: dict[str, int] = {}
        self.problem = ""

    @property
    def wanted(self) -> bool:
        """Whether they are to be written where that is possible."""
        wanted = self._inputs.github_deployment is not Switch.FALSE
        return wanted and self._event.on_github and self._plan.command in _COMMANDS

    @property
    def is_unfinished(self) -> bool:
        """Whether GitHub missed a deployment's final state, but may accept it a little later."""
        return any(error.retryable for error in self._failures)

    @property
    def is_alone(self) -> bool:
        """Whether GitHub's list shows no other job that deploys the branch just now; False where it was not read."""
        return self._has_looked and not self._others_at_work

    @property
    def _production(self) -> bool:
        return self._inputs.publish or self._plan.command in _PUBLISHING

    def begin(self, github: GitHubApi, result: DeploymentResult) -> None:
        """Create the GitHub Deployment of a deployment that was triggered, unless it was created before."""
        self._guarded(lambda: self._begin(github, result))

    def _begin(self, github: GitHubApi, result: DeploymentResult) -> None:
        """Raises GitHubError."""
        if not result.deployment_id or not result.env_id or self._sent.get(result.name) == result.deployment_id:
            return
        failed = self.ids.pop(result.name, None)
        if failed is not None:
            # A build that is tried again is another deployment.
            github.set_deployment_state(failed, "failure", description="The build failed")
        self._create(github, result, self._plan.expected_sha)

    def finish(
        self,
        github: GitHubApi,
        results: Sequence[DeploymentResult],
        *,
        shown: Iterable[Row] = (),
        is_first: bool = False,
    ) -> None:
        """Set each to what came of it, and what it replaces or removes to inactive.

        `shown` are the comment's rows before: they save the question whether an earlier deployment was ready. On the
        first deploy of a pull request (`is_first`) nothing is there to be replaced.
        """
        if not self._refused:
            # What went wrong at the beginning may go right now.
            self.problem, self._unavailable = "", False
            self._failures.clear()
        rows = tuple(shown)
        self._listed.clear()
        self._is_first = is_first
        at_most = max(PAGE_SIZE, 3 * len(results))
        with ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="github") as pool:
            list(pool.map(lambda result: self._guarded(lambda: self._finish(github, result, rows, at_most)), results))
        if len(self._failures) > 1 and not self._refused:
            self.problem = f"{len(self._failures)} of {len(results)} are not up to date. {self.problem}"

    def _finish(self, github: GitHubApi, result: DeploymentResult, shown: Sequence[Row], at_most: int) -> None:
        task = _task(self._branch_of(result))
        if result.removed or ended_ids(result, self._plan.command):
            self._end_removed(github, result, self._list(github, task=task, at_most=at_most))
        if self._plan.command in REMOVING:
            return
        if result.name in self._sent and not self._leaves_nothing(result):
            # A build that was tried again may have ended before its own was created.
            self._begin(github, result)
        number = self.ids.get(result.name) or self._missed(github, result)
        if number is None:
            return
        state, reason = self._state_of(result)
        if state == "success" and (self._production or not self._is_first):
            environment = self._environment(result.name) if self._production else ""
            task = "" if self._production else task
            listed = self._list(github, task=task, environment=environment, at_most=at_most)
            if not self._production:
                self._look_for_others(number, listed)
            others = [deployment for deployment in listed if self._is_same_site(deployment, result)]
            if self._is_replaced(github, number, others):
                state, reason = "inactive", "A newer deployment has replaced it"
            else:
                # Earlier ones end first: of two that are a success, the older has ended all before it.
                self._end_earlier(github, number, others, result, shown)
        github.set_deployment_state(
            number,
            state,
            description=_description(reason),
            log_url=self._event.run.url,
            environment_url=result.preview_url if state == "success" else "",
        )

    def _state_of(self, result: DeploymentResult) -> tuple[str, str]:
        """Its state on GitHub, and a description."""
        state = "success" if self._is_kept(result) else _STATES.get(result.status, "inactive")
        if self._production and state == "success" and not result.live:
            state = "inactive"
        said = result.reason or result.warning or f"Stormkit deployment {result.deployment_id}: {result.status}"
        return state, said

    def _leaves_nothing(self, result: DeploymentResult) -> bool:
        """Whether the job ended with nothing to show, so that nothing is created for it any more."""
        return result.status in (Outcome.CANCELLED, Outcome.SKIPPED) and not self._is_kept(result)

    def _is_kept(self, result: DeploymentResult) -> bool:
        """Whether the job was cancelled when the preview, or the published site, was there already."""
        return result.outlived_cancel and (result.live or not self._production)

    def _is_replaced(self, github: GitHubApi, number: int, others: Iterable[GitHubDeployment]) -> bool:
        """Whether a step that began later was ready first: an older build that ends late must not replace it."""
        if self._production:
            return False
        newer = [deployment for deployment in others if deployment.id > number]
        return any(github.deployment_state(deployment.id) == "success" for deployment in newer[:MAX_LOOK_BACK])

    def _look_for_others(self, number: int, listed: Iterable[GitHubDeployment]) -> None:
        """Notice the jobs that began after this one, and those of its run."""
        mine = self._event.run.id, self._event.run.attempt
        own = set(self.ids.copy().values())
        self._others_at_work |= any(
            deployment.id > number or (deployment.payload.get("run-id"), deployment.payload.get("attempt")) == mine
            for deployment in listed
            if deployment.id not in own
        )
        self._has_looked = True

    def _end_earlier(
        self,
        github: GitHubApi,
        number: int,
        others: Iterable[GitHubDeployment],
        result: DeploymentResult,
        shown: Sequence[Row],
    ) -> None:
        """Set what `result` replaces to inactive. Stops at the first success: that step has ended everything older."""
        states = {} if self._production else _states_shown(shown, result)
        earlier = [deployment for deployment in others if deployment.id < number]
        for deployment in earlier[:MAX_LOOK_BACK]:
            known = states.get(str(deployment.payload.get("deployment-id")))
            state = github.deployment_state(deployment.id) if known is None else known
            if state in _ACTIVE:
                _set_inactive(github, deployment.id, f"Replaced by deployment {result.deployment_id}")
            if state == "success":
                break

    def _end_removed(self, github: GitHubApi, result: DeploymentResult, listed: Iterable[GitHubDeployment]) -> None:
        """Set what showed a deployment that was stopped or deleted to inactive."""
        ended = ended_ids(result, self._plan.command)
        reason = "The deployment was stopped" if self._plan.command is Command.STOP else "The deployment was removed"
        for deployment in listed:
            is_ended = str(deployment.payload.get("deployment-id")) in ended
            if not self._is_of_environment(deployment, result) or not (result.removed or is_ended):
                continue
            if deployment.id != self.ids.get(result.name) and github.deployment_state(deployment.id) in _ACTIVE:
                _set_inactive(github, deployment.id, reason)

    def _branch_of(self, result: DeploymentResult) -> str:
        """The branch of the deployment: a command on an existing one may be about another branch than the event's."""
        deployment = result.deployment
        is_of_event = self._plan.command in (Command.DEPLOY, Command.CLEANUP)
        return self._plan.branch if is_of_event or deployment is None else deployment.branch or self._plan.branch

    def _list(
        self, github: GitHubApi, *, task: str = "", environment: str = "", at_most: int = PAGE_SIZE
    ) -> list[GitHubDeployment]:
        """GitHub's list, read once for all environments of the step. Raises GitHubError."""
        key = (task, environment)
        with self._lock:
            if key not in self._listed:
                try:
                    self._listed[key] = github.deployments(task=task, environment=environment, at_most=at_most)
                except GitHubError as error:
                    self._listed[key] = error
            listed = self._listed[key]
        if isinstance(listed, GitHubError):
            raise listed
        return listed

    def _missed(self, github: GitHubApi, result: DeploymentResult) -> int | None:
        """The GitHub Deployment that is not known: lost on its way, of a step that was killed, or not yet created."""
        if self._resumed or result.name in self._sent:
            run = self._event.run
            for deployment in self._list(github, task=_task(self._branch_of(result))):
                payload = deployment.payload
                is_mine = (payload.get("run-id"), payload.get("attempt")) == (run.id, run.attempt)
                is_wanted = self._resumed or payload.get("deployment-id") == result.deployment_id
                if is_mine and is_wanted and self._is_of_environment(deployment, result):
                    self.ids[result.name] = deployment.id
                    return deployment.id
        if self._resumed or not result.deployment_id or self._leaves_nothing(result):
            return None
        if not result.env_id:
            self.problem = "Stormkit did not say which environment was deployed."
            return None
        # publish and rollback act on an existing deployment: use its commit. deploy was asked for expected_sha.
        expected = "" if self._plan.command in _PUBLISHING else self._plan.expected_sha
        return self._create(github, result, expected if _is_whole(expected) else result.commit_sha)

    def _create(self, github: GitHubApi, result: DeploymentResult, sha: str) -> int | None:
        if not _is_whole(sha):
            self.problem = "Stormkit did not say which commit was built."
            return None
        name, branch = result.name or self._inputs.label, self._branch_of(result)
        payload = {
            "branch": branch,
            "pull-request": self._plan.pull_request,
            "site": name,
            "env-id": result.env_id,
            "deployment-id": result.deployment_id,
            "run-id": self._event.run.id,
            "attempt": self._event.run.attempt,
        }

        def create() -> GitHubDeployment:
            return github.create_deployment(
                sha=sha,
                task=_task(branch),
                environment=self._environment(result.name),
                description=_description(f"Stormkit: {name or branch}"),
                payload=payload,
                production=self._production,
            )

        self._sent[result.name] = result.deployment_id
        try:
            created = create()
        except GitHubError as error:
            if error.retry_after or not error.retryable:
                del self._sent[result.name]
                raise
            # The answer was lost: it may exist anyway.
            listed = github.deployments(task=_task(branch))
            created = next((deployment for deployment in listed if deployment.payload == payload), None) or create()
        self.ids[result.name] = created.id
        return created.id

    def _environment(self, name: str) -> str:
        environment = self._inputs.environment or ("Production" if self._production else "Preview")
        return f"{environment} ({name})" if len(self._inputs.environments) > 1 else environment

    def _is_of_environment(self, deployment: GitHubDeployment, result: DeploymentResult) -> bool:
        """Whether one of ours is about the same Stormkit environment, by the id that Stormkit answered."""
        is_ours = deployment.task.startswith(_TASK)
        return is_ours and bool(result.env_id) and deployment.payload.get("env-id") == result.env_id

    def _is_same_site(self, deployment: GitHubDeployment, result: DeploymentResult) -> bool:
        """Whether both are previews, or both production, of one environment."""
        return deployment.production is self._production and self._is_of_environment(deployment, result)

    def _guarded(self, act: Callable[[], object]) -> None:
        if self._refused:
            return
        if self._unavailable:
            # One thread has waited for GitHub in vain, so the others don't try.
            self._note(self._failures[-1])
            return
        try:
            act()
        except GitHubError as error:
            self._note(error)

    def _note(self, failure: GitHubError) -> None:
        """Count an environment's failure, and remember what it says about the next calls."""
        with self._lock:
            self._failures.append(failure)
            self.problem = failure.text
            self._unavailable |= failure.retryable
            # What the token may not do it may not do a minute later either.
            self._refused |= failure.status in (401, 403) and not failure.retryable


# What the tasks of all our GitHub Deployments begin with.
_TASK = "deploy:stormkit:"


def _task(branch: str) -> str:
    """Tells a branch's deployments from all others, so that GitHub lists them alone. Empty without a branch."""
    return f"{_TASK}{hashlib.sha256(branch.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}" if branch else ""


def _states_shown(rows: Iterable[Row], result: DeploymentResult) -> Mapping[str, str]:
    """What the comment says about earlier deployments of the same environment, as far as it is certain."""
    states: dict[str, str] = {}
    for row in rows:
        if row.env_id != result.env_id:
            continue
        if row.state not in (State.READY, State.BUILDING):
            states[row.deployment_id] = "failure"
        states[row.good_id] = "success"
    states.pop("", None)
    return states


def _is_whole(sha: str) -> bool:
    """Whether it is a whole commit id: GitHub finds no commit by a part of one."""
    return len(sha) == SHA_DIGITS


def _set_inactive(github: GitHubApi, number: int, reason: str) -> None:
    try:
        github.set_deployment_state(number, "inactive", description=_description(reason))
    except GitHubError as error:
        if error.status != 404:  # somebody deleted it
            raise


def _description(text: str) -> str:
    return one_line(text, MAX_DESCRIPTION_CHARACTERS)
