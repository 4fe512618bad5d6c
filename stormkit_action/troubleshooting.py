"""Where docs/troubleshooting.md explains an error: its headings are parts of the errors' texts."""

import re
from collections.abc import Mapping

# Written by `make tables`; `…` stands for what is filled in.
SECTIONS: tuple[str, ...] = (
    # <!-- sections -->
    "Input api-key: … is not valid",
    "STORMKIT_API_KEY is empty",
    "Stormkit refused the API key",
    "Stormkit answered 404 (not found)",
    "The build minutes of this Stormkit account are used up",
    "gave no answer while",
    "did not finish its answer within",
    "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that can't be read",
    "Stormkit answered with a redirect to",
    "answered with a web page",
    "without a JSON object while",
    "Stormkit's API was not there (404)",
    "A firewall or proxy between the runner and Stormkit refused the request",
    "The proxy asks for a user name and a password",
    "Stormkit is getting too many requests",
    "Stormkit's server, or a proxy in front of it, failed",
    "The build of deployment … failed",
    "Stormkit ended deployment … after",
    "had not ended after … (input timeout)",
    "Stormkit built commit …, not the expected",
    "was stopped by hand or by another program",
    "superseded it",
    "was deleted on Stormkit while it ran",
    "was published, but it never came up",
    "The health check of … failed",
    "has no preview URL, so its health can't be checked",
    "can't be published: its build is",
    "Nothing was rolled back",
    "deleting it would take the site down",
    "The token lacks a permission",
    "There is no open pull request of … to comment on",
    "The pull request comes from a fork",
    "Dependabot's runs get no repository secrets",
    "Kept the deployments of …",
    "is the repository's default branch, so its deployments stay",
    "Stormkit deploys branches",
    "The comment is on an issue, not on a pull request",
    "was deleted: there is nothing to",
    "is closed, so its branch was not deployed",
    "the workflow ran for a tag, and Stormkit deploys branches",
    "the runner's work directory is not visible in containers",
    "This is a bug in stormkit_action",
    "The outputs could not be written to GITHUB_OUTPUT",
    "Each push is built twice",
    # <!-- /sections -->
)


def link(text: str, environ: Mapping[str, str]) -> str:
    """The address of the section about an error; empty where there is none, or the action's repository isn't known."""
    repository = environ.get("GITHUB_ACTION_REPOSITORY")
    heading = next((heading for heading in SECTIONS if _is_about(heading, text)), "")
    if not repository or not heading:
        return ""
    server = environ.get("GITHUB_SERVER_URL") or "https://github.com"
    ref = environ.get("GITHUB_ACTION_REF") or "main"
    return f"{server}/{repository}/blob/{ref}/docs/troubleshooting.md#{anchor(heading)}"


def with_link(text: str, environ: Mapping[str, str]) -> str:
    """`text`, with the address of the section about it on a line of its own."""
    address = link(text, environ)
    return f"{text}\n{address}" if address else text


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _is_about(heading: str, text: str) -> bool:
    """Whether the parts of `heading` stand in one line of `text`, in this order."""
    return re.search(".*?".join(map(re.escape, heading.split("…"))), text) is not None
