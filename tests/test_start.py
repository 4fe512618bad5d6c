"""Imports stand at the top of a file, but for the few that cost a step more than all of our own code."""

import ast

from sandbox.runner.runner import ACTION, Runner

# Says what is imported at the moment when the first request would go out, and ends there.
_PROBE = f"""
import http.client, os, sys

def sent(*_, **__):
    print("imported:", *sys.modules, flush=True)
    os._exit(0)

http.client.HTTPConnection.endheaders = sent
sys.path.insert(0, {str(ACTION)!r})
from stormkit_action.__main__ import run
run()
"""

# The module, and what it imports inside a function.
INSIDE_FUNCTIONS = {
    ("__main__.py", "stormkit_action.main"),  # signal handlers first
    ("__main__.py", "stormkit_action.post"),
    ("main.py", "stormkit_action"),  # cli: argparse
    ("retry.py", "backoff"),  # it loads asyncio
    ("github_api/connection.py", "github"),
}


def test_a_step_on_github_loads_no_library_before_the_trigger_that_it_may_never_need(tmp_path):
    entrypoint = tmp_path / "entrypoint.py"
    entrypoint.write_text(_PROBE, encoding="utf-8")
    inputs = {"api-key": "SK_sandbox", "api-url": "http://127.0.0.1:9"}
    finished = Runner(
        event="pull_request_opened", inputs=inputs, directory=tmp_path / "job", entrypoint=entrypoint
    ).run()
    (line,) = [line for line in finished.log.splitlines() if line.startswith("imported: ")]
    imported = set(line.split()[1:])
    assert {"requests", "stormkit_action.stormkit.trigger"} <= imported
    assert imported & {"argparse", "asyncio", "backoff", "github"} == set()


def test_imports_stand_at_the_top():
    found = set()
    for path in (ACTION / "stormkit_action").rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                name = path.relative_to(ACTION / "stormkit_action").as_posix()
                if isinstance(node, ast.ImportFrom):
                    found.add((name, str(node.module).removesuffix(".Requester")))
                elif isinstance(node, ast.Import):
                    found.add((name, node.names[0].name))
    assert found == INSIDE_FUNCTIONS
