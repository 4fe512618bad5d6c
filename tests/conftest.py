"""What tests share: a local Stormkit and a local GitHub, and how hypothesis runs."""

import pytest
from hypothesis import is_hypothesis_test, settings

from sandbox.github.server import GitHub
from sandbox.stormkit.server import Build, Generation, Stormkit
from tests.github_api import openapi

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


def pytest_collection_modifyitems(items):
    """Start with what hypothesis runs a hundred times: it takes longest, so no worker has it left at the end."""
    items.sort(key=lambda item: not is_hypothesis_test(item.obj))


@pytest.fixture
def stormkit(request):
    """Builds are over in a moment. Parametrize it indirectly with a Generation; it is the newer one otherwise."""
    with Stormkit(generation=getattr(request, "param", Generation.NEWER)) as server:
        server.default_build = Build(seconds=0.3)
        yield server


@pytest.fixture
def github():
    """It has the pull request of the events."""
    with GitHub() as server:
        yield server


@pytest.fixture(autouse=True)
def documented_requests():
    """Every request to a local GitHub, and its answer, has to be as GitHub's OpenAPI document says."""
    found = []

    def observe(request, answer):
        found.extend(f"{request.method} {request.target}: {text}" for text in openapi.problems(request, answer))

    GitHub.observers.append(observe)
    yield
    GitHub.observers.remove(observe)
    assert not found, "\n".join(dict.fromkeys(found))
