"""Runs a recipe: its jobs' conditions, matrix and expressions, and every step that uses the action."""

import itertools
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import events
from sandbox.github.server import GitHub
from sandbox.runner.directory import JobDirectory
from sandbox.runner.runner import ACTION, Runner
from sandbox.runner.step import StepResult
from sandbox.stormkit.server import ENV_KEY, Stormkit
from tests.recipes.expressions import as_text, condition, evaluate, filled
from tests.workflows.linting import is_own_action, load, own_workflow

Known = Mapping[str, Any]


@dataclass(kw_only=True, slots=True)
class Recipe:
    """One run of examples/`name`.yml on `event`, whose payload is otherwise but for `changes`.

    Other actions' steps are left out, and so are shell scripts unless `shell` is set. `given` are inputs on top of the
    recipe's, for what is so in the sandbox alone.
    """

    name: str
    stormkit: Stormkit
    github: GitHub
    directory: Path
    event: str = "pull_request_opened"
    changes: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    key: str = ENV_KEY
    github_url: str = ""
    shell: bool = False
    given: Mapping[str, str] = field(default_factory=dict)
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    """The outputs of the jobs that ran."""
    skipped: list[str] = field(default_factory=list)
    """Names of the jobs that did not run, by their own condition."""
    finished: list[StepResult] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        """The first job's checkout."""
        return JobDirectory(root=self.directory / "0").workspace

    def run(self) -> list[StepResult]:
        """Run it; what became of the action's steps, in order."""
        workflow = load(ACTION / f"examples/{self.name}.yml")
        name = events.event_name(self.event)
        assert name in workflow["on"], f"{self.name} does not run on {name}"
        secrets = {"STORMKIT_API_KEY": self.key}
        self._run_jobs(workflow, {"github": self._github(), "secrets": secrets, "inputs": self.inputs})
        return self.finished

    def _github(self) -> dict[str, Any]:
        payload = events.load(self.event) | self.changes
        if payload.get("action") == "closed" and self.github is not None:
            # Closed is what the pull request is by the time its event arrives.
            self.github.state.add_pull_request(state="closed")
        variables = events.environment_for(self.event, payload)
        return {
            "event": payload,
            "event_name": variables["GITHUB_EVENT_NAME"],
            "ref": variables["GITHUB_REF"],
            "repository": variables["GITHUB_REPOSITORY"],
        }

    def _run_jobs(self, workflow: Mapping[str, Any], known: Known) -> None:
        for name, job in workflow["jobs"].items():
            known = {**known, "needs": {done: {"outputs": outputs} for done, outputs in self.jobs.items()}}
            if not condition(job.get("if", "true"), known):
                self.skipped.append(name)
            elif "uses" in job:
                self._call(name, job, known)
            else:
                self._run_job(name, job, known)

    def _call(self, name: str, job: Mapping[str, Any], known: Known) -> None:
        """Run a reusable workflow of this repository."""
        path = own_workflow(job["uses"])
        assert path, f"{job['uses']} is another repository's"
        called = load(path)
        interface = called["on"]["workflow_call"]
        inputs = {each: spec["default"] for each, spec in interface["inputs"].items()}
        inputs |= {each: _typed(value, known) for each, value in job.get("with", {}).items()}
        secrets = {each: filled(value, known) for each, value in job["secrets"].items()}
        self._run_jobs(called, {"github": known["github"], "secrets": secrets, "inputs": inputs})
        ran = {"jobs": {inner: {"outputs": outputs} for inner, outputs in self.jobs.items()}}
        self.jobs[name] = {output: filled(spec["value"], ran) for output, spec in interface["outputs"].items()}

    def _run_job(self, name: str, job: Mapping[str, Any], known: Known) -> None:
        axes = job.get("strategy", {}).get("matrix", {})
        for number, values in enumerate(itertools.product(*axes.values())):
            directory = JobDirectory(root=self.directory / str(number))
            github = {**known["github"], "workspace": str(directory.workspace)}
            here = {**known, "github": github, "matrix": dict(zip(axes, values, strict=True)), "steps": {}}
            for step in job["steps"]:
                if condition(step.get("if", "true"), here):
                    self._run_step(step, here, directory)
            self.jobs[name] = {output: filled(value, here) for output, value in job.get("outputs", {}).items()}

    def _run_step(self, step: Mapping[str, Any], known: Known, directory: JobDirectory) -> None:
        if is_own_action(step.get("uses", "")):
            finished = self._runner(step, known, directory).run()
            known["steps"][step.get("id", "")] = {"outputs": finished.outputs}
            self.finished.append(finished)
        elif self.shell and "run" in step:
            directory.create()
            subprocess.run(["bash", "-e", "-c", step["run"]], cwd=directory.workspace, check=True, timeout=30)

    def _runner(self, step: Mapping[str, Any], known: Known, directory: JobDirectory) -> Runner:
        inputs = {name: filled(as_text(value), known) for name, value in step["with"].items()}
        return Runner(
            event=known["github"]["event"],
            event_name=known["github"]["event_name"],
            inputs=inputs | {"api-url": self.stormkit.url, "poll-interval": "0.1s"} | self.given,
            directory=directory.root,
            github_url=self.github_url or self.github.url,
            secrets=[self.key] if self.key else [],
            env={name: filled(as_text(value), known) for name, value in step.get("env", {}).items()},
        )


def _typed(value: object, known: Known) -> Any:
    """A value that is one expression keeps its type."""
    match = re.fullmatch(r"\$\{\{(.*)\}\}", value) if isinstance(value, str) else None
    return evaluate(match[1], known) if match else value
