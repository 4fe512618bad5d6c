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

Contexts = Mapping[str, Any]


@dataclass(kw_only=True, slots=True)
class Recipe:
    """One run of examples/`name`.yml on `event`, with `changes` to the event's payload.

    Steps of other actions are left out, and shell scripts too unless `shell` is set. `extra_inputs` override the
    recipe's inputs where the sandbox needs other values.
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
    extra_inputs: Mapping[str, str] = field(default_factory=dict)
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    """The outputs of the jobs that ran."""
    skipped: list[str] = field(default_factory=list)
    """Names of the jobs that their own condition skipped."""
    finished: list[StepResult] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        """The first job's checkout."""
        return JobDirectory(root=self.directory / "0").workspace

    def run(self) -> list[StepResult]:
        """Run the recipe and return how the action's steps finished, in order."""
        workflow = load(ACTION / f"examples/{self.name}.yml")
        name = events.event_name(self.event)
        assert name in workflow["on"], f"{self.name} does not run on {name}"
        secrets = {"STORMKIT_API_KEY": self.key}
        self._run_jobs(workflow, {"github": self._github(), "secrets": secrets, "inputs": self.inputs})
        return self.finished

    def _github(self) -> dict[str, Any]:
        payload = events.load(self.event) | self.changes
        if payload.get("action") == "closed" and self.github is not None:
            # GitHub has closed the pull request before it sends the event.
            self.github.state.add_pull_request(state="closed")
        variables = events.environment_for(self.event, payload)
        return {
            "event": payload,
            "event_name": variables["GITHUB_EVENT_NAME"],
            "ref": variables["GITHUB_REF"],
            "repository": variables["GITHUB_REPOSITORY"],
        }

    def _run_jobs(self, workflow: Mapping[str, Any], contexts: Contexts) -> None:
        for name, job in workflow["jobs"].items():
            contexts = {**contexts, "needs": {done: {"outputs": outputs} for done, outputs in self.jobs.items()}}
            if not condition(job.get("if", "true"), contexts):
                self.skipped.append(name)
            elif "uses" in job:
                self._call(name, job, contexts)
            else:
                self._run_job(name, job, contexts)

    def _call(self, name: str, job: Mapping[str, Any], contexts: Contexts) -> None:
        """Run a reusable workflow of this repository."""
        path = own_workflow(job["uses"])
        assert path, f"{job['uses']} is another repository's"
        called = load(path)
        interface = called["on"]["workflow_call"]
        inputs = {input_name: spec["default"] for input_name, spec in interface["inputs"].items()}
        inputs |= {input_name: _typed(value, contexts) for input_name, value in job.get("with", {}).items()}
        secrets = {secret: filled(value, contexts) for secret, value in job["secrets"].items()}
        self._run_jobs(called, {"github": contexts["github"], "secrets": secrets, "inputs": inputs})
        ran = {"jobs": {inner: {"outputs": outputs} for inner, outputs in self.jobs.items()}}
        self.jobs[name] = {output: filled(spec["value"], ran) for output, spec in interface["outputs"].items()}

    def _run_job(self, name: str, job: Mapping[str, Any], contexts: Contexts) -> None:
        axes = job.get("strategy", {}).get("matrix", {})
        for number, values in enumerate(itertools.product(*axes.values())):
            directory = JobDirectory(root=self.directory / str(number))
            github = {**contexts["github"], "workspace": str(directory.workspace)}
            job_contexts = {**contexts, "github": github, "matrix": dict(zip(axes, values, strict=True)), "steps": {}}
            for step in job["steps"]:
                if condition(step.get("if", "true"), job_contexts):
                    self._run_step(step, job_contexts, directory)
            self.jobs[name] = {output: filled(value, job_contexts) for output, value in job.get("outputs", {}).items()}

    def _run_step(self, step: Mapping[str, Any], contexts: Contexts, directory: JobDirectory) -> None:
        if is_own_action(step.get("uses", "")):
            finished = self._runner(step, contexts, directory).run()
            contexts["steps"][step.get("id", "")] = {"outputs": finished.outputs}
            self.finished.append(finished)
        elif self.shell and "run" in step:
            directory.create()
            subprocess.run(["bash", "-e", "-c", step["run"]], cwd=directory.workspace, check=True, timeout=30)

    def _runner(self, step: Mapping[str, Any], contexts: Contexts, directory: JobDirectory) -> Runner:
        inputs = {name: filled(as_text(value), contexts) for name, value in step["with"].items()}
        return Runner(
            event=contexts["github"]["event"],
            event_name=contexts["github"]["event_name"],
            inputs=inputs | {"api-url": self.stormkit.url, "poll-interval": "0.1s"} | self.extra_inputs,
            directory=directory.root,
            github_url=self.github_url or self.github.url,
            secrets=[self.key] if self.key else [],
            env={name: filled(as_text(value), contexts) for name, value in step.get("env", {}).items()},
        )


def _typed(value: object, contexts: Contexts) -> Any:
    """A value that is one expression keeps its type."""
    match = re.fullmatch(r"\$\{\{(.*)\}\}", value) if isinstance(value, str) else None
    return evaluate(match[1], contexts) if match else value
