"""What tests share: a local Stormkit and a local GitHub, and how hypothesis runs."""

import pytest
from hypothesis import settings

from sandbox.github.server import GitHub
from sandbox.stormkit.server import Build, Generation, Stormkit

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


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
