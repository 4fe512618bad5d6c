"""What the recipes' tests share."""

from collections.abc import Callable

import pytest

from sandbox.github import GitHub
from sandbox.stormkit import Build, Stormkit
from tests.recipes.recipe import Recipe

MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def stormkit():
    """A Stormkit whose builds are over in a moment."""
    with Stormkit() as server:
        server.default_build = Build(seconds=0.1)
        yield server


@pytest.fixture
def github():
    """A GitHub with the pull request of the events."""
    with GitHub() as server:
        yield server


@pytest.fixture
def recipe(stormkit, github, tmp_path) -> MakeRecipe:
    """Makes a recipe."""

    def make(name: str, **options) -> Recipe:
        return Recipe(name=name, **{"stormkit": stormkit, "github": github, "directory": tmp_path} | options)

    return make
