"""`make demo`: the action on a sample pull request, once with a build that succeeds and once with one that fails."""

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
from sandbox.runner.log import readable
from sandbox.runner.runner import Runner
from sandbox.runner.step import Finished
from sandbox.stormkit.builds import Outcome
from sandbox.stormkit.server import ENV_KEY, Stormkit
from stormkit_action.reporting.console import shows_colours
from stormkit_action.text import strip_controls

_WIDTH = 80
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
_UNEXPECTED = "This is not how the demo should end: the step's exit code is {}, not {}.\n"

# An action of the pull request, what happens, how the build ends and after how many seconds, the step's exit code.
_RUNS = (
    ("opened", "1. The pull request is opened", Outcome.SUCCESS, 7.0, 0),
    ("synchronize", "2. A commit is pushed", Outcome.FAILED, 5.0, 1),
)


def main() -> int:
    """Run both. 0 when they ended as they should."""
    _say(_INTRODUCTION)
    with Stormkit() as stormkit, GitHub() as github, tempfile.TemporaryDirectory() as directory:
        for age, duration in enumerate((7, 8, 7, 6), start=1):
            created_at = stormkit.now() - 86_400 * age
            stormkit.add_deployment(branch=BASE_BRANCH, status="success", duration=duration, created_at=created_at)
        for action, title, outcome, seconds, expected in _RUNS:
            _title(title)
            stormkit.next_build(seconds=seconds, outcome=outcome)
            payload = _payload(action)
            for push in (stormkit.push, github.state.add_branch):
                push(HEAD_BRANCH, payload["pull_request"]["head"]["sha"])
            runner = Runner(
                event=payload,
                event_name=f"pull_request_{action}",
                inputs={"api-key": ENV_KEY, "api-url": stormkit.url},
                directory=Path(directory) / action,
                github_url=github.url,
                secrets=[ENV_KEY],
            )
            finished = _follow(runner)
            _show(finished, github)
            if finished.exit_code != expected:
                _say(_UNEXPECTED.format(finished.exit_code, expected))
                return 1
    _title("Done")
    _say(_END)
    return 0


def _payload(action: str) -> dict[str, Any]:
    """The pull request is opened with the commit that the later push replaces."""
    payload = events.load(f"pull_request_{action}")
    if action == "opened":
        payload["pull_request"]["head"]["sha"] = events.load("pull_request_synchronize")["before"]
    return payload


def _follow(runner: Runner) -> Finished:
    """Run the step, and show its log as it grows."""
    step = runner.start()
    log, seen = _Log(), 0
    try:
        for _ in step.lines():
            lines = step.shown
            for line in lines[seen:]:
                log.show(line)
            seen = len(lines)
    except KeyboardInterrupt:
        step.cancel()
        raise
    return step.wait()


class _Log:
    """The step's log as GitHub shows it, with what folds there indented."""

    def __init__(self) -> None:
        self._indent = ""

    def show(self, line: str) -> None:
        kind, text = readable(line)
        if kind in ("group", "endgroup"):
            self._indent = ""
        if kind not in ("endgroup", "stop-commands"):
            for each in text.splitlines() or [""]:
                _say(_wrapped(f"{self._indent}{strip_controls(each)}"))
        if kind == "group":
            self._indent = "  "


def _show(finished: Finished, github: GitHub) -> None:
    verdict = "passed" if finished.exit_code == 0 else "failed"
    _say(f"\nThe step {verdict}, with exit code {finished.exit_code}.\n")
    for comment in github.state.comments():
        _title(f"The comment on the pull request, version {len(comment.history)}", rule="·")
        _say(f"{as_text(comment.body)}\n")
    _title("The step's outputs, without the empty ones", rule="·")
    for name, value in finished.outputs.items():
        # A document for programs, which says the same.
        if value and name != "result":
            _say(_wrapped(f"{name}: {value}"))
    _say("")


class _Text(HTMLParser):
    """Text of a paragraph of markdown whose tags are HTML, with the address behind each link to a local server.

    The other links lead into the repository that doesn't exist.
    """

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._address = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.text += "\n"
        if tag == "a":
            self._address = dict(attrs).get("href") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self.text += f" <{self._address}>" if self._address.startswith("http://127.0.0.1:") else ""

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\xa0", " ")


def as_text(comment: str) -> str:
    """A comment as a person reads it: what is written into its HTML and between its fences, at most 80 columns wide."""
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
            lines += [_wrapped(each) for each in paragraph.text.splitlines() if each.strip()]
    return "\n".join(lines)


def _wrapped(line: str) -> str:
    """`line` in lines of at most 80 columns, except for a longer word such as an address."""
    return textwrap.fill(
        line,
        _WIDTH,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _title(text: str, *, rule: str = "─") -> None:
    title = f"{rule * 2} {text} {rule * (_WIDTH - len(text) - 4)}"
    _say(f"\033[1m{title}\033[0m" if shows_colours(sys.stdout, os.environ) else title)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
