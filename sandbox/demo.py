"""`make demo`: runs the action on a sample pull request, with a build that succeeds and one that fails."""

import os
import sys
import tempfile
import textwrap
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from sandbox import events
from sandbox.events import BASE_BRANCH, HEAD_BRANCH, PULL_REQUEST, REPOSITORY
from sandbox.github.server import GitHub
from sandbox.runner.log import parse_shown_line
from sandbox.runner.runner import Runner
from sandbox.runner.step import StepResult
from sandbox.stormkit.builds import Outcome
from sandbox.stormkit.server import ENV_KEY, Stormkit
from stormkit_action.reporting.console import shows_colours
from stormkit_action.text import strip_controls

_COLUMNS = 80
_INTRODUCTION = f"""\
Pull request {PULL_REQUEST} of {REPOSITORY} is about to get its preview, twice:

  1. The pull request is opened, and its build succeeds.
  2. A commit is pushed to it, and its build fails.

Stormkit and GitHub are two local servers, the repository is made up, and
nothing leaves this machine. The action is the real one, with its default
inputs. It takes about 20 seconds.
"""
_END = """\
What happened
  1. The action started one build, waited for it, and wrote one comment with
     the preview link. The step passed.
  2. It edited the same comment: why the build failed, and the last good
     preview. The step failed, so the pull request's check is red.
  The local servers have stopped, so the links above lead nowhere now.

What to do next
  make sandbox   a page with this pull request, to press the buttons yourself:
                 push, cancel, re-run, publish, roll back, close
  README.md      "Your first preview link": four steps for your repository
"""
_UNEXPECTED = "The demo failed: the step exited with code {} instead of {}. Please report this.\n"

# The event's action, the title, the build's outcome and duration in seconds, and the step's expected exit code.
_RUNS = (
    ("opened", "1. The pull request is opened", Outcome.SUCCESS, 7.0, 0),
    ("synchronize", "2. A commit is pushed", Outcome.FAILED, 5.0, 1),
)


def main() -> int:
    """Run the step for each of _RUNS. Returns 1 if one exits with another code than expected, otherwise 0."""
    _print(_INTRODUCTION)
    with Stormkit() as stormkit, GitHub() as github, tempfile.TemporaryDirectory() as directory:
        for age, duration in ((4, 6), (3, 7), (2, 8), (1, 7)):
            created_at = stormkit.now() - 86_400 * age
            stormkit.add_deployment(branch=BASE_BRANCH, status="success", duration=duration, created_at=created_at)
        for action, title, outcome, seconds, expected in _RUNS:
            _print_title(title)
            stormkit.next_build(seconds=seconds, outcome=outcome)
            payload = _payload(action)
            head_sha = payload["pull_request"]["head"]["sha"]
            stormkit.push(HEAD_BRANCH, head_sha)
            github.state.add_branch(HEAD_BRANCH, head_sha)
            runner = Runner(
                event=payload,
                event_name=f"pull_request_{action}",
                inputs={"api-key": ENV_KEY, "api-url": stormkit.url},
                directory=Path(directory) / action,
                github_url=github.url,
                secrets=[ENV_KEY],
            )
            result = _run(runner)
            _print_result(result, github)
            if result.exit_code != expected:
                _print(_UNEXPECTED.format(result.exit_code, expected))
                return 1
    _print_title("Done")
    _print(_END)
    return 0


def _payload(action: str) -> dict[str, Any]:
    """The event's payload; `opened` has the commit that `synchronize` names as the one before its push."""
    payload = events.load(f"pull_request_{action}")
    if action == "opened":
        payload["pull_request"]["head"]["sha"] = events.load("pull_request_synchronize")["before"]
    return payload


def _run(runner: Runner) -> StepResult:
    """Run the step, and print its log while it grows."""
    step = runner.start()
    log, printed = _Log(), 0
    try:
        for _ in step.lines():
            lines = step.shown
            for line in lines[printed:]:
                log.print(line)
            printed = len(lines)
    except KeyboardInterrupt:
        step.cancel()
        raise
    return step.wait()


class _Log:
    """The step's log as GitHub shows it, with the lines of a group indented."""

    def __init__(self) -> None:
        self._indent = ""

    def print(self, line: str) -> None:
        kind, text = parse_shown_line(line)
        if kind in ("group", "endgroup"):
            self._indent = ""
        if kind not in ("endgroup", "stop-commands"):
            for part in text.splitlines() or [""]:
                _print(_wrapped(f"{self._indent}{strip_controls(part)}"))
        if kind == "group":
            self._indent = "  "


def _print_result(result: StepResult, github: GitHub) -> None:
    verdict = "passed" if result.exit_code == 0 else "failed"
    _print(f"\nThe step {verdict}, with exit code {result.exit_code}.\n")
    for comment in github.state.comments():
        _print_title(f"The comment on the pull request, version {len(comment.history)}", rule="·")
        _print(f"{as_text(comment.body)}\n")
    _print_title("The step's outputs, without the empty ones", rule="·")
    for name, value in result.outputs.items():
        # The output `result` repeats the others as one JSON document.
        if value and name != "result":
            _print(_wrapped(f"{name}: {value}"))
    _print("")


class _Text(HTMLParser):
    """The text of a paragraph that mixes markdown and HTML, with the URL behind each link to a local server.

    The URLs of other links are left out, because the repository is made up.
    """

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._url = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.text += "\n"
        if tag == "a":
            self._url = dict(attrs).get("href") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self.text += f" <{self._url}>" if self._url.startswith("http://127.0.0.1:") else ""

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\xa0", " ")


def as_text(comment: str) -> str:
    """The readable text of a comment: the text of its HTML and of its fenced blocks, at most 80 columns wide."""
    lines, is_fenced = [], False
    for line in comment.splitlines():
        if line.startswith("```"):
            is_fenced = not is_fenced
        elif is_fenced:
            lines.append(_wrapped(f"    {line}"))
        else:
            paragraph = _Text()
            paragraph.feed(line)
            paragraph.close()
            lines += [_wrapped(text) for text in paragraph.text.splitlines() if text.strip()]
    return "\n".join(lines)


def _wrapped(line: str) -> str:
    """`line` wrapped at 80 columns; a longer word, such as a URL, is not broken."""
    return textwrap.fill(
        line,
        _COLUMNS,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _print_title(text: str, *, rule: str = "─") -> None:
    title = f"{rule * 2} {text} {rule * (_COLUMNS - len(text) - 4)}"
    _print(f"\033[1m{title}\033[0m" if shows_colours(sys.stdout, os.environ) else title)


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
