"""Serves the page, what it shows as JSON, and its buttons."""

from pathlib import Path
from typing import Any

from sandbox.events import HEAD_BRANCH, PULL_REQUEST, REPOSITORY
from sandbox.github.server import GitHub
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
            pressed = self.pull_request.press(request.path.removeprefix("/press/"))
            return Reply(status=204 if pressed else 409)
        if request.path == "/state":
            return Reply(body=self.state(), headers=_HEADERS)
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

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        pull_request, runs = self.pull_request, self.pull_request.runs
        return {
            "title": f"{REPOSITORY}: {pull_request.content.title} #{PULL_REQUEST}",
            "branch": HEAD_BRANCH,
            "state": pull_request.state,
            "sha": pull_request.content.head_sha,
            "buttons": pull_request.buttons,
            "comments": [
                {"author": comment.login, "html": as_github_shows(comment.body), "edits": len(comment.history) - 1}
                for comment in self._github.state.comments()
            ],
            "deployments": [
                {
                    "environment": deployment.environment,
                    "sha": deployment.sha[:7],
                    "state": deployment.state or "pending",
                    "url": deployment.statuses[-1].environment_url if deployment.statuses else "",
                }
                for deployment in reversed(self._github.state.deployments)
            ],
            "live": self._stormkit.live(),
            "run": _of_run(runs[-1]) if runs else None,
        }


def _of_run(run: Run) -> dict[str, Any]:
    finished = run.finished
    return {
        "title": f"{run.title}: run {run.number}" + (f", attempt {run.attempt}" if run.attempt > 1 else ""),
        "state": run.state,
        "log": [*(run.step.shown if run.step else ()), *run.after.splitlines()][-MAX_LOG_LINES:],
        "summary": as_github_shows(finished.summary) if finished else "",
        "outputs": finished.outputs if finished else {},
    }
