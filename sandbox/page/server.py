"""Serves the page, what it shows, and its buttons."""

import re
from html import escape
from pathlib import Path

from sandbox.events import HEAD_BRANCH, PULL_REQUEST, REPOSITORY
from sandbox.github.server import GitHub
from sandbox.github.state import Comment, Deployment
from sandbox.page.markdown import as_github_shows
from sandbox.page.pull_request import PullRequest, Run
from sandbox.stormkit.server import Stormkit
from sandbox.web import Recorded, Reply, Server

_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/github-markdown.css": ("github-markdown.css", "text/css"),
}
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MARKED = re.compile(r"##\[(\w+)\](.*)", re.DOTALL)
_MARKS = {"group": "▾ ", "error": "Error: ", "warning": "Warning: ", "notice": "Notice: "}

# Lines of a run's log that the page shows: the newest.
MAX_LOG_LINES = 2000


class PageServer(Server):
    """The page on its own port of the loopback, for whoever sits at this machine."""

    name = "page"

    def __init__(self, stormkit: Stormkit, github: GitHub, *, port: int = 0) -> None:
        super().__init__(port=port)
        self._stormkit, self._github = stormkit, github
        self.pull_request = PullRequest(stormkit, github, page_url=self.url)

    def handle(self, request: Recorded) -> Reply:
        # A website that is open in the same browser may send requests here too, under its own name or under one that it
        # has made to mean this machine.
        host = self.url.removeprefix("http://")
        if request.headers.get("host") != host or request.headers.get("origin", self.url) != self.url:
            return Reply(status=403, body=f"Open {self.url} itself.\n")
        if request.method == "POST":
            return Reply(status=204 if self.pull_request.press(request.path.removeprefix("/press/")) else 409)
        if request.path == "/state":
            return Reply(body={"buttons": self.pull_request.buttons, "parts": self._parts()}, headers=_HEADERS)
        if request.path in _FILES:
            name, kind = _FILES[request.path]
            headers = {**_HEADERS, "content-type": f"{kind}; charset=utf-8"}
            return Reply(body=Path(__file__).with_name(name).read_bytes(), headers=headers)
        # Links of comments to GitHub's and Stormkit's own pages, whose place this page takes.
        return Reply(status=302, headers={"location": "/"})

    def close(self) -> None:
        """End the run under way, then stop serving."""
        self.pull_request.close()
        super().close()

    def _parts(self) -> dict[str, str]:
        """The page's parts by their ids, as HTML."""
        pull_request, github, live = self.pull_request, self._github.state, self._stormkit.live()
        content = pull_request.content
        return {
            "title": escape(f"{REPOSITORY}: {content.title} #{PULL_REQUEST}"),
            "state": f"{_badge(pull_request.state)} <code>{HEAD_BRANCH}</code> at <code>{content.head_sha[:7]}</code>",
            "comments": "".join(map(_comment, github.comments())),
            "deployments": "".join(map(_deployment, reversed(github.deployments))),
            "live": f"Live on Stormkit: {f'deployment {live}' if live else 'nothing'}",
            **(_of_run(pull_request.runs[-1]) if pull_request.runs else {"run": "None yet: open the pull request."}),
        }


def _of_run(run: Run) -> dict[str, str]:
    attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
    lines = [*(run.step.shown if run.step else ()), *run.after.splitlines()]
    outputs = run.finished.outputs if run.finished else {}
    return {
        "run": f"{_badge(run.state)} {escape(run.title)}: run {run.number}{attempt}",
        "log": "".join(map(_line, lines[-MAX_LOG_LINES:])),
        "summary": as_github_shows(run.finished.summary) if run.finished else "",
        "outputs": "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in outputs.items()),
    }


def _line(text: str) -> str:
    marked = _MARKED.fullmatch(_COLOUR.sub("", text))
    kind, rest = marked.groups() if marked else ("", _COLOUR.sub("", text))
    return "" if kind == "endgroup" else f'<span class="{kind}">{_MARKS.get(kind, "")}{escape(rest)}\n</span>'


def _comment(comment: Comment) -> str:
    edited = " · edited" if len(comment.history) > 1 else ""
    body = f'<div class="markdown-body">{as_github_shows(comment.body)}</div>'
    return f'<article class="comment"><p>{escape(comment.login)} commented{edited}</p>{body}</article>'


def _deployment(deployment: Deployment) -> str:
    url = deployment.statuses[-1].environment_url if deployment.state == "success" else ""
    link = f'<a href="{escape(url)}" target="_blank" rel="noopener">View deployment</a>' if url else ""
    badge = _badge(deployment.state or "pending")
    return f"<li>{badge} {escape(deployment.environment)} · {deployment.sha[:7]}{link}</li>"


def _badge(state: str) -> str:
    return f'<span class="badge {escape(state)}">{escape(state.replace("_", " "))}</span>'
