"""Serves the page, its current content, and its buttons."""

import json
from html import escape
from pathlib import Path

from sandbox.events import HEAD_BRANCH, PULL_REQUEST, REPOSITORY
from sandbox.github.server import GitHub
from sandbox.github.state import Comment, Deployment
from sandbox.page.markdown import as_github_shows
from sandbox.page.pull_request import PullRequest, Run
from sandbox.runner.log import parse_shown_line
from sandbox.stormkit.server import Stormkit
from sandbox.web import ReceivedRequest, Reply, Server
from stormkit_action.text import strip_controls

_TYPES = {"page.html": "html", "page.css": "css", "page.js": "javascript", "github-markdown.css": "css"}
_VIEW = '<a href="{}" target="_blank">View deployment</a>'
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


class PageServer(Server):
    """The page's server. It listens on the loopback interface, so only users of this machine can reach it."""

    def __init__(self, stormkit: Stormkit, github: GitHub, *, port: int = 0) -> None:
        super().__init__(port=port)
        self._stormkit, self._github = stormkit, github
        self.pull_request = PullRequest(stormkit, github, page_url=self.url)

    def handle(self, request: ReceivedRequest) -> Reply:
        # Refuse requests of other websites in the same browser: cross-origin ones, and those of a site that resolves
        # its own host name to this machine (DNS rebinding).
        origin = f"http://{request.headers.get('host')}"
        if origin.replace("localhost", "127.0.0.1") != self.url or request.headers.get("origin", origin) != origin:
            return Reply(status=403, body=f"This is not the page's address: open {self.url}\n")
        if request.method == "POST":
            return Reply(status=204 if self.pull_request.press(request.path.removeprefix("/press/")) else 409)
        if request.path == "/state":
            return Reply(body={"buttons": self.pull_request.buttons, "parts": self.parts()}, headers=_HEADERS)
        name = request.path[1:] or "page.html"
        if name in _TYPES:
            headers = {**_HEADERS, "content-type": f"text/{_TYPES[name]}; charset=utf-8"}
            return Reply(body=Path(__file__).with_name(name).read_bytes(), headers=headers)
        # Anything else is a link in a comment to one of GitHub's or Stormkit's pages, which this page stands in for.
        return Reply(status=302, headers={"location": "/"})

    def close(self) -> None:
        self.pull_request.close()
        super().close()

    def parts(self) -> dict[str, str]:
        """The content of the page: an element's id and its HTML."""
        pull_request, github, live = self.pull_request, self._github.state, self._stormkit.live()
        run = pull_request.runs[-1] if pull_request.runs else None
        return {
            "title": escape(f"{pull_request.content.title} #{PULL_REQUEST}"),
            "about": f"{_badge(pull_request.state)} {escape(REPOSITORY)} · <code>{escape(HEAD_BRANCH)}</code> at"
            f" <code>{escape(pull_request.content.head_sha[:7])}</code>",
            "comments": "".join(map(_comment, github.comments())),
            "deployments": "".join(map(_deployment, reversed(github.deployments))),
            "live": f"deployment {live}" if live else "nothing",
            **(_run_parts(run) if run else {}),
        }


def _comment(comment: Comment) -> str:
    edited = " · edited" if len(comment.history) > 1 else ""
    return (
        f'<article class="box"><p>{escape(comment.login)}{edited}</p>'
        f'<div class="markdown-body">{as_github_shows(comment.body)}</div></article>'
    )


def _deployment(deployment: Deployment) -> str:
    link = _VIEW.format(escape(deployment.statuses[-1].environment_url)) if deployment.state == "success" else ""
    return (
        f"<li>{_badge(deployment.state or 'pending')} {escape(deployment.environment)}"
        f" · {escape(deployment.sha[:7])}{link}</li>"
    )


def _run_parts(run: Run) -> dict[str, str]:
    attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
    log = [*(run.step.shown if run.step else ()), *run.post_log.splitlines()]
    return {
        "run": f"{_badge(run.state)} {escape(run.title)} · run {run.number}{attempt}",
        "log": "".join(map(_log_line, log)),
        "summary": as_github_shows(run.result.summary) if run.result else "",
        "outputs": "".join(_output(name, value) for name, value in run.result.outputs.items()) if run.result else "",
    }


def _badge(state: str) -> str:
    return f'<span class="badge {escape(state)}">{escape(state.replace("_", " "))}</span>'


def _log_line(line: str) -> str:
    kind, text = parse_shown_line(line)
    return "" if kind == "endgroup" else f'<span class="{kind}">{escape(strip_controls(text))}\n</span>'


def _output(name: str, value: str) -> str:
    shown = escape(value)
    if name == "result":
        document = escape(json.dumps(json.loads(value), indent=2))
        shown = f"<details><summary>JSON</summary><pre>{document}</pre></details>"
    return f"<dt>{escape(name)}</dt><dd>{shown}</dd>"
