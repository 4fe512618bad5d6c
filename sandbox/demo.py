"""`make demo`: the action on a sample pull request, once with a build that succeeds and once with one that fails."""

import sys
import tempfile
from pathlib import Path

from sandbox.events import BASE_BRANCH
from sandbox.github import GitHub
from sandbox.runner import Runner
from sandbox.step import Finished
from sandbox.stormkit import Stormkit

_WIDTH = 100


def main() -> int:
    """Run both. 0 when they ended as they should."""
    with Stormkit() as stormkit, GitHub() as github, tempfile.TemporaryDirectory() as directory:
        for age, seconds in enumerate((41, 38, 44, 40), start=1):
            stormkit.add_deployment(branch=BASE_BRANCH, status="success", duration=seconds, age=86_400 * age)
        stormkit.next_build(seconds=6, outcome="success")
        stormkit.next_build(seconds=4, outcome="failed")
        expected = (("opened", 0), ("synchronize", 1))
        codes = []
        for action, code in expected:
            _title(f"pull request {action}: a build that {'fails' if code else 'succeeds'}")
            runner = Runner(
                event=f"pull_request_{action}",
                inputs={"api-key": "SK_sandbox", "api-url": stormkit.url, "build-log": "stream"},
                directory=Path(directory) / action,
                github_url=github.url,
                secrets=["SK_sandbox"],
            )
            step = runner.start()
            for line in step.lines():
                print(line, flush=True)
            finished = step.wait()
            codes.append(finished.exit_code)
            _show(finished, github)
    return 0 if codes == [code for _, code in expected] else 1


def _show(finished: Finished, github: GitHub) -> None:
    _title(f"exit code {finished.exit_code}; outputs")
    for name, value in finished.outputs.items():
        print(f"{name}={value}")
    _title("the job summary")
    print(finished.summary)
    comments = github.state.comments()
    _title(f"the pull request's comments: {len(comments)}")
    for comment in comments:
        print(f"{comment.login}:\n{comment.body}")


def _title(text: str) -> None:
    print(f"\n\033[1m── {text} {'─' * max(0, _WIDTH - len(text) - 4)}\033[0m", flush=True)


if __name__ == "__main__":
    sys.exit(main())
