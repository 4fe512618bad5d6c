"""One module a verb. Each takes its collaborators by keyword and returns a result."""
