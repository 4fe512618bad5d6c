"""A web page to try the action on: a pull request as GitHub shows it, with buttons that run the action."""
