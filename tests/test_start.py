"""Imports are at the top of a file, except for the few that cost a step more than all of our own code."""

import ast

from sandbox.runner.runner import ACTION, Runner

# Prints the imported modules when the first request would be sent, and exits.
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

# Modules, and what they import inside a function.
INSIDE_FUNCTIONS = {
    ("__main__.py", "stormkit_action.main"),  # signal handlers first
    ("__main__.py", "stormkit_action.post"),
    ("main.py", "stormkit_action"),  # cli: argparse
    ("retry.py", "backoff"),  # it loads asyncio
    ("github_api/connection.py", "github"),
}


def test_before_the_trigger_no_library_is_loaded_that_a_step_may_not_need(tmp_path):
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


def test_only_the_listed_imports_are_inside_functions():
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
