"""docs/troubleshooting.md explains the texts that the package prints, and every one that needs it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from stormkit_action.troubleshooting import section
from tools.doc_tables import ROOT

HEADINGS = re.findall(r"^### (.+)$", (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)
# A symptom without a text of its own.
SYMPTOMS = {"Each push is built twice"}

# Modules whose sentences are help and tables, or never seen inside GitHub, where there are links.
NOT_MESSAGES = {"cli.py", "check.py", "outputs.py", "table.py", "summary.py", "comment_body.py", "troubleshooting.py"}
# Calls whose texts are the log's running account, or the help of an input.
NOT_MESSAGE_CALLS = {"log", "_log", "_input"}

# The beginnings of messages that say all there is to say.
COMPLETE = (
    "Deployment … was deleted before it could be read.",
    "Stormkit accepted the deletion of deployment …, but it is still there.",
    "Stormkit does not say whether it is published, so it was kept.",
    "…. Building it again as a new deployment",
    "Deployment … was stopped",
    "Deployment … belongs to branch …: it was left alone.",
    "Deployment … ended.",
    "Deployment … was deleted.",
    "GITHUB_EVENT_PATH is not set",
    "The request was cancelled before it was sent.",
    "Give the token this permission: ….",
    "Input …: … is … seconds. For minutes",
    "Input …: only one of them can be given",
    "Input …: a deployment belongs to one environment",
    "Input …: … finds its deployments itself",
    "Input …: … acts on none by its id",
    "Input …: without waiting there is no finished build",
    "A bug in the action; see the step's log.",
    "--branch is needed",
    "STORMKIT_API_KEY_FILE names an empty file",
    "Input …: … is not the name of a branch",
    "The comment was deleted while it was edited.",
    "… of … are not up to date.",
    "Stormkit did not say which environment was deployed.",
    "Stormkit did not say which commit was built.",
    "No comment was written.",
    "No …: this is not a step of a GitHub workflow.",
    "Stormkit's list of deployments has no",
    "… was the wrong server for the request",
    "Stormkit accepted the trigger, but … in its answer.",
    "Stormkit's answer can't be used",
    "Stormkit has no deployment …: its ids end at",
    "Deployment … was published, but Stormkit does not say whether it is live.",
)

# Parts that are never printed alone.
PARTS = (
    "… and deployment … was stopped.",
    "…; no deployment of it was found.",
    "…, and whether its deployment was stopped is not known.",
    "… has that in …: …. Drop ….",
    "Name its host in NO_PROXY: a proxy is set.",
    "Its build was stopped and nothing was published.",
    " Nothing was published.",
    " It is live.",
    " Deployment … was being published and may still go live.",
    "…. Run the job again later.",
    "…. It does not exist, or the github-token has no access to this repository.",
    "… Push its commits to a branch of this repository.",
    "To deploy Dependabot's pull requests, save the key as a Dependabot secret too",
    ' It says: "…".',
    "Correct what it names, and run again.",
    "… Check … too",
    "Check these values",
    "An app, team or user key needs …",
    " Deployment … is live.",
    "Check that … is right",
)


def strings(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Every string, with `…` for what is filled in, but not docstrings."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in ast.walk(node)} - {id(node)}
        elif isinstance(node, ast.Expr):
            inside.add(id(node.value))
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            yield node, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node, node.value


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


@cache
def texts() -> list[str]:
    """Every string of the package."""
    # That module has the headings themselves.
    paths = {*(ROOT / "stormkit_action").rglob("*.py")} - {ROOT / "stormkit_action/troubleshooting.py"}
    return [text for path in paths for _, text in strings(parsed(path))]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def messages() -> list[str]:
    """The sentences that a command ends or warns with. An input's name is filled in where a text begins with one."""
    found = []
    for path in (ROOT / "stormkit_action").rglob("*.py"):
        if path.name in NOT_MESSAGES:
            continue
        tree = parsed(path)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node) in NOT_MESSAGE_CALLS]
        aside = {id(part) for call in calls for part in ast.walk(call)}
        for node, text in strings(tree):
            if id(node) not in aside and re.search(r"[a-z]\S* \S+ \S+.*\.(?: |$)", text):
                found.append(re.sub(r"^…:", "Input …:", text))
    return sorted(set(found))


@pytest.mark.parametrize("heading", [heading for heading in HEADINGS if heading not in SYMPTOMS])
def test_the_package_says_so(heading):
    # An input's name is filled in as well.
    wanted = (heading, re.sub(r"^Input (?:[a-z-]+|…):", "…:", heading))
    assert [text for text in texts() if any(part in text for part in wanted)], f"no text of the package holds {heading}"


@pytest.mark.parametrize("message", messages())
def test_a_message_has_its_section_or_needs_none(message):
    assert section(message) or message.startswith(COMPLETE + PARTS), (
        "explain it in docs/troubleshooting.md, or add its beginning to COMPLETE"
    )


@pytest.mark.parametrize("beginning", COMPLETE + PARTS)
def test_what_needs_no_section_is_a_message(beginning):
    assert any(message.startswith(beginning) and not section(message) for message in messages()), (
        "no message begins so, or it has a section"
    )


def test_a_line_belongs_to_the_most_exact_section():
    line = "The repository has no branch v1: the workflow ran for a tag, and Stormkit deploys branches."
    assert section(line) == "the workflow ran for a tag, and Stormkit deploys branches"
