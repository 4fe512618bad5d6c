"""A local GitHub runner: runs the action as a step of a workflow's job."""
