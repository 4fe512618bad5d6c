"""docs/troubleshooting.md: its headings are texts of the package, and every message that needs a section has one."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from stormkit_action.troubleshooting import section
from tools.doc_tables import ROOT

HEADINGS = re.findall(r"^### (.+)$", (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)
# Headings that describe a symptom instead of quoting a message.
SYMPTOMS = {"Each push is built twice"}

# Modules whose sentences are help or tables, or are never printed on GitHub, where errors link to their sections.
NOT_MESSAGES = {"cli.py", "check.py", "outputs.py", "table.py", "summary.py", "comment_body.py", "troubleshooting.py"}
# Calls whose texts are ordinary log lines or the help of an input.
NOT_MESSAGE_CALLS = {"log", "_log", "_input"}

# The beginnings of messages that need no explanation.
COMPLETE = (
    "Deployment … was deleted before it could be read.",
    "Stormkit accepted the deletion of deployment …, but it is still there.",
    "Stormkit does not say whether it is published, so it was kept.",
    "…. Building it again as a new deployment",
    "Deployment … was stopped",
    "Deployment … belongs to branch …: it was left alone.",
    "Deployment … ended.",
    "Deployment … was deleted.",
    "Stormkit's answer while … is longer than … MiB, so it was not read.",
    "GITHUB_EVENT_PATH is not set",
    "The request was cancelled before it was sent.",
    "Give the token this permission: ….",
    "Input …: … is … seconds. For minutes",
    "Input …: … has a name for each, so it is not used.",
    "Input …: only one of them can be given",
    "Input …: a deployment belongs to one environment",
    "Input …: … finds its deployments itself",
    "Input …: … acts on none by its id",
    "Input …: without waiting there is no finished build",
    "A bug in the action; see the step's log.",
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

# Texts that are only ever printed as part of a message.
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
    """Every string but docstrings, with `…` in place of interpolated values."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in ast.walk(node)} - {id(node)}
        elif isinstance(node, ast.Expr):
            skipped.add(id(node.value))
    for node in ast.walk(tree):
        if id(node) in skipped:
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
    """Every string of the package, without the module that repeats the headings."""
    paths = {*(ROOT / "stormkit_action").rglob("*.py")} - {ROOT / "stormkit_action/troubleshooting.py"}
    return [text for path in paths for _, text in strings(parsed(path))]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def messages() -> list[str]:
    """The sentences that a command ends or warns with; a leading placeholder is an input's name (`Input …:`)."""
    found = []
    for path in (ROOT / "stormkit_action").rglob("*.py"):
        if path.name in NOT_MESSAGES:
            continue
        tree = parsed(path)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node) in NOT_MESSAGE_CALLS]
        excluded = {id(part) for call in calls for part in ast.walk(call)}
        for node, text in strings(tree):
            if id(node) not in excluded and re.search(r"[a-z]\S* \S+ \S+.*\.(?: |$)", text):
                found.append(re.sub(r"^…:", "Input …:", text))
    return sorted(set(found))


@pytest.mark.parametrize("heading", [heading for heading in HEADINGS if heading not in SYMPTOMS])
def test_every_heading_is_a_text_of_the_package(heading):
    # The code interpolates an input's name, which the heading spells out.
    wanted = (heading, re.sub(r"^Input (?:[a-z-]+|…):", "…:", heading))
    assert [text for text in texts() if any(part in text for part in wanted)], f"no text of the package holds {heading}"


@pytest.mark.parametrize("message", messages())
def test_every_message_has_a_section_or_is_listed_as_complete(message):
    assert section(message) or message.startswith(COMPLETE + PARTS), (
        "explain it in docs/troubleshooting.md, or add its beginning to COMPLETE"
    )


@pytest.mark.parametrize("beginning", COMPLETE + PARTS)
def test_every_text_listed_as_complete_begins_a_message_without_a_section(beginning):
    assert any(message.startswith(beginning) and not section(message) for message in messages()), (
        "no message begins so, or it has a section"
    )


def test_a_line_is_explained_by_its_most_specific_section():
    line = "The repository has no branch v1: the workflow ran for a tag, and Stormkit deploys branches."
    assert section(line) == "the workflow ran for a tag, and Stormkit deploys branches"
