"""What holds for all tests."""

from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
