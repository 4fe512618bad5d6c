"""On the way to the trigger nothing is imported that is only needed after it."""

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

LATER = {
    "asyncio",
    "backoff",
    "concurrent.futures",
    "github",
    "stormkit_action.commands.deploy",
    "stormkit_action.commands.dispatch",
    "stormkit_action.github_api.api",
    "stormkit_action.reporting.ending",
    "stormkit_action.reporting.github_report",
    "stormkit_action.result",
    "stormkit_action.stormkit.answers",
    "stormkit_action.stormkit.models",
    "stormkit_action.stormkit.waiting",
}


def test_what_is_imported_before_the_trigger(tmp_path):
    entrypoint = tmp_path / "entrypoint.py"
    entrypoint.write_text(_PROBE, encoding="utf-8")
    inputs = {"api-key": "SK_sandbox", "api-url": "http://127.0.0.1:9"}
    finished = Runner(
        event="pull_request_opened", inputs=inputs, directory=tmp_path / "job", entrypoint=entrypoint
    ).run()
    (line,) = [each for each in finished.log.splitlines() if each.startswith("imported: ")]
    imported = set(line.split()[1:])
    assert {"requests", "stormkit_action.stormkit.trigger"} <= imported
    assert imported & LATER == set()
