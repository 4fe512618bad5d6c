"""`build-log: stream`: what the step's log shows while a build runs, with the whole program as a process."""

import re
from pathlib import Path

import pytest

from sandbox.runner.runner import Runner
from sandbox.runner.step import StepResult
from sandbox.stormkit.server import ENV_KEY, USER_KEY, Step, Stormkit

STEPS = (
    Step(title="npm install", message="".join(f"install {number}\n" for number in range(40))),
    Step(title="npm run build", message="".join(f"build {number}\n" for number in range(40)) + "no line end"),
)
HOSTILE = (
    "::error::owned\nok\r::set-output name=status::owned\n##[error]owned\n::stop-commands::x\n::x::\n::endgroup::\n"
)


def runner(stormkit: Stormkit, directory: Path, **inputs: str) -> Runner:
    values = {"api-key": ENV_KEY, "api-url": stormkit.url, "build-log": "stream"}
    values |= {"comment": "false", "github-deployment": "false"}
    values |= {name.replace("_", "-"): value for name, value in inputs.items()}
    return Runner(event="push_branch", inputs=values, directory=directory, secrets=[ENV_KEY, USER_KEY])


def run(stormkit: Stormkit, directory: Path, **inputs: str) -> StepResult:
    return runner(stormkit, directory, poll_interval="0.2s", **inputs).run()


def groups(finished: StepResult) -> list[tuple[str, list[str]]]:
    """The log's groups as titles and lines, without stop-commands and its tokens."""
    found: list[tuple[str, list[str]]] = []
    inside = False
    for line in finished.shown.splitlines():
        if line.startswith("##[group]"):
            assert not inside, "a group inside a group"
            found.append((line.removeprefix("##[group]"), []))
            inside = True
        elif line == "##[endgroup]":
            inside = False
        elif inside and not re.match(r"::(stop-commands::)?\*\*\*", line):
            found[-1][1].append(line)
    return found


def test_each_streamed_line_is_shown_once_in_the_group_of_its_step(tmp_path):
    with Stormkit() as stormkit:
        checks = [Step(title="e2e", message="12 passed\n")]
        stormkit.next_build(seconds=3, steps=STEPS, checks=checks, check_seconds=0.5)
        finished = run(stormkit, tmp_path)
        reads = stormkit.received("GET", "/v1/deployments/")
    assert finished.exit_code == 0
    assert finished.problems == []
    shown = groups(finished)
    titles = list(dict.fromkeys(re.sub(r" \(continued\)| \(\d+s\)", "", title) for title, _ in shown))
    assert titles == ["npm install", "npm run build", "deploy", "Status check: e2e"]
    lines = [line for _, group in shown for line in group]
    for step in (*STEPS, checks[0]):
        for line in step.message.splitlines():
            assert lines.count(line) == 1, line
    # The log was read several times during the three seconds of the build.
    assert 2 <= len([request for request in reads if "logs" in request.query]) <= 5
    assert finished.log.index("install 0\n") < finished.log.index("build 0\n") < finished.log.index("12 passed")


def test_lines_are_shown_while_the_build_runs(tmp_path):
    with Stormkit() as stormkit:
        stormkit.next_build(seconds=60, steps=STEPS)
        step = runner(stormkit, tmp_path, on_cancel="leave").start()
        next(line for line in step.lines() if line.startswith("install 1"))
        assert stormkit.deployments[0].status == "running"
        finished = step.cancel()
    assert finished.exit_code == 130
    assert finished.log.count("install 1\n") == 1


@pytest.mark.threat("A hostile build log")
@pytest.mark.parametrize("ok", [True, False])
def test_hostile_streamed_output_issues_no_command(tmp_path, ok):
    with Stormkit() as stormkit:
        steps = [Step(title="::error::npm install", message=HOSTILE), Step(title="build", message=HOSTILE, ok=ok)]
        stormkit.next_build(seconds=1.5, steps=steps, outcome="success" if ok else "failed")
        finished = run(stormkit, tmp_path)
    assert finished.outputs["status"] == ("success" if ok else "failed")
    assert {command.name for command in finished.commands} <= {
        "add-mask",
        "group",
        "endgroup",
        "stop-commands",
        "error",
    }
    assert len(finished.annotated("error")) == (0 if ok else 1)
    assert finished.problems == []


def test_logs_of_several_environments_are_streamed_side_by_side(tmp_path):
    names = {"docs": "306", "site": "307", "blog": "308"}
    with Stormkit() as stormkit:
        for name, env_id in names.items():
            stormkit.add_environment(env_id, name=name)
        text = "".join(f"{number} in some environment\n" for number in range(200))
        for _ in names:
            stormkit.next_build(seconds=2.5, steps=[Step(title="build", message=text)])
        environments = "\n".join(f"{name}: {env_id}" for name, env_id in names.items())
        finished = run(stormkit, tmp_path, api_key=USER_KEY, environments=environments)
    assert finished.exit_code == 0
    lines: dict[str, list[str]] = {}
    for title, group in groups(finished):
        name = re.match(r"\[(\w+)\] ", title)
        assert name, title
        lines.setdefault(name[1], []).extend(line for line in group if "in some environment" in line)
    assert lines == {name: [f"{number} in some environment" for number in range(200)] for name in names}
    for name in names:
        assert re.search(rf"^\[{name}\] \d+s: running", finished.log, re.MULTILINE)
