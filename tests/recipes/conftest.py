"""Fixtures for the tests of the recipes."""

from collections.abc import Callable

import pytest

from tests.recipes.recipe import Recipe

MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def recipe(stormkit, github, tmp_path) -> MakeRecipe:
    """Create a Recipe against the local Stormkit and GitHub."""

    def make(name: str, **options) -> Recipe:
        return Recipe(name=name, **{"stormkit": stormkit, "github": github, "directory": tmp_path} | options)

    return make
