"""Former names of stormkit_action.inputs."""

from stormkit_action.inputs import INPUTS, secrets_in
from stormkit_action.inputs import read as from_environment

__all__ = ["INPUTS", "from_environment", "secrets_in"]
