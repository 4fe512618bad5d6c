"""Fixtures for all tests: a local Stormkit, a local GitHub, and the settings of hypothesis."""

import pytest
from hypothesis import is_hypothesis_test, settings

from sandbox.github.server import GitHub
from sandbox.stormkit.server import Build, Generation, Stormkit
from tests.github_api import openapi

# An example's duration depends on how busy the machine is, so it is no reason to fail.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


def pytest_collection_modifyitems(items):
    """Run the tests of hypothesis first: they take longest, and no worker should have one left at the end."""
    items.sort(key=lambda item: not is_hypothesis_test(item.obj))


@pytest.fixture
def stormkit(request):
    """A local Stormkit with builds of 0.3 s; NEWER unless parametrized indirectly with a Generation."""
    with Stormkit(generation=getattr(request, "param", Generation.NEWER)) as server:
        server.default_build = Build(seconds=0.3)
        yield server


@pytest.fixture
def github():
    """A local GitHub with the pull request of the event payloads."""
    with GitHub() as server:
        yield server


@pytest.fixture(autouse=True)
def documented_requests():
    """Fail the test if a request to a local GitHub, or its answer, does not match GitHub's OpenAPI document."""
    found = []

    def observe(request, answer):
        found.extend(f"{request.method} {request.target}: {text}" for text in openapi.problems(request, answer))

    GitHub.observers.append(observe)
    yield
    GitHub.observers.remove(observe)
    assert not found, "\n".join(dict.fromkeys(found))
