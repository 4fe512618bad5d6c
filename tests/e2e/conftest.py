"""The whole program as a process, against a local Stormkit and a local GitHub over real HTTP."""

import itertools

import pytest

from sandbox.github.server import TOKEN
from sandbox.runner.runner import Runner

KEYS = {"environment key": {"api-key": "SK_sandbox"}, "user key": {"api-key": "SK_user", "env-id": "305"}}


@pytest.fixture
def step(stormkit, github, tmp_path):
    """Build the Runner of one step; inputs are keyword arguments (`api_key` is the input `api-key`)."""
    numbers = itertools.count()

    def make(event="pull_request_opened", *, env=None, event_name="", **inputs) -> Runner:
        values = {"api-key": "SK_sandbox", "api-url": stormkit.url, "poll-interval": "0.1s"}
        if event == "pull_request_closed":
            # GitHub has closed the pull request before it sends the event.
            github.state.add_pull_request(state="closed")
        values |= {name.replace("_", "-"): value for name, value in inputs.items()}
        return Runner(
            event=event,
            event_name=event_name,
            inputs=values,
            directory=tmp_path / f"job{next(numbers)}",
            github_url=github.url,
            token=TOKEN,
            secrets=["SK_sandbox", "SK_user"],
            env=env,
        )

    return make
