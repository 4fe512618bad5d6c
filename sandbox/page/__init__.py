"""A page to try the action on: a pull request as GitHub shows it, and buttons that run the action on it."""
