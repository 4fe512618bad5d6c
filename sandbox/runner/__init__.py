"""A local GitHub runner: starts the action as a workflow step does."""
