"""`make demo`: the action on a sample pull request, once with a build that succeeds and once with one that fails."""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from sandbox import events
from sandbox.events import BASE_BRANCH, HEAD_BRANCH
from sandbox.github.server import GitHub
from sandbox.runner import commands as log_commands
from sandbox.runner.runner import Runner
from sandbox.runner.step import Finished
from sandbox.stormkit.server import Stormkit

# Actions of the pull request, and the exit code that each run ends with.
_EXPECTED = {"opened": 0, "synchronize": 1}
_WIDTH = 100
_STOP_TOKEN = re.compile("::[0-9a-f]{32}::")
_MARKS = {"group": "▾ ", "error": "Error: ", "warning": "Warning: ", "notice": "Notice: "}


def main() -> int:
    """Run both. 0 when they ended as they should."""
    with Stormkit() as stormkit, GitHub() as github, tempfile.TemporaryDirectory() as directory:
        for age, seconds in enumerate((41, 38, 44, 40), start=1):
            stormkit.add_deployment(
                branch=BASE_BRANCH, status="success", duration=seconds, created_at=stormkit.now() - 86_400 * age
            )
        stormkit.next_build(seconds=6, outcome="success")
        stormkit.next_build(seconds=4, outcome="failed")
        codes = []
        for action, code in _EXPECTED.items():
            _title(f"pull request {action}: a build that {'fails' if code else 'succeeds'}")
            payload = _payload(action)
            for push in (stormkit.push, github.state.add_branch):
                push(HEAD_BRANCH, payload["pull_request"]["head"]["sha"])
            runner = Runner(
                event=payload,
                event_name=f"pull_request_{action}",
                inputs={"api-key": "SK_sandbox", "api-url": stormkit.url, "build-log": "stream"},
                directory=Path(directory) / action,
                github_url=github.url,
                secrets=["SK_sandbox"],
            )
            step = runner.start()
            for line in step.lines():
                _print_as_github_shows(line)
            finished = step.wait()
            codes.append(finished.exit_code)
            _show(finished, github)
    return 0 if codes == list(_EXPECTED.values()) else 1


def _payload(action: str) -> dict[str, Any]:
    """The pull request is opened with the commit that the later push replaces."""
    payload = events.load(f"pull_request_{action}")
    if action == "opened":
        payload["pull_request"]["head"]["sha"] = events.load("pull_request_synchronize")["before"]
    return payload


def _print_as_github_shows(line: str) -> None:
    command = log_commands.parse(line)
    if command is None:
        # What ends stop-commands is not shown either.
        if not _STOP_TOKEN.fullmatch(line):
            print(line, flush=True)
    elif command.name in _MARKS:
        print(f"{_MARKS[command.name]}{command.value}", flush=True)


def _show(finished: Finished, github: GitHub) -> None:
    _title(f"exit code {finished.exit_code}; outputs")
    for name, value in finished.outputs.items():
        print(f"{name}={value}")
    _title("the job summary")
    print(finished.summary)
    comments = github.state.comments()
    _title(f"the pull request's comments: {len(comments)}")
    for comment in comments:
        print(f"{comment.login}:\n{comment.body.rpartition('<!-- ')[0]}")


def _title(text: str) -> None:
    print(f"\n\033[1m── {text} {'─' * max(0, _WIDTH - len(text) - 4)}\033[0m", flush=True)


if __name__ == "__main__":
    sys.exit(main())
