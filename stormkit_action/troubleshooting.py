"""Where docs/troubleshooting.md explains an error: its headings are parts of the errors' texts."""

import re
from collections.abc import Mapping

# Written by `make tables`; `…` stands for what is filled in.
SECTIONS: tuple[str, ...] = (
    # <!-- sections -->
    "Input …: … is not valid",
    "Input api-key: … is not valid",
    "STORMKIT_API_KEY is empty",
    "--branch is needed",
    "Stormkit refused the API key",
    "Stormkit answered 404 (not found)",
    "This API key belongs to environment",
    "The build minutes of this Stormkit account are used up",
    "gave no answer while",
    "did not finish its answer within",
    "look at the dashboard before running again",
    "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that can't be read",
    "Stormkit answered with a redirect to",
    "answered with a web page",
    "without a JSON object while",
    "speaks HTTPS, and the request was plain HTTP",
    "is not encrypted, so the API key can be read in transit",
    "Stormkit's API was not there (404)",
    "A firewall or proxy between the runner and Stormkit refused the request",
    "The proxy asks for a user name and a password",
    "Stormkit is getting too many requests",
    "Stormkit failed",
    "Stormkit's server, or a proxy in front of it, failed",
    "answered without",
    "Stormkit did not accept the request",
    "The build of deployment … failed",
    "does not exist in the repository",
    "Stormkit ended deployment … after",
    "Ran out of time",
    "Stormkit built commit …, not the expected",
    "Stormkit calls the build successful, but reports an error",
    "without the environment's configuration",
    "can't be restarted",
    "was stopped by hand or by another program",
    "superseded it",
    "was deleted on Stormkit while it ran",
    "The job was cancelled",
    "Cancelled before the step's deployments were confirmed stopped",
    "may still be building",
    "still reports it as running",
    "A superseded deployment is still running",
    "There is no deployment … in",
    "Branch … has no",
    "deployments were deleted. What went wrong",
    "deleting it would take the site down",
    "was published, but it never came up",
    "Not published:",
    "The health check of … failed",
    "The health of … is not known",
    "has no preview URL, so its health can't be checked",
    "can't be published: its build is",
    "is not live: a newer publish",
    "Nothing was rolled back",
    "The token lacks a permission",
    "GitHub refused",
    "GitHub gave no usable answer",
    "The github-token is not valid",
    "No github-token, so",
    "There is no open pull request of … to comment on",
    "The … comes from a fork",
    "Dependabot's runs get no repository secrets",
    "Kept the deployments of …",
    "is the repository's default branch, so its deployments stay",
    "Stormkit deploys branches",
    "the workflow ran for a tag, and Stormkit deploys branches",
    "The comment is on an issue, not on a pull request",
    "was deleted: there is nothing to",
    "Pull request #… is closed",
    "has no usable head branch",
    "event file",
    "the runner's work directory is not visible in containers",
    "This is a bug in stormkit_action",
    "could not be written",
    "Each push is built twice",
    # <!-- /sections -->
)


# The most links that one text gets: many wrong inputs need no list of addresses.
MAX_LINKS = 3


def links(text: str, environ: Mapping[str, str]) -> list[str]:
    """The addresses of the sections about the lines of `text`; none where the action's repository isn't known."""
    repository = environ.get("GITHUB_ACTION_REPOSITORY")
    if not repository:
        return []
    server = environ.get("GITHUB_SERVER_URL") or "https://github.com"
    ref = environ.get("GITHUB_ACTION_REF") or "main"
    headings = dict.fromkeys(filter(None, map(section, text.split("\n"))))
    page = f"{server}/{repository}/blob/{ref}/docs/troubleshooting.md"
    return [f"{page}#{anchor(heading)}" for heading in headings][:MAX_LINKS]


def section(line: str) -> str:
    """The heading of the section about a line, the most exact one; empty where there is none."""
    return max((heading for heading in SECTIONS if _is_about(heading, line)), key=len, default="")


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _is_about(heading: str, line: str) -> bool:
    """Whether the parts of `heading` stand in `line`, in this order."""
    position = 0
    for part in heading.split("…"):
        position = line.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return True
