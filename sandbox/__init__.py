"""A local Stormkit, a local GitHub and a local runner: try and test the action without an account."""
