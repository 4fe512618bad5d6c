"""The repository's workflow files, their parts, and the offline linters."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from sandbox.runner.runner import ACTION

OWN = sorted((ACTION / ".github/workflows").glob("*.yml"))
TEMPLATES = sorted((ACTION / "workflow-templates").glob("*.yml"))
OTHER_CI = [ACTION / "examples" / name for name in ("bitbucket-pipelines.yml", "gitlab-ci.yml")]
EXAMPLES = [path for path in sorted((ACTION / "examples").glob("*.yml")) if path not in OTHER_CI]
WORKFLOWS = [*OWN, *TEMPLATES, *EXAMPLES]

STAND_IN = "octocat/stormkit_action"
"""The name of the action's repository in the documentation, until the owner's own name replaces it."""

_OWN_ACTION = re.compile(rf"{STAND_IN}@v\d+(\.\d+\.\d+)?")
_OWN_WORKFLOW = re.compile(rf"{STAND_IN}(?P<path>/\.github/workflows/\w+\.yml)@v\d+(\.\d+\.\d+)?")


def is_own_action(used: str) -> bool:
    """Whether a step's `uses` is this action, at a tag of a major version or of a release."""
    return bool(_OWN_ACTION.fullmatch(used))


def own_workflow(used: str) -> Path | None:
    """The reusable workflow of this repository that a job's `uses` names; None for another repository's."""
    match = _OWN_WORKFLOW.fullmatch(used)
    return ACTION / match["path"][1:] if match else None


def name_of(path: Path) -> str:
    """A file's path in the repository."""
    return str(path.relative_to(ACTION))


def load(path: Path) -> dict[str, Any]:
    """Load a workflow, with the key `on` as text: YAML 1.1 reads it as a boolean."""
    return _loaded(path.read_text(encoding="utf-8"))


def _loaded(text: str) -> dict[str, Any]:
    return {"on" if key is True else key: value for key, value in yaml.safe_load(text).items()}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of all jobs of a workflow."""
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


def uses(workflow: dict[str, Any]) -> list[str]:
    """The actions and reusable workflows that a workflow uses."""
    return [part["uses"] for part in (*workflow["jobs"].values(), *steps(workflow)) if "uses" in part]


def scripts(workflow: dict[str, Any]) -> list[str]:
    """The shell scripts of a workflow's steps."""
    return [step["run"] for step in steps(workflow) if "run" in step]


def comments(path: Path) -> dict[str, str]:
    """The comments beside each `uses`."""
    return dict(re.findall(r"uses: (\S+)(?: +# (.*))?$", path.read_text(encoding="utf-8"), re.MULTILINE))


def quick_starts() -> dict[str, dict[str, Any]]:
    """The workflows shown in README.md and in the comments above the reusable workflows."""
    return {name: _loaded(text) for name, text in quick_start_texts().items()}


def quick_start_texts() -> dict[str, str]:
    """The text of these workflows, by the place where they are shown."""
    readme = re.findall(r"^```yaml\n(.*?)^```$", (ACTION / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.M)
    shown = {f"README.md {index}": text for index, text in enumerate(readme, start=1)}
    for path in OWN:
        if lines := re.findall(r"^#   (.*\n)", path.read_text(encoding="utf-8"), re.MULTILINE):
            shown[name_of(path)] = "".join(lines)
    return shown


def tool(name: str, *arguments: str) -> str:
    """Run a tool of the virtual environment and return its complaints; empty if it has none."""
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    done = subprocess.run(command, cwd=ACTION, capture_output=True, text=True, timeout=120, check=False)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}".strip() or f"exit code {done.returncode}"
