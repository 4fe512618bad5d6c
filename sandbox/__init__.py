"""A local Stormkit, a local GitHub and a runner, to try and to test the action without an account."""
